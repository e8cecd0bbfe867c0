package handlers_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/provider/assertion"
)

// signer is a client that authenticates with private_key_jwt.
type signer struct {
	id  string
	alg jose.SignatureAlgorithm
	key any
}

// newSigner makes a client's key.
func newSigner(t testing.TB, alg jose.SignatureAlgorithm) *signer {
	t.Helper()
	s := &signer{alg: alg}
	var err error
	switch alg {
	case jose.ES256:
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		s.key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// jwks is the key set that the client publishes.
func (s *signer) jwks() jose.JSONWebKeySet {
	k := jose.JSONWebKey{Key: s.key}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.Public()}}
}

// registerSigner registers a client with its key set.
func registerSigner(t *testing.T, e *harness.Env, alg jose.SignatureAlgorithm, changes map[string]any) *signer {
	t.Helper()
	s := newSigner(t, alg)
	members := map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": s.jwks()}
	maps.Copy(members, changes)
	s.id, _ = e.Register(metadataOf(t, members))
	return s
}

// claims are those of an assertion that is accepted once.
func (s *signer) claims(e *harness.Env) map[string]any {
	now := e.Clock.Now().Unix()
	return map[string]any{"iss": s.id, "sub": s.id, "aud": e.Issuer, "exp": now + 60, "iat": now, "jti": secret.Token()}
}

// sign makes an assertion of claims, with some of them changed; nil takes one
// away.
func (s *signer) sign(e *harness.Env, changes map[string]any) string {
	e.T.Helper()
	claims := s.claims(e)
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	key := s.key
	if text, ok := key.(string); ok {
		key = []byte(text)
	}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: key}, nil)
	if err != nil {
		e.T.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		e.T.Fatal(err)
	}
	signed, err := made.Sign(payload)
	if err != nil {
		e.T.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		e.T.Fatal(err)
	}
	return text
}

// asserted adds an assertion to the parameters of a request.
func asserted(values url.Values, text string) url.Values {
	return with(values, "client_assertion_type", assertion.Type, "client_assertion", text)
}

func TestPrivateKeyJWT(t *testing.T) {
	e := harness.Start(t)
	for _, alg := range assertion.Algs() {
		t.Run("D-61 D-62: an assertion signed with "+alg, func(t *testing.T) {
			e := e.For(t)
			s := registerSigner(t, e, jose.SignatureAlgorithm(alg), nil)
			g := approved(e, s.id, "openid "+harness.ScopeStable+"SIGNED"+alg)
			a := e.Form(tokenPath, asserted(with(g.values(), "client_id", ""), s.sign(e, nil)))
			harness.ExpectJSON(t, a, http.StatusOK)
			expectAlive(t, e, a.Text("access_token"))
			refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Text("refresh_token")}}
			harness.ExpectJSON(t, e.Form(tokenPath, asserted(refresh, s.sign(e, nil))), http.StatusOK)
		})
	}
}

func TestAssertions(t *testing.T) {
	e := harness.Start(t)
	s := registerSigner(t, e, jose.ES256, nil)
	onlyRSA := registerSigner(t, e, jose.RS256, map[string]any{"token_endpoint_auth_signing_alg": "RS256"})
	stranger := newSigner(t, jose.ES256)
	stranger.id = s.id
	withSecret := &signer{id: s.id, alg: jose.HS256, key: "a secret of at least 32 characters"}
	pss := &signer{id: onlyRSA.id, alg: jose.PS256, key: onlyRSA.key}
	publicID, _ := e.Register(harness.WebClient)
	public := &signer{id: publicID, alg: jose.ES256, key: s.key}
	nobody := &signer{id: "nobody", alg: jose.ES256, key: s.key}
	now := e.Clock.Now().Unix()
	type m = map[string]any
	tests := []struct {
		name       string
		by         *signer
		claims     m
		parameters []string
		status     int
		code       string
	}{
		{"D-61: the issuer as audience", s, nil, nil, 200, ""},
		{"D-61: the token endpoint as audience", s, m{"aud": e.Issuer + tokenPath}, nil, 200, ""},
		{"D-61: the client_id beside the assertion", s, nil, []string{"client_id", s.id}, 200, ""},
		{"D-61: both names of this server as audience", s, m{"aud": []string{e.Issuer, e.Issuer + tokenPath}}, nil, 200, ""},
		{"D-61: one that ended just now, by another clock", s, m{"exp": now - 29}, nil, 200, ""},
		{"D-61: one from just now, by another clock", s, m{"iat": now + 29, "nbf": now + 29}, nil, 200, ""},
		{"D-61: an aud with more behind it", s, m{"aud": e.Issuer + "x"}, nil, 401, "invalid_client"},
		{"D-61: an empty list of aud", s, m{"aud": []string{}}, nil, 401, "invalid_client"},
		{"D-61: no iss", s, m{"iss": nil}, nil, 401, "invalid_client"},
		{"D-61: no sub", s, m{"sub": nil}, nil, 401, "invalid_client"},
		{"D-61: an exp that is a text", s, m{"exp": "tomorrow"}, nil, 401, "invalid_client"},
		{"D-61: an empty jti", s, m{"jti": ""}, nil, 401, "invalid_client"},
		{"D-61: a jti that is a number", s, m{"jti": 7}, nil, 401, "invalid_client"},
		{"D-61: a jti of 256 bytes", s, m{"jti": strings.Repeat("j", 256)}, nil, 401, "invalid_client"},
		{"D-61: no aud", s, m{"aud": nil}, nil, 401, "invalid_client"},
		{"D-61: the aud of another server", s, m{"aud": "https://auth.example.com/"}, nil, 401, "invalid_client"},
		{"D-61: another server beside this one", s, m{"aud": []string{e.Issuer, "https://auth.example.com/"}}, nil, 401, "invalid_client"},
		{"D-61: another endpoint as audience", s, m{"aud": e.Issuer + revokePath}, nil, 401, "invalid_client"},
		{"D-61: another iss", s, m{"iss": "nobody"}, nil, 401, "invalid_client"},
		{"D-61: another sub", s, m{"sub": "nobody"}, nil, 401, "invalid_client"},
		{"D-61: another client's key", stranger, nil, nil, 401, "invalid_client"},
		{"D-61: a shared secret instead of a key", withSecret, nil, nil, 401, "invalid_client"},
		{"D-61: another algorithm than the registered one", pss, nil, nil, 401, "invalid_client"},
		{"D-61: no exp", s, m{"exp": nil}, nil, 401, "invalid_client"},
		{"D-61: an expired one", s, m{"exp": now - 31}, nil, 401, "invalid_client"},
		{"D-61: one that lives for a day", s, m{"exp": now + 86400}, nil, 401, "invalid_client"},
		{"D-61: one that is not valid yet", s, m{"nbf": now + 60}, nil, 401, "invalid_client"},
		{"D-61: one from the future", s, m{"iat": now + 60}, nil, 401, "invalid_client"},
		{"D-61: no jti", s, m{"jti": nil}, nil, 401, "invalid_client"},
		{"D-61: an unknown client", nobody, nil, nil, 401, "invalid_client"},
		{"D-61: a public client that signs", public, nil, nil, 401, "invalid_client"},
		{"D-61: another type of assertion", s, nil, []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, 401, "invalid_client"},
		{"D-61: no type of assertion", s, nil, []string{"client_assertion_type", ""}, 400, "invalid_request"},
		{"D-61: a type and no assertion", s, nil, []string{"client_assertion", ""}, 400, "invalid_request"},
		{"D-61: an assertion that is no JWT", s, nil, []string{"client_assertion", "x"}, 401, "invalid_client"},
		{"D-61: an assertion and a secret", s, nil, []string{"client_secret", "x"}, 400, "invalid_request"},
		{"D-61: the client_id of another client", s, nil, []string{"client_id", publicID}, 400, "invalid_request"},
		{"D-61: no assertion of a client that must sign", s, nil, []string{"client_assertion", "", "client_assertion_type", "", "client_id", s.id}, 401, "invalid_client"},
		{"D-61: a secret of a client that must sign", s, nil, []string{"client_assertion", "", "client_assertion_type", "", "client_id", s.id, "client_secret", "x"}, 401, "invalid_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			g := approved(e, s.id, "openid")
			values := asserted(with(g.values(), "client_id", ""), tt.by.sign(e, tt.claims))
			a := e.Form(tokenPath, with(values, tt.parameters...))
			if tt.status == http.StatusOK {
				harness.ExpectJSON(t, a, tt.status)
				return
			}
			harness.ExpectOAuthError(t, a, tt.status, tt.code)
			harness.ExpectJSON(t, e.Form(tokenPath, asserted(with(g.values(), "client_id", ""), s.sign(e, nil))), http.StatusOK)
		})
	}
	t.Run("D-61: Basic and an assertion", func(t *testing.T) {
		e := e.For(t)
		values := asserted(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, s.sign(e, nil))
		a := e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": form, "Authorization": basic(s.id, "x")}, values.Encode())
		harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_request")
	})
}

func TestAssertionsAtOtherEndpoints(t *testing.T) {
	e := harness.Start(t)
	s := registerSigner(t, e, jose.ES256, map[string]any{"grant_types": []string{"authorization_code", "refresh_token", deviceGrantType}})
	tokens := e.LogIn("alice", "INTROSPECTED")
	t.Run("F-01: a client that signs may introspect", func(t *testing.T) {
		e := e.For(t)
		for _, aud := range []string{e.Issuer, e.Issuer + tokenPath, e.Issuer + introspectPath} {
			a := e.Form(introspectPath, asserted(url.Values{"token": {tokens.Access}}, s.sign(e, map[string]any{"aud": aud})))
			if harness.ExpectJSON(t, a, http.StatusOK); a.JSON()["active"] != true {
				t.Errorf("%s: the answer is %s", aud, a.Body)
			}
		}
	})
	t.Run("F-01: an assertion introspects once", func(t *testing.T) {
		e := e.For(t)
		values := asserted(url.Values{"token": {tokens.Access}}, s.sign(e, nil))
		harness.ExpectJSON(t, e.Form(introspectPath, values), http.StatusOK)
		a := e.Form(introspectPath, values)
		harness.ExpectOAuthError(t, a, http.StatusUnauthorized, "invalid_client")
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Error("401 without WWW-Authenticate")
		}
	})
	t.Run("D-61 E-01: a revocation takes an assertion, and no bad one", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogIn("alice", "REVOKEDBYCLIENT")
		bad := s.sign(e, map[string]any{"exp": 1})
		harness.ExpectOAuthError(t, e.Form(revokePath, asserted(url.Values{"token": {tokens.Access}}, bad)), http.StatusUnauthorized, "invalid_client")
		expectAlive(t, e, tokens.Access)
		harness.ExpectJSON(t, e.Form(revokePath, asserted(url.Values{"token": {tokens.Access}}, s.sign(e, map[string]any{"aud": e.Issuer + revokePath}))), http.StatusOK)
		expectInactive(t, e.Introspect(tokens.Access))
	})
	t.Run("D-61 A-03z: a pushed request takes an assertion for its own endpoint, and needs one", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(s.id, "openid")
		harness.ExpectOAuthError(t, push(e, r), http.StatusUnauthorized, "invalid_client")
		r.Values = asserted(with(r.Values, "client_id", ""), s.sign(e, map[string]any{"aud": e.Issuer + parPath}))
		p := pushed(e, r)
		harness.ExpectOAuthError(t, push(e, r), http.StatusUnauthorized, "invalid_client")
		g := grant{r, e.NewBrowser().Approve(p, "alice").Get("code")}
		harness.ExpectJSON(t, e.Form(tokenPath, asserted(g.values(), s.sign(e, nil))), http.StatusOK)
	})
	t.Run("D-61: an assertion is used up at every endpoint, and by its own client alone", func(t *testing.T) {
		e := e.For(t)
		other := registerSigner(t, e, jose.ES256, nil)
		once := map[string]any{"jti": "the same of both"}
		values := asserted(url.Values{"token": {tokens.Access}}, s.sign(e, once))
		harness.ExpectJSON(t, e.Form(introspectPath, values), http.StatusOK)
		harness.ExpectOAuthError(t, e.Form(revokePath, values), http.StatusUnauthorized, "invalid_client")
		harness.ExpectOAuthError(t, push(e, harness.Request{Values: asserted(e.NewRequest(s.id, "openid").Values, s.sign(e, once))}), http.StatusUnauthorized, "invalid_client")
		expectAlive(t, e, tokens.Access)
		harness.ExpectJSON(t, e.Form(introspectPath, asserted(url.Values{"token": {tokens.Access}}, other.sign(e, once))), http.StatusOK)
	})
	t.Run("D-61 G-01: a device authorization takes an assertion, and needs one of this client", func(t *testing.T) {
		e := e.For(t)
		values := url.Values{"scope": {"openid"}, "client_id": {s.id}}
		harness.ExpectOAuthError(t, e.Form("/_tuwunel/oidc/device_authorization", values), http.StatusUnauthorized, "invalid_client")
		harness.ExpectJSON(t, e.Form("/_tuwunel/oidc/device_authorization", asserted(values, s.sign(e, nil))), http.StatusOK)
	})
}

func TestAssertionsAreUsedOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		s := registerSigner(t, e, jose.EdDSA, nil)
		values := asserted(url.Values{"token": {"x"}}, s.sign(e, nil))
		t.Run("D-61: of many requests at once with one assertion, one is accepted", func(t *testing.T) {
			expectOneAccepted(t, atOnce(e.For(t), times(crowd, post{path: introspectPath, values: values})...))
		})
		e.Restart()
		t.Run("D-61: it is remembered after a restart", func(t *testing.T) {
			e := e.For(t)
			harness.ExpectOAuthError(t, e.Form(introspectPath, values), http.StatusUnauthorized, "invalid_client")
		})
		t.Run("D-61: it has expired when it is forgotten", func(t *testing.T) {
			e := e.For(t)
			e.Clock.Advance(91 * time.Second)
			sweep(e)
			harness.ExpectOAuthError(t, e.Form(introspectPath, values), http.StatusUnauthorized, "invalid_client")
		})
	})
	onTwoServers(t, func(t *testing.T, first, second *harness.Env) {
		s := registerSigner(t, first, jose.EdDSA, nil)
		t.Run("of many requests to two servers with one assertion, one is accepted (D-61)", func(t *testing.T) {
			values := asserted(url.Values{"token": {"x"}}, s.sign(first.For(t), nil))
			expectOneAccepted(t, atBoth(first.For(t), second.For(t), post{path: introspectPath, values: values}))
		})
	})
}

func expectOneAccepted(t *testing.T, answers []harness.Answer) {
	t.Helper()
	accepted := 0
	for _, a := range answers {
		switch a.Status {
		case http.StatusOK:
			accepted++
		case http.StatusUnauthorized:
		default:
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	}
	if accepted != 1 {
		t.Errorf("%d of %d were accepted, want 1", accepted, len(answers))
	}
}

func TestRegisteredKeys(t *testing.T) {
	e := harness.Start(t)
	jwk := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "one"}
	set := map[string]any{"keys": []any{jwk}}
	method := map[string]any{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "EdDSA"}
	t.Run("B-25: a client with its keys has no secret, and they come back", func(t *testing.T) {
		changes := maps.Clone(method)
		changes["jwks"] = set
		expectRegistered(t, register(e.For(t), metadataOf(t, changes)), webEcho(changes))
	})
	t.Run("B-25: so does the address of its keys", func(t *testing.T) {
		changes := maps.Clone(method)
		changes["jwks_uri"] = "https://keys.example.com/jwks"
		expectRegistered(t, register(e.For(t), metadataOf(t, changes)), webEcho(changes))
	})
	t.Run("B-40: two registrations with one key set are two clients", func(t *testing.T) {
		e := e.For(t)
		body := metadataOf(t, map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": set})
		a, b := register(e, body), register(e, body)
		harness.ExpectJSON(t, a, http.StatusCreated)
		if a.Text("client_id") == b.Text("client_id") {
			t.Error("they share a client")
		}
	})
}
