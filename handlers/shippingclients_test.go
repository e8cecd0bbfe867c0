package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// shipping is a client as people have it: what it sends, to the letter.
type shipping struct {
	name     string
	metadata string
	redirect string     // as it is used; a loopback address has a port here
	scope    string     // without the device
	more     url.Values // of the authorization request
	begins   string     // of the address that it is sent back to
	byLink   bool       // and opened at, by a person
	revoke   func(t harness.Tokens) url.Values
}

// shippingClients are those whose requests the checklist has taken down.
func shippingClients() []shipping {
	return []shipping{
		{
			name: "matrix-js-sdk (Element Web)",
			metadata: `{"client_name":"Element","client_uri":"https://element.example.com/","response_types":["code"],"grant_types":["authorization_code","refresh_token",
				"urn:ietf:params:oauth:grant-type:device_code"],"redirect_uris":["https://element.example.com/?no_universal_links=true"],"token_endpoint_auth_method":"none",
				"application_type":"web","logo_uri":"https://element.example.com/logo.png","contacts":["support@example.com"],
				"tos_uri":"https://element.example.com/tos","policy_uri":"https://element.example.com/privacy"}`,
			redirect: "https://element.example.com/?no_universal_links=true", scope: harness.ScopeStable,
			more:   url.Values{"response_mode": {"fragment"}},
			begins: "https://element.example.com/?no_universal_links=true#",
			revoke: func(t harness.Tokens) url.Values {
				return url.Values{"token": {t.Access}, "token_type_hint": {"access_token"}, "client_id": {t.ClientID}}
			},
		},
		{
			name: "matrix-rust-sdk (Element X)",
			metadata: `{"application_type":"native","token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token",
				"urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":["com.example.x:/oidc/login"],
				"client_name":"Element X","client_name#fr":"Élément X","client_uri":"https://x.example.com/","client_uri#fr":"https://x.example.com/fr",
				"logo_uri":"https://x.example.com/l.png","policy_uri":"https://x.example.com/p","tos_uri":"https://x.example.com/t"}`,
			redirect: "com.example.x:/oidc/login", scope: harness.ScopeUnstable,
			more:   url.Values{"prompt": {"consent"}, "login_hint": {"mxid:@alice:example.org"}},
			begins: "com.example.x:/oidc/login?", byLink: true,
			revoke: func(t harness.Tokens) url.Values {
				return url.Values{"token": {t.Access}, "token_type_hint": {"access_token"}}
			},
		},
		{
			name: "mautrix-go (gomuks)",
			metadata: `{"application_type":"native","client_name":"gomuks","client_uri":"https://example.com/","redirect_uris":["http://localhost/cb"],
				"token_endpoint_auth_method":"none","response_types":["code"],"grant_types":["authorization_code","refresh_token"]}`,
			redirect: "http://localhost:29325/cb", scope: harness.ScopeStable,
			more:   url.Values{"response_mode": {""}, "login_hint": {"mxid:@alice:example.org"}},
			begins: "http://localhost:29325/cb?",
			revoke: func(t harness.Tokens) url.Values {
				return url.Values{"token": {t.Refresh}, "token_type_hint": {"refresh_token"}, "client_id": {t.ClientID}}
			},
		},
	}
}

func TestShippingClients(t *testing.T) {
	e := harness.Start(t)
	for i, c := range shippingClients() {
		t.Run("B-01 C-04 C-20 D-10 D-20 E-01: "+c.name+" registers, logs in, refreshes and logs out", func(t *testing.T) {
			e := e.For(t)
			a := register(e, c.metadata)
			harness.ExpectJSON(t, a, http.StatusCreated)
			id := a.Text("client_id")
			if again, _ := e.Register(c.metadata); again != id {
				t.Errorf("B-43: it registers again, and is %q after %q", again, id)
			}
			code, r := c.logIn(e, id, string(rune('A'+i))+"BCDEFGHIJ")
			a = e.Form(tokenPath, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirect}, "client_id": {id}, "code_verifier": {r.Verifier}})
			harness.ExpectJSON(t, a, http.StatusOK)
			if a.Text("scope") != r.Values.Get("scope") || !strings.EqualFold(a.Text("token_type"), "bearer") || a.JSON()["expires_in"] != 300.0 || a.Text("refresh_token") == "" {
				t.Errorf("D-10: the answer is %s", a.Body)
			}
			expectAlive(t, e, a.Text("access_token"))
			tokens := e.MustRefresh(id, a.Text("refresh_token"))
			expectAlive(t, e, tokens.Access)
			expectRevoked(t, e.Form(revokePath, c.revoke(tokens)))
			expectDead(t, e, tokens.Access)
			expectInvalidGrant(t, e.Refresh(id, tokens.Refresh))
		})
	}
}

// logIn walks the client's request to its code.
func (c shipping) logIn(e *harness.Env, id, device string) (code string, r harness.Request) {
	e.T.Helper()
	r = e.NewRequest(id, c.scope+device)
	r.Redirect, r.Verifier = c.redirect, strings.Repeat("Aa0-._~z", 12) // 96 characters
	for name, values := range c.more {
		r.Values[name] = values
	}
	r.Values.Set("redirect_uri", c.redirect)
	r.Values.Set("code_challenge", harness.Challenge(r.Verifier))
	b := e.NewBrowser()
	end := b.Decide(b.Consent(r, "alice"), "approve")
	to := end.Header.Get("Location")
	if c.byLink {
		to = end.Links()[0]
	}
	if !strings.HasPrefix(to, c.begins) {
		e.T.Fatalf("it is sent to %q, want %q", to, c.begins)
	}
	got := parameters(must(url.Parse(to)))
	if got.Get("state") != r.Values.Get("state") || got.Get("iss") != e.Issuer {
		e.T.Errorf("the answer is %v", got)
	}
	return got.Get("code"), r
}
