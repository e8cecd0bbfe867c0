package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// posted are the fields of the form on a page that goes to a client.
func posted(t *testing.T, p harness.Page, to string) url.Values {
	t.Helper()
	action, values := p.Form()
	if action != to {
		t.Fatalf("the form goes to %q, want %q:\n%s", action, to, p.HTML)
	}
	return values
}

// expectFormPost wants a page that sends a form to a redirect URI by itself,
// and returns the form's fields.
func expectFormPost(t *testing.T, p harness.Page, to, origin string) url.Values {
	t.Helper()
	expectPage(t, p, http.StatusOK, "Continue")
	policy := p.Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "form-action 'self' "+origin+"; script-src 'self'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the Content-Security-Policy is %q", policy)
	}
	if got := p.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("C-26: Referrer-Policy is %q", got)
	}
	if to := p.Header.Get("Location"); to != "" {
		t.Errorf("it redirects to %q", to)
	}
	return posted(t, p, to)
}

func TestFormPost(t *testing.T) {
	e := harness.Start(t)
	const kept = "https://example.com:5173/cb?query=value&x=a+b%2f"
	web, _ := e.Register(metadataOf(t, map[string]any{"redirect_uris": []string{harness.WebRedirect, kept}}))
	app, _ := e.Register(native(t, "com.example.app:/callback", "http://127.0.0.1/callback"))
	request := func(e *harness.Env, client, uri string) harness.Request {
		r := e.NewRequest(client, harness.ScopeStable+"FORMPOST")
		r.Values.Set("response_mode", "form_post")
		r.Values.Set("redirect_uri", uri)
		r.Values.Set("state", `&"><script>alert(1)</script> '+ü`)
		return r
	}
	tests := []struct{ name, client, uri, origin string }{
		{"to a web client", web, harness.WebRedirect, "https://app.example.com"},
		{"to a redirect URI with a query, which stays", web, kept, "https://example.com:5173"},
		{"to an app on the device", app, "http://127.0.0.1:4711/callback", "http://127.0.0.1:4711"},
	}
	for _, tt := range tests {
		t.Run("C-20 C-23 C-26: response_mode=form_post carries code, state and iss in a form "+tt.name, func(t *testing.T) {
			e := e.For(t)
			r := request(e, tt.client, tt.uri)
			b := e.NewBrowser()
			p := b.Decide(b.Consent(r, "alice"), "approve")
			got := expectFormPost(t, p, tt.uri, tt.origin)
			if got.Get("state") != r.Values.Get("state") || got.Get("iss") != e.Issuer || len(got) != 3 {
				t.Errorf("the fields are %v", got)
			}
			if strings.Contains(p.HTML, "<script>alert") {
				t.Error("L-23: the state is markup")
			}
			if a := e.Exchange(r, got.Get("code")); a.Status != http.StatusOK {
				t.Errorf("exchange: %d %s", a.Status, a.Body)
			}
		})
		t.Run("C-21 C-61: so it does with an error "+tt.name, func(t *testing.T) {
			e := e.For(t)
			r := request(e, tt.client, tt.uri)
			b := e.NewBrowser()
			expectError(t, e, expectFormPost(t, b.Decide(b.Consent(r, "alice"), "cancel"), tt.uri, tt.origin), r, "access_denied")
		})
		t.Run("C-2A L-12: what is wrong with a request is on a page, whose button posts it "+tt.name, func(t *testing.T) {
			e := e.For(t)
			r := request(e, tt.client, tt.uri)
			r.Values.Del("code_challenge")
			p := e.NewBrowser().Authorize(r)
			expectPage(t, p, http.StatusBadRequest, "The app made a mistake")
			expectError(t, e, posted(t, p, tt.uri), r, "invalid_request")
			if p.Has("script") {
				t.Error("the page leads on by itself")
			}
			if policy := p.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' "+tt.origin) {
				t.Errorf("the Content-Security-Policy is %q", policy)
			}
		})
	}
	t.Run("C-04: an app that owns a scheme cannot get a form, and is told in the query", func(t *testing.T) {
		e := e.For(t)
		r := request(e, app, "com.example.app:/callback")
		expectReturn(t, e, e.NewBrowser().Authorize(r), r, "invalid_request")
	})
	t.Run("C-69: the form is there once", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		page := b.Consent(request(e, web, kept), "alice")
		expectFormPost(t, b.Decide(page, "approve"), kept, "https://example.com:5173")
		expectPage(t, b.Decide(page, "approve"), http.StatusConflict, "This sign-in is already finished")
	})
	t.Run("C-41: prompt=none answers in a form too", func(t *testing.T) {
		e := e.For(t)
		e.LogInWith(e.NewRequest(web, harness.ScopeStable+"FORMPOST"), "alice")
		r := request(e, web, harness.WebRedirect)
		r.Values.Set("prompt", "none")
		expectError(t, e, expectFormPost(t, e.NewBrowser().Authorize(r), harness.WebRedirect, "https://app.example.com"), r, "login_required")
	})
	t.Run("L-09: the script that sends the form is a file of ours", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		p := b.Decide(b.Consent(request(e, web, kept), "alice"), "approve")
		_, rest, _ := strings.Cut(p.HTML, `<script src="`)
		path, _, found := strings.Cut(rest, `"></script>`)
		if !found || strings.Count(p.HTML, "<script") != 1 {
			t.Fatalf("the page is\n%s", p.HTML)
		}
		a := e.Get(path)
		if expectStatus(e, a, http.StatusOK); a.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || !strings.Contains(string(a.Body), "submit()") {
			t.Errorf("Content-Type %q: %s", a.Header.Get("Content-Type"), a.Body)
		}
	})
}
