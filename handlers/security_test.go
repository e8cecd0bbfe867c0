package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

func TestAdvertisedAddressesAreHTTPS(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Issuer = "https://auth.example.org" })
	t.Run("A-03c A-03d A-03e A-09 A-03l A-03q A-03r L-14: every advertised address is on https", func(t *testing.T) {
		doc := e.For(t).Get(metadataPath).JSON()
		seen := 0
		for name, v := range doc {
			address, ok := v.(string)
			if !ok || !strings.Contains(address, "://") {
				continue
			}
			seen++
			if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host != "auth.example.org" || u.Fragment != "" {
				t.Errorf("%s is %s", name, address)
			}
		}
		if seen < 10 {
			t.Errorf("only %d addresses in %v", seen, doc)
		}
	})
	t.Run("L-14: plain http is for the loopback redirects of native apps", func(t *testing.T) {
		e := e.For(t)
		for _, tt := range []struct {
			kind, uri string
			status    int
		}{
			{"native", "http://localhost/cb", http.StatusCreated},
			{"native", "http://example.com/cb", http.StatusBadRequest},
			{"web", "http://localhost/cb", http.StatusBadRequest},
			{"web", "http://example.com/cb", http.StatusBadRequest},
		} {
			a := register(e, metadataOf(t, map[string]any{"application_type": tt.kind, "redirect_uris": []string{tt.uri}}))
			if a.Status != tt.status {
				t.Errorf("%s for a %s client: status %d: %s", tt.uri, tt.kind, a.Status, a.Body)
			}
		}
	})
}

func TestAuthorizationEndpointKeepsItsQuery(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("A-03b C-03: a parameter of somebody else's in the address does no harm", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(id, harness.ScopeStable+"QUERY")
		b := e.NewBrowser()
		end := b.Decide(b.SignIn(b.Visit(authorizePath+"?tenant=1&"+r.Values.Encode()), "alice"), "approve")
		harness.ExpectJSON(t, e.Exchange(r, harness.Returned(end).Get("code")), http.StatusOK)
	})
}

// TestSecretsAreUnguessable collects what a thief would have to guess, twice.
func TestSecretsAreUnguessable(t *testing.T) {
	e := harness.Start(t)
	collect := func(t *testing.T, e *harness.Env) map[string]string {
		t.Helper()
		id, clientSecret := e.Register(confidential("client_secret_post"))
		r := e.NewRequest(id, "openid "+harness.ScopeStable+"GUESS")
		b := e.NewBrowser()
		at := b.Authorize(r)
		found := map[string]string{"client_secret": clientSecret, "state at the provider": stateOf(t, at)}
		page := b.SignIn(at, "alice")
		found["oidc_req_id"], found["csrf_token"] = page.Request.URL.Query().Get("oidc_req_id"), page.Input("csrf_token")
		for _, c := range b.Jar.Cookies(must(url.Parse(e.URL))) {
			if !isPreference(c) {
				found[c.Name] = c.Value
			}
		}
		found["code"] = harness.Returned(b.Decide(page, "approve")).Get("code")
		a := e.Form(tokenPath, with(grant{r, found["code"]}.values(), "client_secret", clientSecret))
		found["access_token"], found["refresh_token"] = a.Text("access_token"), a.Text("refresh_token")
		found["device_code"] = begin(e).code
		found["loginToken"] = e.LoginToken(e.NewBrowser(), "alice")
		return found
	}
	t.Run("L-19: what opens something has 128 bits or more, and is another one each time", func(t *testing.T) {
		e := e.For(t)
		first, second := collect(t, e), collect(t, e)
		if len(first) < 10 {
			t.Errorf("only %d were found", len(first))
		}
		for name, value := range first {
			_, random, prefixed := strings.Cut(value, "_")
			if !prefixed || !strings.HasPrefix(value, "km") {
				random = value
			}
			if len(random) < 22 || value == second[name] {
				t.Errorf("%s has %d characters, and is the same again: %v", name, len(random), value == second[name])
			}
		}
	})
}

func TestNoSenderConstrainedTokens(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("L-29: neither DPoP nor mutual TLS is advertised", func(t *testing.T) {
		doc := e.For(t).Get(metadataPath).JSON()
		if doc["issuer"] != e.Issuer {
			t.Errorf("issuer is %v", doc["issuer"])
		}
		for name := range doc {
			if strings.HasPrefix(name, "dpop_") || strings.HasPrefix(name, "tls_client") || strings.HasPrefix(name, "mtls_") {
				t.Errorf("%s is %v", name, doc[name])
			}
		}
	})
	t.Run("L-29: a proof that comes anyway is ignored, and the token is a bearer token", func(t *testing.T) {
		e := e.For(t)
		g := approved(e, id, harness.ScopeStable+"DPOP")
		a := e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": form, "DPoP": "e30.e30.e30"}, g.values().Encode())
		harness.ExpectJSON(t, a, http.StatusOK)
		if a.Text("token_type") != "Bearer" {
			t.Errorf("token_type is %q", a.Text("token_type"))
		}
		expectAlive(t, e, a.Text("access_token"))
	})
}

func TestPagesRunNoScript(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("L-32: no page may run a script, so none can tell another window anything", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		consent := b.Consent(e.NewRequest(id, harness.ScopeStable+"SCRIPT"), "alice")
		confirm := b.Visit(legacyStart(harness.LegacyRedirect))
		for _, p := range []harness.Page{consent, confirm, b.Visit(devicePagePath), b.Visit("/nothing")} {
			policy := p.Header.Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") || p.Has("script") {
				t.Errorf("%s: Content-Security-Policy is %q", p.Request.URL.Path, policy)
			}
		}
	})
}

func TestTokenEndpointIsNeverKept(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "NEVERKEPT")
	device := begin(e)
	t.Run("D-02: every answer of the token endpoint is JSON that nothing may keep, errors too", func(t *testing.T) {
		e := e.For(t)
		g := approved(e, tokens.ClientID, harness.ScopeStable+"NEVERKEPT2")
		post := func(values url.Values) harness.Answer { return e.Form(tokenPath, values) }
		answers := map[int][]harness.Answer{
			200: {e.Refresh(tokens.ClientID, tokens.Refresh), post(g.values())},
			400: {post(url.Values{}), post(with(g.values(), "code", "x")), post(device.values()), post(with(g.values(), "grant_type", "password")),
				e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": "application/json"}, "{}")},
			401: {post(with(g.values(), "client_id", "nobody")), e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": form, "Authorization": basic("nobody", "x")}, with(g.values(), "client_id", "").Encode())},
			405: {e.Get(tokenPath)},
		}
		for status, all := range answers {
			for _, a := range all {
				harness.ExpectJSON(t, a, status)
			}
		}
	})
	t.Run("D-04: an error tells neither what was sent nor what went wrong inside", func(t *testing.T) {
		e := e.For(t)
		repair := broken(e, "INSERT ON access_tokens")
		g := approved(e, tokens.ClientID, harness.ScopeStable+"LEAK")
		answers := []harness.Answer{e.Form(tokenPath, g.values()), e.Refresh(tokens.ClientID, tokens.Refresh)}
		repair()
		for _, a := range answers {
			harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
		}
		e.Clock.Advance(time.Second)
		other, _ := e.Register(strings.Replace(harness.WebClient, "My App", "Other", 1))
		a := e.Form(tokenPath, with(g.values(), "client_id", other))
		expectInvalidGrant(t, a)
		for _, a := range append(answers, a) {
			for _, word := range []string{g.code, g.Verifier, tokens.Refresh, "access_tokens", "SQL", "sqlite", "constraint", "trigger"} {
				if strings.Contains(string(a.Body), word) {
					t.Errorf("the answer has %q: %s", word, a.Body)
				}
			}
		}
	})
}

func TestAuthMethodsAreThoseAdvertised(t *testing.T) {
	e := harness.Start(t)
	advertised := map[string]bool{}
	for _, method := range strs(e.Get(metadataPath).JSON()["token_endpoint_auth_methods_supported"]) {
		advertised[method] = true
	}
	for _, method := range []string{"none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "tls_client_auth", "self_signed_tls_client_auth"} {
		t.Run("D-62: "+method+" is registered and accepted exactly if it is advertised", func(t *testing.T) {
			e := e.For(t)
			a := register(e, metadataOf(t, map[string]any{"token_endpoint_auth_method": method}))
			if !advertised[method] {
				harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_client_metadata")
				return
			}
			if a.Status != http.StatusCreated || a.Text("token_endpoint_auth_method") != method {
				t.Fatalf("status %d: %s", a.Status, a.Body)
			}
			g := approved(e, a.Text("client_id"), harness.ScopeStable+"METHOD")
			header, values := map[string]string{"Content-Type": form}, g.values()
			switch method {
			case "client_secret_basic":
				header["Authorization"] = basic(a.Text("client_id"), a.Text("client_secret"))
				values.Del("client_id")
			case "client_secret_post":
				values.Set("client_secret", a.Text("client_secret"))
			}
			harness.ExpectJSON(t, e.Do(http.MethodPost, tokenPath, header, values.Encode()), http.StatusOK)
		})
	}
}

func TestCORSWithoutCredentials(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	b.Consent(e.NewRequest(id, harness.ScopeStable+"COOKIE"), "alice")
	for _, tt := range webAnswers {
		t.Run("A-40: "+tt.name[strings.Index(tt.name, ":")+2:]+" is the same with the cookies of a person who is signed in, and allows no credentials", func(t *testing.T) {
			e := e.For(t)
			send := func(cookie string) harness.Answer {
				return e.Do(tt.method, tt.path, map[string]string{"Origin": webOrigin, "Content-Type": tt.kind, "Cookie": cookie}, tt.body)
			}
			with, without := send(b.Cookie()), send("")
			if with.Status != tt.status || without.Status != tt.status || with.Text("error") != without.Text("error") || with.Text("errcode") != without.Text("errcode") {
				t.Errorf("status %d: %s, without cookies %d: %s", with.Status, with.Body, without.Status, without.Body)
			}
			expectCORS(t, with)
		})
	}
}
