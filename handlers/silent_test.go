package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

// relyingParty is a confidential client that asks who people are.
type relyingParty struct{ id, secret string }

func newRelyingParty(e *harness.Env) relyingParty {
	e.T.Helper()
	id, secret := e.Register(confidential("client_secret_post"))
	return relyingParty{id, secret}
}

// request is an authorization request with some parameters set.
func (p relyingParty) request(e *harness.Env, scope string, pairs ...string) harness.Request {
	r := e.NewRequest(p.id, scope)
	for i := 0; i < len(pairs); i += 2 {
		r.Values.Set(pairs[i], pairs[i+1])
	}
	return r
}

// expectCode wants the browser back at the client, without a page in between,
// with a code that is good; it returns the ID token's claims.
func (p relyingParty) expectCode(t *testing.T, e *harness.Env, at harness.Page, r harness.Request) map[string]any {
	t.Helper()
	got := harness.Returned(at)
	if at.StatusCode != http.StatusSeeOther || got.Get("code") == "" || got.Get("iss") != e.Issuer || got.Get("state") != r.Values.Get("state") {
		t.Fatalf("status %d at %s, on to %q:\n%s", at.StatusCode, at.Request.URL, at.Header.Get("Location"), at.Text())
	}
	expectPageHeaders(t, at.Header)
	g := grant{r, got.Get("code")}
	a := e.Form(tokenPath, with(g.values(), "client_secret", p.secret))
	if a.Status != http.StatusOK {
		t.Fatalf("exchange: %d %s", a.Status, a.Body)
	}
	return claimsOf(t, a.Text("id_token"))
}

func TestConsentIsRemembered(t *testing.T) {
	e := harness.Start(t)
	rp, other := newRelyingParty(e), newRelyingParty(e)
	public, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	e.LogInWith(e.NewRequest(public, "openid profile"), "alice")
	b.Approve(e.NewRequest(public, "openid profile"), "alice")
	b.Approve(rp.request(e, "openid profile"), "alice")
	signedIn := e.Clock.Now()
	e.Clock.Advance(10 * time.Minute)

	t.Run("C-41 C-60: prompt=none succeeds in a browser that is signed in, once the same was approved", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid profile", "prompt", "none", "nonce", "n1")
		claims := rp.expectCode(t, e, b.Authorize(r), r)
		if at, _ := claims["auth_time"].(float64); claims["sub"] != "@alice:example.org" || claims["nonce"] != "n1" || int64(at)-signedIn.Unix() > 1 || int64(at)-signedIn.Unix() < -1 {
			t.Errorf("the claims are %v", claims)
		}
	})
	granted := []struct {
		name  string
		pairs []string
		scope string
	}{
		{"C-60: an ordinary request asks nothing either", nil, "openid profile"},
		{"C-60: nor one for fewer scopes", nil, "openid"},
		{"C-41: nor one whose max_age has not passed", []string{"max_age", "3600"}, "openid"},
		{"C-41: nor one whose max_age is a number beyond all years", []string{"max_age", "9223372036854775807", "prompt", "none"}, "openid"},
		{"C-51: nor one that names who is signed in", []string{"login_hint", "mxid:@alice:example.org", "prompt", "none"}, "openid"},
		{"C-51: nor one with the address of who is signed in", []string{"login_hint", "Alice@example.org"}, "openid"},
		{"C-51: nor one with a hint that is not understood", []string{"login_hint", "acct:bob@example.org"}, "openid"},
		{"C-41: nor one that names the provider of the sign-in", []string{"idp_id", e.IDP.ClientID, "prompt", "none"}, "openid"},
		{"C-41: nor one with every parameter that OpenID asks to bear with",
			[]string{"prompt", "none", "display", "popup", "acr_values", "1 2", "claims_locales", "de", "ui_locales", "de", "claims", "{}"}, "openid"},
	}
	for _, tt := range granted {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			r := rp.request(e, tt.scope, tt.pairs...)
			rp.expectCode(t, e, b.Authorize(r), r)
		})
	}
	refused := []struct {
		name  string
		rp    relyingParty
		pairs []string
		scope string
		code  string
	}{
		{"C-60: more scopes than were approved", rp, nil, "openid profile email", "consent_required"},
		{"C-60 L-12: the Matrix scope, which is never remembered", rp, nil, "openid profile " + harness.ScopeStable + "SILENT", "consent_required"},
		{"C-60 L-12: a public client, which anybody can pretend to be", relyingParty{id: public}, nil, "openid profile", "consent_required"},
		{"C-41: a max_age that has passed", rp, []string{"max_age", "60"}, "openid", "login_required"},
		{"C-41: a max_age of zero", rp, []string{"max_age", "0"}, "openid", "login_required"},
		{"C-41: another provider than that of the sign-in", rp, []string{"idp_id", "another"}, "openid", "login_required"},
		{"C-51: a hint at somebody else", rp, []string{"login_hint", "mxid:@bob:example.org"}, "openid", "login_required"},
		{"C-51: a hint at another address", rp, []string{"login_hint", "bob@example.org"}, "openid", "login_required"},
		{"C-51: a hint at nobody", rp, []string{"login_hint", "nobody"}, "openid", "login_required"},
	}
	for _, tt := range refused {
		t.Run(tt.name+" is "+tt.code, func(t *testing.T) {
			e := e.For(t)
			r := tt.rp.request(e, tt.scope, append(tt.pairs, "prompt", "none")...)
			expectError(t, e, harness.Returned(b.Authorize(r)), r, tt.code)
		})
	}
	t.Run("C-41: another browser is login_required", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid", "prompt", "none")
		expectError(t, e, harness.Returned(e.NewBrowser().Authorize(r)), r, "login_required")
	})
	t.Run("C-60: another user is asked", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		expectPage(t, b.Consent(rp.request(e, "openid"), "bob"), http.StatusOK, "Approve Cancel")
		r := rp.request(e, "openid", "prompt", "none")
		expectError(t, e, harness.Returned(b.Authorize(r)), r, "consent_required")
	})
	t.Run("C-60: for another client the person is asked, and a refusal is not remembered", func(t *testing.T) {
		e := e.For(t)
		for range 2 {
			page := b.Authorize(other.request(e, "openid"))
			expectPage(t, page, http.StatusOK, "Approve Cancel")
			b.Decide(page, "cancel")
		}
	})
	t.Run("C-2A L-12: for a client that nobody uses prompt=none is a page, not a redirect", func(t *testing.T) {
		e := e.For(t)
		r := other.request(e, "openid", "prompt", "none")
		expectReturn(t, e, b.Authorize(r), r, "consent_required")
	})
	for _, prompt := range []string{"login", "select_account"} {
		t.Run("C-42: prompt="+prompt+" asks who it is, and then no approval that was given", func(t *testing.T) {
			e := e.For(t)
			r := rp.request(e, "openid", "prompt", prompt)
			at := b.Authorize(r)
			expectLogin(t, e, at)
			rp.expectCode(t, e, b.SignIn(at, "alice"), r)
		})
	}
	t.Run("C-42: prompt=consent asks for approval once more", func(t *testing.T) {
		e := e.For(t)
		expectPage(t, b.Authorize(rp.request(e, "openid", "prompt", "consent")), http.StatusOK, "Approve Cancel")
	})
	t.Run("C-20: the answer without a page comes in the response_mode too", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid", "prompt", "none", "response_mode", "form_post")
		if got := expectFormPost(t, b.Authorize(r), harness.WebRedirect, "https://app.example.com"); got.Get("code") == "" {
			t.Errorf("the fields are %v", got)
		}
	})
	t.Run("A-03z C-69: a pushed request is answered once, also without a page", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid", "client_secret", rp.secret)
		p := pushed(e, r)
		rp.expectCode(t, e, b.Authorize(p), r)
		expectDeadEnd(t, b.Authorize(p), http.StatusConflict, "This sign-in is already finished")
	})
}

func TestConsentIsForgotten(t *testing.T) {
	tests := []struct {
		name   string
		forget func(e *harness.Env)
		code   string // after alice has signed in again
	}{
		{"C-60: an account that was closed and opened again is asked anew", func(e *harness.Env) {
			admin(e, "user", "deactivate", "--yes", "alice")
			admin(e, "user", "reactivate", "alice")
		}, "consent_required"},
		{"C-60: a year later the person is asked anew", func(e *harness.Env) { e.Clock.Advance(366 * 24 * time.Hour) }, "consent_required"},
		{"C-60: when the sessions of the client end the approval stays", func(e *harness.Env) {
			execute(e, "UPDATE sessions SET ended_at = 1")
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t)
			rp := newRelyingParty(e)
			public, _ := e.Register(harness.WebClient)
			b := e.NewBrowser()
			r := rp.request(e, "openid")
			got := grant{r, b.Approve(r, "alice").Get("code")}
			expectStatus(e, e.Form(tokenPath, with(got.values(), "client_secret", rp.secret)), http.StatusOK)
			tt.forget(e)
			b.Consent(e.NewRequest(public, "openid"), "alice")
			e.NewBrowser().Approve(rp.request(e, "openid"), "bob") // so that somebody uses the client
			silent := rp.request(e, "openid", "prompt", "none")
			at := b.Authorize(silent)
			if tt.code == "" {
				rp.expectCode(t, e, at, silent)
				return
			}
			expectError(t, e, harness.Returned(at), silent, tt.code)
		})
	}
	t.Run("C-67: a locked user's browser gets no code by itself, and the client access_denied", func(t *testing.T) {
		e := harness.Start(t)
		rp := newRelyingParty(e)
		b := e.NewBrowser()
		b.Approve(rp.request(e, "openid"), "alice")
		admin(e, "user", "lock", "alice")
		silent := rp.request(e, "openid", "prompt", "none")
		expectError(t, e, harness.Returned(b.Authorize(silent)), silent, "access_denied")
		expectPage(t, b.Authorize(rp.request(e, "openid")), http.StatusForbidden, "Your account is locked")
	})
}

func TestSilentAnswersAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		rp := newRelyingParty(e)
		b := e.NewBrowser()
		b.Approve(rp.request(e, "openid"), "alice")
		t.Run("C-25 C-69: twenty requests at once get twenty codes, and twenty reloads of a pushed one get one", func(t *testing.T) {
			e := e.For(t)
			count := func(r harness.Request) (codes map[string]bool) {
				codes = map[string]bool{}
				for _, a := range openAtOnce(e, 20, r, b.Cookie()) {
					to := must(url.Parse(a.Header.Get("Location")))
					if code := to.Query().Get("code"); code != "" {
						codes[code] = true
					} else if a.Status < 400 || a.Status >= 500 || strings.Contains(string(a.Body), "code=") {
						t.Errorf("status %d to %s: %s", a.Status, to, a.Body)
					}
				}
				return codes
			}
			if codes := count(rp.request(e, "openid", "prompt", "none")); len(codes) != 20 {
				t.Errorf("%d codes", len(codes))
			}
			if codes := count(pushed(e, rp.request(e, "openid", "client_secret", rp.secret))); len(codes) != 1 {
				t.Errorf("%d codes of one pushed request", len(codes))
			}
		})
	})
}

func TestSilentAnswersInAnOutage(t *testing.T) {
	e := harness.Start(t)
	rp := newRelyingParty(e)
	b := e.NewBrowser()
	b.Approve(rp.request(e, "openid"), "alice")
	t.Run("C-41: while the database cannot answer it is a page that says so", func(t *testing.T) {
		e := e.For(t)
		for _, write := range []string{"INSERT ON authorization_codes", "UPDATE ON authorization_requests", "INSERT ON authorization_requests"} {
			repair := broken(e, write)
			p := b.Authorize(rp.request(e, "openid", "prompt", "none"))
			repair()
			expectPage(t, p, http.StatusServiceUnavailable, "Something went wrong here")
		}
	})
	t.Run("C-60: an approval and what is remembered of it are one transaction", func(t *testing.T) {
		e := e.For(t)
		fresh := newRelyingParty(e)
		page := b.Authorize(fresh.request(e, "openid"))
		repair := broken(e, "INSERT ON authorization_codes")
		failed := b.Decide(page, "approve")
		repair()
		expectPage(t, failed, http.StatusServiceUnavailable, "Something went wrong here")
		expectPage(t, b.Authorize(fresh.request(e, "openid")), http.StatusOK, "Approve Cancel")
	})
}

func TestConfiguredClientsAreTrusted(t *testing.T) {
	e := withClients(t, wiki+"\n[[global.oidc_client]]\nclient_id = \"kiosk\"\ntoken_endpoint_auth_method = \"none\"\nredirect_uris = [\""+harness.WebRedirect+"\"]\n")
	rp := relyingParty{id: "kiosk"}
	t.Run("C-2A: what is wrong with a request of a configured client is told by a redirect", func(t *testing.T) {
		e := e.For(t)
		for _, tt := range []struct{ name, value, code string }{
			{"scope", "", "invalid_scope"}, {"scope", "openid " + harness.ScopeStable, "invalid_scope"}, {"code_challenge", "", "invalid_request"},
			{"code_challenge_method", "plain", "invalid_request"}, {"max_age", "soon", "invalid_request"}, {"prompt", "none login", "invalid_request"},
			{"response_type", "", "invalid_request"}, {"response_type", "token", "unsupported_response_type"}, {"request", "e30.e30.", "request_not_supported"},
			{"request_uri", "https://example.com/r", "request_uri_not_supported"}, {"registration", "{}", "registration_not_supported"},
		} {
			for _, mode := range []string{"query", "fragment"} {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					r := rp.request(e, "openid", tt.name, tt.value, "response_mode", mode)
					p := ask(e.NewBrowser(), e, method, r)
					if p.StatusCode != http.StatusSeeOther || (p.Location().Fragment != "") != (mode == "fragment") {
						t.Errorf("%s=%s: status %d to %q", tt.name, tt.value, p.StatusCode, p.Header.Get("Location"))
					}
					expectError(t, e, harness.Returned(p), r, tt.code)
				}
			}
		}
	})
	t.Run("C-2A C-04: an unknown response_mode is told in the query", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid", "response_mode", "web_message")
		p := e.NewBrowser().Authorize(r)
		if !strings.HasPrefix(p.Header.Get("Location"), harness.WebRedirect+"?") {
			t.Errorf("status %d to %q", p.StatusCode, p.Header.Get("Location"))
		}
		expectError(t, e, harness.Returned(p), r, "invalid_request")
	})
	t.Run("C-2A C-21: an error is posted where the client asked for a form", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid", "scope", "", "response_mode", "form_post")
		expectError(t, e, expectFormPost(t, e.NewBrowser().Authorize(r), harness.WebRedirect, "https://app.example.com"), r, "invalid_scope")
	})
	t.Run("C-2A C-03: so is a repeated parameter", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid")
		r.Values["scope"] = []string{"openid", "openid"}
		expectError(t, e, harness.Returned(e.NewBrowser().Authorize(r)), r, "invalid_request")
	})
	t.Run("C-29: a redirect URI that is not configured is a page for it too", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid", "redirect_uri", "https://evil.net/")
		expectDeadEnd(t, e.NewBrowser().Authorize(r), http.StatusBadRequest, "We cannot send you back to this app")
	})
	t.Run("C-2A C-41: prompt=none is answered by a redirect before anybody has used it", func(t *testing.T) {
		e := e.For(t)
		r := rp.request(e, "openid", "prompt", "none")
		expectError(t, e, harness.Returned(e.NewBrowser().Authorize(r)), r, "login_required")
	})
	t.Run("C-60: its approval is remembered, with a secret or without", func(t *testing.T) {
		for _, rp := range []relyingParty{rp, {id: "wiki"}} {
			e := e.For(t)
			b := e.NewBrowser()
			b.Approve(rp.request(e, "openid"), "alice")
			r := rp.request(e, "openid", "prompt", "none")
			if got := harness.Returned(b.Authorize(r)); got.Get("code") == "" {
				t.Errorf("%s: the answer is %v", rp.id, got)
			}
			r = rp.request(e, harness.ScopeStable+"TRUSTED", "prompt", "none")
			expectError(t, e, harness.Returned(b.Authorize(r)), r, "consent_required")
		}
	})
}
