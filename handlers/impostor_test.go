package handlers_test

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

// The endpoints of the identity provider.
const (
	idpDiscovery = "/.well-known/openid-configuration"
	idpToken     = "/oauth/token"
	idpUserinfo  = "/userinfo"
	idpKeys      = "/keys"
)

// fault stands in front of the identity provider and may answer for it.
type fault func(w http.ResponseWriter, r *http.Request, provider http.Handler)

// impostor stands between the network and the identity provider. It has a key
// of its own in the provider's key set, so it can issue whatever the provider
// could, and it can spoil every answer.
type impostor struct {
	e   *harness.Env
	key *ecdsa.PrivateKey

	mu    sync.Mutex
	fault fault
	asked map[string]int // requests by path
	seen  []string       // tokens that went by
}

// startImpostor starts a server whose identity provider an impostor plays.
func startImpostor(t *testing.T, configure ...func(*harness.Options)) *impostor {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &impostor{key: key, asked: map[string]int{}}
	i.e = harness.Start(t, append(configure, func(o *harness.Options) {
		o.Global += "\noidc_rc_per_second = 0"
		o.IDP = func(p *demoidptest.Options) { p.Wrap = i.wrap }
	})...)
	return i
}

func (i *impostor) wrap(provider http.Handler) http.Handler {
	provider = i.withKey(provider)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		f := i.fault
		i.asked[r.URL.Path]++
		i.mu.Unlock()
		if f == nil {
			provider.ServeHTTP(w, r)
			return
		}
		f(w, r, provider)
	})
}

// withKey is the provider with the impostor's key in its key set. It notes the
// tokens that the provider gives.
func (i *impostor) withKey(provider http.Handler) http.Handler {
	public := jose.JSONWebKey{Key: i.key.Public(), KeyID: impostorKey, Algorithm: string(jose.ES256), Use: "sig"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		changedAt(idpKeys, func(set map[string]any) {
			keys, _ := set["keys"].([]any)
			set["keys"] = append(keys, public)
		})(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			changedAt(idpToken, func(answer map[string]any) {
				token, _ := answer["access_token"].(string)
				i.mu.Lock()
				defer i.mu.Unlock()
				i.seen = append(i.seen, token)
			})(w, r, provider)
		}))
	})
}

// impostorKey is the id of the impostor's key.
const impostorKey = "impostor"

// spoil puts a fault before the provider; nil makes it whole again.
func (i *impostor) spoil(f fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fault = f
}

// count is how often a path was asked for.
func (i *impostor) count(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// tokens are the access tokens that went by.
func (i *impostor) tokens() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.seen...)
}

// claims changes the claims of every ID token, and signs them well.
func (i *impostor) claims(change func(claims map[string]any)) fault {
	return i.idToken(func(token string) string {
		claims := payloadOf(token)
		change(claims)
		return i.sign(encoded(claims), jose.ES256, i.key, impostorKey)
	})
}

// idToken changes every ID token.
func (i *impostor) idToken(change func(token string) string) fault {
	return changedAt(idpToken, func(answer map[string]any) {
		if token, ok := answer["id_token"].(string); ok {
			answer["id_token"] = change(token)
		}
	})
}

// sign makes a token.
func (i *impostor) sign(payload []byte, algorithm jose.SignatureAlgorithm, key any, kid string) string {
	return signed(payload, jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
}

func signed(payload []byte, key jose.SigningKey, o *jose.SignerOptions) string {
	signer, err := jose.NewSigner(key, o)
	if err != nil {
		panic(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// payloadOf are the claims of a token, whoever signed it. Numbers stay as they
// are.
func payloadOf(token string) map[string]any {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		panic(err)
	}
	claims, err := object(payload)
	if err != nil {
		panic(err)
	}
	return claims
}

func object(data []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var m map[string]any
	err := d.Decode(&m)
	return m, err
}

func encoded(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// segment is a part of a token.
func segment(v any) string { return base64.RawURLEncoding.EncodeToString(encoded(v)) }

// onlyAt spoils one endpoint of the provider.
func onlyAt(path string, f http.HandlerFunc) fault {
	return func(w http.ResponseWriter, r *http.Request, provider http.Handler) {
		if r.URL.Path == path {
			f(w, r)
			return
		}
		provider.ServeHTTP(w, r)
	}
}

// answering answers at one endpoint in place of the provider.
func answering(path string, status int, contentType, body string) fault {
	return onlyAt(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// answeringJSON is answering with success and JSON.
func answeringJSON(path, body string) fault {
	return answering(path, http.StatusOK, "application/json", body)
}

// rewritten lets the provider answer, and changes the answer's body.
func rewritten(path string, change func(body string) string) fault {
	return rewrittenAs(path, "", change)
}

// rewrittenAs is rewritten with another media type; "" leaves it as it is.
func rewrittenAs(path, contentType string, change func(body string) string) fault {
	return func(w http.ResponseWriter, r *http.Request, provider http.Handler) {
		if r.URL.Path != path {
			provider.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		provider.ServeHTTP(recorder, r)
		w.Header().Set("Content-Type", cmp.Or(contentType, recorder.Header().Get("Content-Type")))
		w.WriteHeader(recorder.Code)
		_, _ = io.WriteString(w, change(recorder.Body.String()))
	}
}

// changedAt lets the provider answer, and changes the JSON object that it
// answers with.
func changedAt(path string, change func(answer map[string]any)) fault {
	return rewritten(path, func(body string) string {
		answer, err := object([]byte(body))
		if err != nil {
			return body
		}
		change(answer)
		return string(encoded(answer))
	})
}

// setAt sets a member of the answer; nil takes it away.
func setAt(path, name string, value any) fault {
	return changedAt(path, func(answer map[string]any) { set(answer, name, value) })
}

func set(m map[string]any, name string, value any) {
	m[name] = value
	if value == nil {
		delete(m, name)
	}
}

// oversized answers with more than anybody wants to read.
func oversized(path string) fault {
	return onlyAt(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		chunk := bytes.Repeat([]byte(" "), 1<<16)
		for range 1 << 6 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, "{}")
	})
}

// cut ends the connection in the middle of the answer.
func cut(path string) fault {
	return onlyAt(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "4096")
		_, _ = io.WriteString(w, `{"access_token":"mallory`)
		panic(http.ErrAbortHandler)
	})
}

// redirecting sends whoever asks elsewhere.
func redirecting(path string, status int, to string) fault {
	return onlyAt(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	})
}

// sentBack changes the parameters with which the provider sends people back.
func sentBack(e *harness.Env, change func(q url.Values)) fault {
	return func(w http.ResponseWriter, r *http.Request, provider http.Handler) {
		recorder := httptest.NewRecorder()
		provider.ServeHTTP(recorder, r)
		if to, err := recorder.Result().Location(); err == nil && to.Path == callbackPath(e) {
			q := to.Query()
			change(q)
			to.RawQuery = q.Encode()
			recorder.Header().Set("Location", to.String())
		}
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	}
}
