package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keymaker/internal/harness"
)

// publisher is where a client publishes its keys.
type publisher struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int64
}

func publish(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// say sets what is answered from now on.
func (p *publisher) say(answer http.HandlerFunc) { p.answer.Store(&answer) }

// keys answers with a key set.
func (p *publisher) keys(t *testing.T, set jose.JSONWebKeySet) {
	t.Helper()
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	p.say(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
}

func TestPublishedKeys(t *testing.T) {
	p := publish(t)
	e := withClients(t, "[[global.oidc_client]]\nclient_id = \"signer\"\njwks_uri = \""+p.URL+"/jwks\"\n")
	first, second := newSigner(t, jose.ES256), newSigner(t, jose.EdDSA)
	first.id, second.id = "signer", "signer"
	ask := func(e *harness.Env, s *signer) harness.Answer {
		e.T.Helper()
		return e.Form(introspectPath, asserted(url.Values{"token": {"x"}}, s.sign(e, nil)))
	}
	wait := func(d time.Duration) { e.Clock.Advance(d) }

	p.say(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	t.Run("D-61: while the keys cannot be had, the client is to try again", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectOAuthError(t, ask(e, first), http.StatusServiceUnavailable, "temporarily_unavailable")
		harness.ExpectOAuthError(t, ask(e, first), http.StatusServiceUnavailable, "temporarily_unavailable")
		if n := p.asked.Load(); n != 1 {
			t.Errorf("they were asked for %d times in a moment", n)
		}
	})
	wait(31 * time.Second)
	p.keys(t, first.jwks())
	t.Run("D-61: published keys verify, and are asked for once", func(t *testing.T) {
		e := e.For(t)
		before := p.asked.Load()
		for range 3 {
			harness.ExpectJSON(t, ask(e, first), http.StatusOK)
		}
		if n := p.asked.Load() - before; n != 1 {
			t.Errorf("they were asked for %d times", n)
		}
		harness.ExpectOAuthError(t, ask(e, second), http.StatusUnauthorized, "invalid_client")
	})
	wait(31 * time.Second)
	p.keys(t, second.jwks())
	t.Run("D-61: another key is found, and the one before is worth nothing", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, ask(e, second), http.StatusOK)
		harness.ExpectOAuthError(t, ask(e, first), http.StatusUnauthorized, "invalid_client")
	})
	wait(16 * time.Minute)
	p.say(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	t.Run("D-61: the keys are good for an hour while there are no others", func(t *testing.T) {
		harness.ExpectJSON(t, ask(e.For(t), second), http.StatusOK)
	})
	wait(time.Hour)
	t.Run("D-61: and no longer", func(t *testing.T) {
		harness.ExpectOAuthError(t, ask(e.For(t), second), http.StatusServiceUnavailable, "temporarily_unavailable")
	})
	for name, answer := range map[string]http.HandlerFunc{
		"a redirect":    func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"no key set":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no usable key": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[{"kty":"AKP"}]}`)) },
		"no end": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`))
		},
	} {
		wait(31 * time.Second)
		p.say(answer)
		t.Run("D-61: "+name+" is no set of keys", func(t *testing.T) {
			harness.ExpectOAuthError(t, ask(e.For(t), second), http.StatusServiceUnavailable, "temporarily_unavailable")
		})
	}
}

// TestPublishedKeysOfStrangers lets a registered client name an address that
// only this machine can reach.
func TestPublishedKeysOfStrangers(t *testing.T) {
	p := publish(t)
	s := newSigner(t, jose.ES256)
	p.keys(t, s.jwks())
	e := harness.Start(t, func(o *harness.Options) {
		o.Issuer = "https://auth.example.org"
		o.Global = "oidc_registration_require_client_uri = false"
	})
	s.id, _ = e.Register(metadataOf(t, map[string]any{"client_uri": nil, "token_endpoint_auth_method": "private_key_jwt",
		"jwks_uri": strings.Replace(p.URL, "http://127.0.0.1", "https://localhost", 1) + "/jwks"}))
	t.Run("D-61 L-23: a client cannot have the server connect to its own machine", func(t *testing.T) {
		e := e.For(t)
		a := e.Form(introspectPath, asserted(url.Values{"token": {"x"}}, s.sign(e, nil)))
		harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
	})
	if n := p.asked.Load(); n != 0 || !strings.Contains(e.Log.String(), "prohibited") {
		t.Errorf("it was asked %d times, and the log does not say that the address is prohibited:\n%s", n, e.Log.String())
	}
}
