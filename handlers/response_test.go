package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestLoopbackRedirects(t *testing.T) {
	e := harness.Start(t)
	all, _ := e.Register(native(t, "http://localhost/callback", "http://127.0.0.1/callback", "http://[::1]/callback"))
	name, _ := e.Register(native(t, "http://localhost/callback"))
	four, _ := e.Register(native(t, "http://127.0.0.1/callback"))
	six, _ := e.Register(native(t, "http://[::1]/callback"))
	app, _ := e.Register(native(t, "https://app.example.com/callback", "com.example.app:/callback", "http://localhost/query?x=1"))
	tests := []struct {
		name, client, uri string
		accepted          bool
	}{
		{"C-13: localhost with any port", all, "http://localhost:49152/callback", true},
		{"C-13: localhost with no port", all, "http://localhost/callback", true},
		{"C-13: 127.0.0.1 with any port", all, "http://127.0.0.1:1/callback", true},
		{"C-13: [::1] with any port", all, "http://[::1]:65535/callback", true},
		{"C-13: another path", all, "http://localhost:8080/other", false},
		{"C-13: a query more", all, "http://localhost:8080/callback?x=1", false},
		{"C-13: another scheme", all, "https://localhost:8080/callback", false},
		{"C-13: an impossible port", all, "http://localhost:99999/callback", false},
		{"C-13: an empty port", all, "http://localhost:/callback", false},
		{"C-13: a port and a host behind it", all, "http://localhost:80@evil.net/callback", false},
		{"C-14: 127.0.0.1 for localhost", name, "http://127.0.0.1:8080/callback", false},
		{"C-14: [::1] for localhost", name, "http://[::1]:8080/callback", false},
		{"C-14: localhost for 127.0.0.1", four, "http://localhost:8080/callback", false},
		{"C-14: [::1] for 127.0.0.1", four, "http://[::1]:8080/callback", false},
		{"C-14: localhost for [::1]", six, "http://localhost:8080/callback", false},
		{"C-14: 127.0.0.1 for [::1]", six, "http://127.0.0.1:8080/callback", false},
		{"C-14: [::1] written out", six, "http://[0:0:0:0:0:0:0:1]:8080/callback", false},
		{"C-14: any port is for loopback addresses, not for a claimed https address", app, "https://app.example.com:8443/callback", false},
		{"C-12: a private-use scheme with another path", app, "com.example.app:/callback/", false},
		{"C-12: a private-use scheme with a host", app, "com.example.app://callback", false},
		{"C-13: another query", app, "http://localhost:8080/query?x=2", false},
		{"C-13: no query", app, "http://localhost:8080/query", false},
		{"C-13: the host in another case", name, "http://LOCALHOST:8080/callback", false},
		{"C-14: another spelling of 127.0.0.1", four, "http://127.1:8080/callback", false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s: accepted is %v", tt.name, tt.accepted), func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(tt.client, harness.ScopeStable+"LOOPBACK")
			r.Values.Set("redirect_uri", tt.uri)
			b := e.NewBrowser()
			if !tt.accepted {
				expectDeadEnd(t, b.Authorize(r), http.StatusBadRequest, "We cannot send you back to this app")
				return
			}
			end := b.Decide(b.Consent(r, "alice"), "approve")
			if to := end.Header.Get("Location"); !strings.HasPrefix(to, tt.uri+"?") {
				t.Fatalf("on to %q", to)
			}
			if a := e.Exchange(r, harness.Returned(end).Get("code")); a.Status != http.StatusOK {
				t.Errorf("exchange with the port in the redirect_uri: %d %s", a.Status, a.Body)
			}
		})
	}
}

func TestAuthorizationResponse(t *testing.T) {
	e := harness.Start(t)
	const kept = "https://example.com:5173/%7Ex?query=value&x=a+b%2f"
	web, _ := e.Register(metadataOf(t, map[string]any{"redirect_uris": []string{harness.WebRedirect, kept, "https://example.com/?"}}))
	app, _ := e.Register(native(t, "http://127.0.0.1/callback"))
	tests := []struct {
		name, client, uri, mode, begins string
	}{
		{"query is the default", web, harness.WebRedirect, "", harness.WebRedirect + "?"},
		{"query", web, harness.WebRedirect, "query", harness.WebRedirect + "?"},
		{"fragment", web, harness.WebRedirect, "fragment", harness.WebRedirect + "#"},
		{"a query of the redirect URI keeps every byte", web, kept, "query", kept + "&"},
		{"a query of the redirect URI keeps every byte before a fragment", web, kept, "fragment", kept + "#"},
		{"an empty query", web, "https://example.com/?", "query", "https://example.com/?"},
		{"a loopback address, in the query", app, "http://127.0.0.1:4711/callback", "query", "http://127.0.0.1:4711/callback?"},
		{"a loopback address, in the fragment", app, "http://127.0.0.1:4711/callback", "fragment", "http://127.0.0.1:4711/callback#"},
	}
	for _, tt := range tests {
		for decision, items := range map[string]string{"approve": "C-20 C-22 C-23 C-24 C-26 C-27 C-28 L-11", "cancel": "C-21 C-22 C-23 C-26 C-61"} {
			t.Run(items+": "+tt.name+", after "+decision, func(t *testing.T) {
				e := e.For(t)
				r := e.NewRequest(tt.client, harness.ScopeStable+"RESPONSE")
				r.Values.Set("redirect_uri", tt.uri)
				r.Values.Set("response_mode", tt.mode)
				b := e.NewBrowser()
				end := b.Decide(b.Consent(r, "alice"), decision)
				raw := end.Header.Get("Location")
				if end.StatusCode != http.StatusSeeOther || !strings.HasPrefix(raw, tt.begins) {
					t.Fatalf("status %d to %q, want 303 to %q", end.StatusCode, raw, tt.begins)
				}
				if tt.mode != "fragment" && strings.HasPrefix(raw, "http") && !strings.HasSuffix(raw, "#") {
					t.Errorf("C-22: %q has no fragment of its own", raw)
				}
				expectPageHeaders(t, end.Header)
				if got := end.Header.Get("Referrer-Policy"); got != "no-referrer" {
					t.Errorf("C-26: Referrer-Policy is %q", got)
				}
				got := parameters(must(url.Parse(raw)))
				if decision == "cancel" {
					expectError(t, e, got, r, "access_denied")
					return
				}
				if got.Get("state") != r.Values.Get("state") || got.Get("iss") != e.Issuer || got.Get("code") == "" || got.Has("error") {
					t.Errorf("C-20 C-23: the response is %v", got)
				}
				added := strings.TrimPrefix(raw, tt.begins)
				if names := names(must(url.ParseQuery(strings.TrimSuffix(added, "#")))); !slices.Equal(names, []string{"code", "iss", "state"}) {
					t.Errorf("C-28: the parameters are %q", names)
				}
			})
		}
	}
}

func TestAppsAreOpenedByAPerson(t *testing.T) {
	e := harness.Start(t)
	const claimed = "https://app.example.com/native"
	app, _ := e.Register(native(t, "com.example.app:/callback", "com.example.app:callback?x=%2F", claimed))
	tests := []struct{ name, uri, mode, begins string }{
		{"C-20 C-27: a private-use scheme", "com.example.app:/callback", "", "com.example.app:/callback?"},
		{"C-20 C-27: a private-use scheme, in the query", "com.example.app:/callback", "query", "com.example.app:/callback?"},
		{"C-20 C-27: a private-use scheme, in the fragment", "com.example.app:/callback", "fragment", "com.example.app:/callback#"},
		{"C-20 C-27: a private-use scheme without slash, and with a query", "com.example.app:callback?x=%2F", "", "com.example.app:callback?x=%2F&"},
		{"C-27: a claimed https address", claimed, "query", claimed + "?"},
		{"C-27: a claimed https address, in the fragment", claimed, "fragment", claimed + "#"},
	}
	answer := func(e *harness.Env, uri, mode, decision string) (harness.Request, harness.Page) {
		r := e.NewRequest(app, harness.ScopeStable+"OPENSAPP")
		r.Values.Set("redirect_uri", uri)
		r.Values.Set("response_mode", mode)
		r.Values.Set("state", `&"><script>x</script> ü`)
		b := e.NewBrowser()
		return r, b.Decide(b.Consent(r, "alice"), decision)
	}
	for _, tt := range tests {
		t.Run(tt.name+" is a link that the person follows", func(t *testing.T) {
			e := e.For(t)
			r, p := answer(e, tt.uri, tt.mode, "approve")
			got := parameters(expectLink(t, p, tt.begins, "Continue to the app"))
			if got.Get("state") != r.Values.Get("state") || got.Get("iss") != e.Issuer {
				t.Errorf("C-04 C-23: the response is %v", got)
			}
			harness.ExpectJSON(t, e.Exchange(r, got.Get("code")), http.StatusOK)
		})
		t.Run(tt.name+" is a link too when the person cancels (C-21 C-61)", func(t *testing.T) {
			e := e.For(t)
			r, p := answer(e, tt.uri, tt.mode, "cancel")
			expectError(t, e, parameters(expectLink(t, p, tt.begins, "Go back to the app")), r, "access_denied")
		})
	}
	t.Run("C-27 C-69: the link is there once", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(app, harness.ScopeStable+"OPENSAPP")
		r.Values.Set("redirect_uri", "com.example.app:/callback")
		b := e.NewBrowser()
		page := b.Consent(r, "alice")
		expectLink(t, b.Decide(page, "approve"), "com.example.app:/callback?", "Continue to the app")
		expectPage(t, b.Decide(page, "approve"), http.StatusConflict, "This sign-in is already finished")
	})
	t.Run("C-27 C-41: what must show no page is redirected", func(t *testing.T) {
		e := e.For(t)
		r, p := answer(e, "com.example.app:/callback", "", "approve")
		harness.ExpectJSON(t, e.Exchange(r, parameters(expectLink(t, p, "com.example.app:/callback?", "")).Get("code")), http.StatusOK)
		r.Values.Set("prompt", "none")
		silent := e.NewBrowser().Authorize(r)
		if to := silent.Header.Get("Location"); silent.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "com.example.app:/callback?") {
			t.Fatalf("status %d to %q", silent.StatusCode, to)
		}
		expectError(t, e, parameters(must(url.Parse(silent.Header.Get("Location")))), r, "login_required")
	})
}

// expectLink wants a page that opens an application by one link, and by nothing
// else (conformance L-24).
func expectLink(t *testing.T, p harness.Page, begins, says string) *url.URL {
	t.Helper()
	expectPage(t, p, http.StatusOK, says)
	if p.Header.Get("Location") != "" || p.Header.Get("Refresh") != "" || p.Has("script") || p.Has("form") || strings.Contains(p.HTML, "http-equiv") {
		t.Errorf("the page leads on by itself:\n%s", p.HTML)
	}
	if got := p.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("C-26: Referrer-Policy is %q", got)
	}
	links := p.Links()
	if len(links) != 1 || !strings.HasPrefix(links[0], begins) {
		t.Fatalf("L-24: the page links to %q, want %q", links, begins)
	}
	return must(url.Parse(links[0]))
}

func names(v url.Values) []string {
	var names []string
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestStateIsEchoed(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	for _, state := range []string{
		"af0ifjsldkj", "a b+c%20d", `&code=x#y?z=/\"'<>`, "ü 日本 \u202e", strings.Repeat("0123456789abcdef", 256), "\r\nSet-Cookie: x=y", "",
	} {
		for _, mode := range []string{"query", "fragment"} {
			t.Run(fmt.Sprintf("C-04: state %.20q in the %s", state, mode), func(t *testing.T) {
				e := e.For(t)
				r := e.NewRequest(id, harness.ScopeStable+"STATE")
				r.Values.Set("state", state)
				r.Values.Set("response_mode", mode)
				for _, decision := range []string{"approve", "cancel"} {
					b := e.NewBrowser()
					got := harness.Returned(b.Decide(b.Consent(r, "alice"), decision))
					if got.Get("state") != state || got.Has("state") != (state != "") {
						t.Errorf("%s: state %q came back as %q", decision, state, got["state"])
					}
				}
			})
		}
	}
}
