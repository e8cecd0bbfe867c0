package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keymaker/internal/harness"
)

// bot is a configured client that acts in its own name.
const bot = `[[global.oidc_client]]
client_id = "bot"
client_secret = "` + wikiSecret + `"
grant_types = ["client_credentials"]
scope = ["urn:synapse:admin:*", "urn:example:read"]
` + wiki

// ownToken asks for a token in the client's own name, with client_secret_basic.
func ownToken(e *harness.Env, id, password, scope string) harness.Answer {
	e.T.Helper()
	values := url.Values{"grant_type": {"client_credentials"}}
	if scope != "" {
		values.Set("scope", scope)
	}
	return e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": form, "Authorization": basic(id, password)}, values.Encode())
}

// acting is the registration of a client that acts in its own name.
func acting(t *testing.T, method string, grants ...string) string {
	t.Helper()
	return metadataOf(t, map[string]any{"token_endpoint_auth_method": method, "grant_types": append(grants, "client_credentials"),
		"redirect_uris": nil, "response_types": nil})
}

func TestClientCredentials(t *testing.T) {
	e := withClients(t, bot)
	t.Run("D-41: a configured client gets what it was configured for, and no refresh token", func(t *testing.T) {
		e := e.For(t)
		a := ownToken(e, "bot", wikiSecret, "")
		harness.ExpectJSON(t, a, http.StatusOK)
		want := map[string]any{"access_token": a.Text("access_token"), "token_type": "Bearer", "expires_in": 300.0, "scope": "urn:synapse:admin:* urn:example:read"}
		if got := a.JSON(); len(got) != len(want) || a.Text("access_token") == "" {
			t.Errorf("the answer is %s", a.Body)
		}
		for name, value := range want {
			if a.JSON()[name] != value {
				t.Errorf("%s is %v, want %v", name, a.JSON()[name], value)
			}
		}
	})
	t.Run("D-41: or less, if it asks for less", func(t *testing.T) {
		if a := ownToken(e.For(t), "bot", wikiSecret, "urn:example:read urn:example:read"); a.Text("scope") != "urn:example:read" {
			t.Errorf("the answer is %s", a.Body)
		}
	})
	for _, scope := range []string{"openid", "profile", harness.ScopeStable + "AAABBBCCCDDD", harness.ScopeUnstable + "AAABBBCCCDDD",
		"urn:example:write", "urn:example:read urn:example:write", "urn:synapse:admin:users", " urn:example:read"} {
		t.Run("D-41: the scope "+scope+" is invalid_scope", func(t *testing.T) {
			harness.ExpectOAuthError(t, ownToken(e.For(t), "bot", wikiSecret, scope), http.StatusBadRequest, "invalid_scope")
		})
	}
	t.Run("D-41: a client that was not configured for it is unauthorized_client", func(t *testing.T) {
		harness.ExpectOAuthError(t, ownToken(e.For(t), "wiki", wikiSecret, ""), http.StatusBadRequest, "unauthorized_client")
	})
	t.Run("D-41 D-61: a wrong secret is invalid_client", func(t *testing.T) {
		harness.ExpectOAuthError(t, ownToken(e.For(t), "bot", wikiSecret+"x", ""), http.StatusUnauthorized, "invalid_client")
	})
	t.Run("D-41: it is advertised", func(t *testing.T) {
		grants, _ := e.For(t).Get(metadataPath).JSON()["grant_types_supported"].([]any)
		found := false
		for _, g := range grants {
			found = found || g == "client_credentials"
		}
		if !found {
			t.Errorf("grant_types_supported is %v", grants)
		}
	})
}

func TestRegisteredClientCredentials(t *testing.T) {
	e := harness.Start(t)
	t.Run("D-41 B-20: a registered client with a secret gets a token that grants nothing", func(t *testing.T) {
		e := e.For(t)
		id, password := e.Register(acting(t, "client_secret_basic"))
		a := ownToken(e, id, password, "")
		harness.ExpectJSON(t, a, http.StatusOK)
		if _, there := a.JSON()["scope"]; there || a.Text("access_token") == "" || a.Text("refresh_token") != "" {
			t.Errorf("the answer is %s", a.Body)
		}
		for _, scope := range []string{"openid", "urn:synapse:admin:*", "urn:example:read"} {
			harness.ExpectOAuthError(t, ownToken(e, id, password, scope), http.StatusBadRequest, "invalid_scope")
		}
	})
	t.Run("D-41: so does one that signs", func(t *testing.T) {
		e := e.For(t)
		s := registerSigner(t, e, jose.ES256, map[string]any{"grant_types": []string{"client_credentials"}, "redirect_uris": nil, "response_types": nil})
		harness.ExpectJSON(t, e.Form(tokenPath, asserted(url.Values{"grant_type": {"client_credentials"}}, s.sign(e, nil))), http.StatusOK)
	})
	t.Run("D-41: a public client does not get the grant", func(t *testing.T) {
		e := e.For(t)
		a := register(e, metadataOf(t, map[string]any{"grant_types": []string{"authorization_code", "client_credentials"}}))
		expectRegistered(t, a, webEcho(map[string]any{"grant_types": []any{"authorization_code"}}))
		harness.ExpectOAuthError(t, e.Form(tokenPath, url.Values{"grant_type": {"client_credentials"}, "client_id": {a.Text("client_id")}}),
			http.StatusBadRequest, "unauthorized_client")
	})
	t.Run("D-41: a public client that registers nothing else is told", func(t *testing.T) {
		harness.ExpectOAuthError(t, register(e.For(t), acting(t, "none")), http.StatusBadRequest, "invalid_client_metadata")
	})
	t.Run("D-41: a client that did not register the grant is unauthorized_client", func(t *testing.T) {
		e := e.For(t)
		id, password := e.Register(confidential("client_secret_basic"))
		harness.ExpectOAuthError(t, ownToken(e, id, password, ""), http.StatusBadRequest, "unauthorized_client")
	})
}

func TestTokensOfClients(t *testing.T) {
	e := withClients(t, bot)
	issued := e.Clock.Now().Unix()
	token := ownToken(e, "bot", wikiSecret, "urn:example:read").Text("access_token")
	t.Run("D-41 F-04 L-26: it introspects with its client and without a user", func(t *testing.T) {
		a := e.For(t).Introspect(token)
		harness.ExpectJSON(t, a, http.StatusOK)
		want := map[string]any{"active": true, "scope": "urn:example:read", "client_id": "bot", "token_type": "Bearer", "iss": e.Issuer,
			"iat": float64(issued), "exp": float64(issued + 330), "expires_in": 330.0}
		if got := a.JSON(); len(got) != len(want) {
			t.Errorf("the answer is %s", a.Body)
		}
		for name, value := range want {
			if got := a.JSON()[name]; got != value {
				t.Errorf("%s is %v, want %v", name, got, value)
			}
		}
	})
	t.Run("D-41: it is nobody's at the Matrix API", func(t *testing.T) {
		harness.ExpectMatrixError(t, e.For(t).WhoAmI(token), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
	})
	t.Run("D-41 F-22: nor at userinfo", func(t *testing.T) {
		a := e.For(t).As(token, http.MethodGet, userinfoPath, "")
		if a.Status != http.StatusUnauthorized || !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("status %d, WWW-Authenticate %q", a.Status, a.Header.Get("WWW-Authenticate"))
		}
	})
	t.Run("D-41: it does not authenticate a registration or an introspection", func(t *testing.T) {
		a := e.For(t).Do(http.MethodPost, introspectPath, map[string]string{"Content-Type": form, "Authorization": "Bearer " + token}, "token=x")
		harness.ExpectJSON(t, a, http.StatusUnauthorized)
	})
	t.Run("D-41 E-01: it can be revoked", func(t *testing.T) {
		e := e.For(t)
		other := ownToken(e, "bot", wikiSecret, "").Text("access_token")
		harness.ExpectJSON(t, e.Form(revokePath, url.Values{"token": {other}}), http.StatusOK)
		expectInactive(t, e.Introspect(other))
		if a := e.Introspect(token); a.JSON()["active"] != true {
			t.Errorf("another token of the client was revoked with it: %s", a.Body)
		}
	})
	t.Run("D-41 F-03: it expires", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(330 * time.Second)
		expectInactive(t, e.Introspect(token))
	})
	kept := ownToken(e, "bot", wikiSecret, "").Text("access_token")
	reconfigure(e, bot, "")
	t.Run("D-41 B-46: it is worth nothing once its client is out of the configuration", func(t *testing.T) {
		expectInactive(t, e.For(t).Introspect(kept))
	})
	t.Run("D-71 D-41: only its hash is stored", func(t *testing.T) {
		e := e.For(t)
		var found int
		if err := database(e).QueryRowContext(t.Context(), marked(e, "SELECT count(*) FROM client_tokens WHERE token_hash = ?"), []byte(kept)).Scan(&found); err != nil || found != 0 {
			t.Errorf("found %d times, %v", found, err)
		}
		expectInactive(t, e.Introspect(kept))
	})
}
