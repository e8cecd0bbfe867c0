package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

const (
	authorizePath = "/_tuwunel/oidc/authorize"
	completePath  = "/_tuwunel/oidc/_complete"
)

// expectDeadEnd wants a page from which nothing leads away: no redirect, no
// link, nothing that the browser follows by itself (conformance C-29).
func expectDeadEnd(t *testing.T, p harness.Page, status int, says string) {
	t.Helper()
	expectPage(t, p, status, says)
	if to := p.Header.Get("Location"); to != "" {
		t.Errorf("C-29: Location is %q", to)
	}
	if links := p.Links(); len(links) != 0 {
		t.Errorf("C-29: the page links to %q", links)
	}
	if strings.Contains(strings.ToLower(p.HTML), "http-equiv") || p.Has("script") || p.Header.Get("Refresh") != "" {
		t.Error("C-29: the page leads on by itself")
	}
}

// expectReturn wants a page with one button that takes an OAuth error back to
// the client, and returns where it leads (conformance C-2A).
func expectReturn(t *testing.T, e *harness.Env, p harness.Page, r harness.Request, code string) *url.URL {
	t.Helper()
	expectPage(t, p, http.StatusBadRequest, "The app made a mistake")
	links := p.Links()
	if len(links) != 1 || !strings.HasPrefix(links[0], r.Values.Get("redirect_uri")) {
		t.Fatalf("C-2A: the page links to %q", links)
	}
	to, err := url.Parse(links[0])
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, e, parameters(to), r, code)
	return to
}

// expectError wants the parameters of an error response to a request.
func expectError(t *testing.T, e *harness.Env, got url.Values, r harness.Request, code string) {
	t.Helper()
	if got.Get("error") != code || got.Get("error_description") == "" {
		t.Errorf("C-21: error %q, %q, want %q and a description", got.Get("error"), got.Get("error_description"), code)
	}
	if !slices.Equal(got["state"], r.Values["state"]) {
		t.Errorf("C-04: state %q, want %q", got["state"], r.Values["state"])
	}
	if got.Get("iss") != e.Issuer {
		t.Errorf("C-23: iss %q, want %q", got.Get("iss"), e.Issuer)
	}
	if got.Has("code") {
		t.Error("an error comes with a code")
	}
}

// parameters are those of a response, in whichever part of the URL they are.
func parameters(to *url.URL) url.Values {
	if fragment, err := url.ParseQuery(to.EscapedFragment()); err == nil && len(fragment) > 0 {
		return fragment
	}
	return to.Query()
}

func TestAuthorizationParameters(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	tests := []struct {
		name string
		set  url.Values // nil takes a parameter away
		code string     // "" = the request goes on to the identity provider
	}{
		{"C-03: unknown parameters are ignored", url.Values{"frobnicate": {"1"}}, ""},
		{"C-03: a parameter without a value is not there", url.Values{"response_mode": {""}, "prompt": {""}, "max_age": {""}, "request": {""}}, ""},
		{"C-03: a repeated parameter is refused", url.Values{"scope": {harness.ScopeStable + "A", harness.ScopeStable + "A"}}, "invalid_request"},
		{"C-03: a repeated unknown parameter is refused", url.Values{"frobnicate": {"1", "2"}}, "invalid_request"},
		{"C-04: a response_type other than code", url.Values{"response_type": {"token"}}, "unsupported_response_type"},
		{"C-04 L-16: a hybrid response_type", url.Values{"response_type": {"code id_token"}}, "unsupported_response_type"},
		{"C-04: no response_type", url.Values{"response_type": nil}, "invalid_request"},
		{"C-04: an unknown response_mode", url.Values{"response_mode": {"form_post"}}, "invalid_request"},
		{"C-04: response_mode in another case", url.Values{"response_mode": {"Query"}}, "invalid_request"},
		{"C-04 C-05 L-03: no code_challenge", url.Values{"code_challenge": nil}, "invalid_request"},
		{"C-04 C-05: no PKCE at all", url.Values{"code_challenge": nil, "code_challenge_method": nil}, "invalid_request"},
		{"C-04 C-05: a code_challenge without method, which means plain", url.Values{"code_challenge_method": nil}, "invalid_request"},
		{"C-04 C-05: plain", url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		{"C-04: a code_challenge of 42 characters", url.Values{"code_challenge": {strings.Repeat("a", 42)}}, "invalid_request"},
		{"C-04: a code_challenge of 44 characters", url.Values{"code_challenge": {strings.Repeat("a", 44)}}, "invalid_request"},
		{"C-04: a code_challenge that is not base64url", url.Values{"code_challenge": {strings.Repeat("+", 43)}}, "invalid_request"},
		{"C-04: a request object", url.Values{"request": {"e30.e30."}}, "request_not_supported"},
		{"C-04: a request_uri", url.Values{"request_uri": {"https://example.com/r"}}, "request_uri_not_supported"},
		{"C-04: a registration", url.Values{"registration": {"{}"}}, "registration_not_supported"},
		{"C-04: what OpenID asks to bear with", url.Values{
			"ui_locales": {"de fr"}, "display": {"popup"}, "acr_values": {"1"}, "claims_locales": {"de"}, "id_token_hint": {"x"}, "max_age": {"3600"},
		}, ""},
		{"C-04: a max_age that is no number", url.Values{"max_age": {"soon"}}, "invalid_request"},
		{"C-04: a negative max_age", url.Values{"max_age": {"-1"}}, "invalid_request"},
		{"C-04: resource is ignored", url.Values{"resource": {"https://example.com/"}}, ""},
		{"C-04: a state is not needed", url.Values{"state": nil}, ""},
		{"C-30: no scope", url.Values{"scope": nil}, "invalid_scope"},
		{"C-40: prompt=create, which is not advertised, is ignored", url.Values{"prompt": {"create"}}, ""},
		{"C-41: prompt=none with another value", url.Values{"prompt": {"none login"}}, "invalid_request"},
		{"C-42: an unknown prompt is ignored", url.Values{"prompt": {"Login"}}, ""},
	}
	for _, tt := range tests {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(tt.name+" ("+method+")", func(t *testing.T) {
				e := e.For(t)
				r := e.NewRequest(id, harness.ScopeStable+"AAABBBCCCDDD")
				for name, values := range tt.set {
					r.Values[name] = values
				}
				p := ask(e.NewBrowser(), e, method, r)
				if tt.code == "" {
					expectLogin(t, e, p)
					return
				}
				expectReturn(t, e, p, r, tt.code)
			})
		}
	}
}

// ask opens an authorization request by either method (conformance C-01, C-02).
func ask(b *harness.Browser, e *harness.Env, method string, r harness.Request) harness.Page {
	if method == http.MethodGet {
		return b.Authorize(r)
	}
	return b.Post(harness.Page{Response: &http.Response{Request: &http.Request{URL: must(url.Parse(e.URL))}}}, authorizePath, r.Values)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// expectLogin wants the form of the identity provider.
func expectLogin(t *testing.T, e *harness.Env, p harness.Page) {
	t.Helper()
	if at := p.Request.URL.String(); p.StatusCode != http.StatusOK || !strings.HasPrefix(at, e.IDP.Issuer+"/login") {
		t.Fatalf("status %d at %s instead of the identity provider's form:\n%s", p.StatusCode, at, p.Text())
	}
}

func TestAuthorizationIsNotRedirected(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	const unknown, redirect = "We do not know this app", "We cannot send you back to this app"
	uri := func(s string) url.Values { return url.Values{"redirect_uri": {s}} }
	tests := []struct {
		name string
		set  url.Values
		says string
	}{
		{"C-29: no client_id", url.Values{"client_id": nil}, unknown},
		{"C-29: an unknown client_id", url.Values{"client_id": {"nobody"}}, unknown},
		{"C-03 C-29: two client_ids", url.Values{"client_id": {id, id}}, unknown},
		{"C-29: a client_id that would be SQL", url.Values{"client_id": {"' OR 1=1 --"}}, unknown},
		{"C-15 C-29: no redirect_uri, though only one is registered", url.Values{"redirect_uri": nil}, redirect},
		{"C-03 C-29: two redirect_uris", url.Values{"redirect_uri": {harness.WebRedirect, harness.WebRedirect}}, redirect},
		{"C-12: a final slash more", uri(harness.WebRedirect + "/"), redirect},
		{"C-12: a query more", uri(harness.WebRedirect + "?x=1"), redirect},
		{"C-12: an empty query more", uri(harness.WebRedirect + "?"), redirect},
		{"C-12: the path in another case", uri("https://app.example.com/Callback"), redirect},
		{"C-12: the host in another case", uri("https://APP.example.com/callback"), redirect},
		{"C-12: the path encoded", uri("https://app.example.com/%63allback"), redirect},
		{"C-12: a dot encoded", uri("https://app%2eexample.com/callback"), redirect},
		{"C-12: a user", uri("https://evil@app.example.com/callback"), redirect},
		{"C-12: a port", uri("https://app.example.com:443/callback"), redirect},
		{"C-12: a path that goes up", uri("https://app.example.com/callback/../x"), redirect},
		{"C-12: something in front", uri("https://evil.net/?https://app.example.com/callback"), redirect},
		{"C-12: another scheme", uri("http://app.example.com/callback"), redirect},
		{"C-12: a space behind", uri(harness.WebRedirect + " "), redirect},
		{"C-16: a fragment", uri(harness.WebRedirect + "#x"), redirect},
		{"C-16: an empty fragment", uri(harness.WebRedirect + "#"), redirect},
		{"C-13: a loopback address that is not registered", uri("http://127.0.0.1:8080/callback"), redirect},
		{"L-24: a javascript: URI", uri("javascript:alert(1)"), redirect},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"AAABBBCCCDDD")
			for name, values := range tt.set {
				r.Values[name] = values
			}
			p := e.NewBrowser().Authorize(r)
			expectDeadEnd(t, p, http.StatusBadRequest, tt.says)
			if bad := tt.set.Get("redirect_uri"); bad != "" && bad != harness.WebRedirect && strings.Contains(p.HTML, bad) {
				t.Errorf("C-29: the page shows %q", bad)
			}
		})
	}
	t.Run("C-07: a query of more than 16 KiB is refused", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(id, harness.ScopeStable+"AAABBBCCCDDD")
		r.Values.Set("state", strings.Repeat("x", 16<<10))
		expectDeadEnd(t, e.NewBrowser().Authorize(r), http.StatusBadRequest, "The app made a mistake")
	})
	for _, query := range []string{"client_id=%zz", "client_id=%ff", "client_id=a%00b", "client_id=a;b"} {
		t.Run("C-03: the query "+query+" is malformed", func(t *testing.T) {
			expectDeadEnd(t, e.For(t).NewBrowser().Visit(authorizePath+"?"+query), http.StatusBadRequest, "The app made a mistake")
		})
	}
}

func TestErrorsGoTheWayOfTheAnswer(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.FinalSlash = true })
	id, _ := e.Register(harness.WebClient)
	for mode, inFragment := range map[string]bool{"": false, "query": false, "fragment": true} {
		t.Run("C-21: with response_mode "+mode+" the button leads to the client in that mode", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, "")
			r.Values.Set("response_mode", mode)
			to := expectReturn(t, e, e.NewBrowser().Authorize(r), r, "invalid_scope")
			if (to.Fragment != "") != inFragment || (to.RawQuery != "") == inFragment {
				t.Errorf("the parameters are in the wrong part of %s", to)
			}
		})
	}
	t.Run("C-2A: the button names the host it leads to", func(t *testing.T) {
		e := e.For(t)
		if p := e.NewBrowser().Authorize(e.NewRequest(id, "")); !strings.Contains(p.Text(), "Return to app.example.com") {
			t.Errorf("the page says\n%s", p.Text())
		}
	})
}

func TestLoopbackRedirects(t *testing.T) {
	e := harness.Start(t)
	all, _ := e.Register(native(t, "http://localhost/callback", "http://127.0.0.1/callback", "http://[::1]/callback"))
	name, _ := e.Register(native(t, "http://localhost/callback"))
	four, _ := e.Register(native(t, "http://127.0.0.1/callback"))
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
	app, _ := e.Register(native(t, "com.example.app:/callback", "com.example.app:callback"))
	tests := []struct {
		name, client, uri, mode, begins string
	}{
		{"C-20: query is the default", web, harness.WebRedirect, "", harness.WebRedirect + "?"},
		{"C-20: query", web, harness.WebRedirect, "query", harness.WebRedirect + "?"},
		{"C-20: fragment", web, harness.WebRedirect, "fragment", harness.WebRedirect + "#"},
		{"C-20: a query of the redirect URI keeps every byte", web, kept, "query", kept + "&"},
		{"C-20: a query of the redirect URI keeps every byte before a fragment", web, kept, "fragment", kept + "#"},
		{"C-20: an empty query", web, "https://example.com/?", "query", "https://example.com/?"},
		{"C-20: a private-use scheme, in the query", app, "com.example.app:/callback", "query", "com.example.app:/callback?"},
		{"C-20: a private-use scheme, in the fragment", app, "com.example.app:/callback", "fragment", "com.example.app:/callback#"},
		{"C-20: a private-use scheme without slash", app, "com.example.app:callback", "", "com.example.app:callback?"},
	}
	for _, tt := range tests {
		for _, decision := range []string{"approve", "cancel"} {
			t.Run(tt.name+" ("+decision+")", func(t *testing.T) {
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

func TestPromptNone(t *testing.T) {
	e := harness.Start(t)
	used, _ := e.Register(harness.WebClient)
	unused, _ := e.Register(metadataOf(t, map[string]any{"client_name": "Unused"}))
	b := e.NewBrowser()
	silent := func(e *harness.Env, id string) harness.Request {
		r := e.NewRequest(id, harness.ScopeStable+"SILENT")
		r.Values.Set("prompt", "none")
		return r
	}
	code := b.Approve(e.NewRequest(used, harness.ScopeStable+"SILENT"), "alice").Get("code")
	_ = code
	t.Run("C-2A C-41: for a client that nobody uses it is a page, not a redirect", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, unused)
		expectReturn(t, e, e.NewBrowser().Authorize(r), r, "login_required")
	})
	e.LogIn("alice", "SILENT")
	t.Run("C-41: not signed in is login_required", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, used)
		p := e.NewBrowser().Authorize(r)
		if p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(p.Header.Get("Location"), harness.WebRedirect) {
			t.Fatalf("status %d to %q", p.StatusCode, p.Header.Get("Location"))
		}
		expectError(t, e, harness.Returned(p), r, "login_required")
		expectPageHeaders(t, p.Header)
	})
	t.Run("C-41 L-12: signed in it is consent_required, whatever was approved before", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, used)
		expectError(t, e, harness.Returned(b.Authorize(r)), r, "consent_required")
	})
	t.Run("C-41: the answer is in the response_mode", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, used)
		r.Values.Set("response_mode", "fragment")
		p := b.Authorize(r)
		if p.Location().Fragment == "" || p.Location().RawQuery != "" {
			t.Errorf("on to %s", p.Location())
		}
		expectError(t, e, harness.Returned(p), r, "consent_required")
	})
	t.Run("C-41: the sign-in at our pages is forgotten after two weeks", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(14*24*time.Hour + time.Second)
		r := silent(e, used)
		expectError(t, e, harness.Returned(b.Authorize(r)), r, "login_required")
	})
}

func TestPromptsAtTheProvider(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	b.Approve(e.NewRequest(id, harness.ScopeStable+"PROMPT"), "alice")
	e.Clock.Advance(10 * time.Minute)
	tests := []struct {
		name  string
		set   url.Values
		asked bool
	}{
		{"C-60: without a prompt the provider's session signs in, and consent is asked", nil, false},
		{"C-42: prompt=consent shows consent", url.Values{"prompt": {"consent"}}, false},
		{"C-42: prompt=login signs in anew", url.Values{"prompt": {"login"}}, true},
		{"C-42: prompt=login consent signs in anew", url.Values{"prompt": {"consent login"}}, true},
		{"C-42: prompt=select_account asks who it is", url.Values{"prompt": {"select_account"}}, true},
		{"C-04: max_age that has passed signs in anew", url.Values{"max_age": {"60"}}, true},
		{"C-04: max_age=0 signs in anew", url.Values{"max_age": {"0"}}, true},
		{"C-04: max_age that has not passed does not", url.Values{"max_age": {"3600"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"PROMPT")
			for name, values := range tt.set {
				r.Values[name] = values
			}
			p := b.Authorize(r)
			if !tt.asked {
				expectPage(t, p, http.StatusOK, "Let My App use your account?")
				return
			}
			expectLogin(t, e, p)
		})
	}
	t.Run("C-42: having signed in anew, the person is asked for consent", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(id, harness.ScopeStable+"PROMPT")
		r.Values.Set("prompt", "login")
		expectPage(t, b.Consent(r, "bob"), http.StatusOK, "@bob:example.org")
	})
}

// TestPromptThatTheProviderIgnores has a provider that signs people in from its
// session whatever it is asked.
func TestPromptThatTheProviderIgnores(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) {
		o.IDP = func(p *demoidptest.Options) {
			p.Wrap = func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					q := r.URL.Query()
					q.Del("prompt")
					q.Del("max_age")
					r.URL.RawQuery = q.Encode()
					next.ServeHTTP(w, r)
				})
			}
		}
	})
	id, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	b.Approve(e.NewRequest(id, harness.ScopeStable+"STALE"), "alice")
	e.Clock.Advance(time.Hour)
	for _, set := range []url.Values{{"prompt": {"login"}}, {"max_age": {"60"}}, {"max_age": {"0"}}} {
		t.Run("C-42: "+set.Encode()+" is not believed to have happened without proof", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"STALE")
			for name, values := range set {
				r.Values[name] = values
			}
			expectPage(t, b.Authorize(r), http.StatusBadGateway, "We could not verify your sign-in")
		})
	}
}

func TestLoginHint(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	hinted := func(e *harness.Env, hint string) harness.Request {
		r := e.NewRequest(id, harness.ScopeStable+"HINT")
		r.Values.Set("login_hint", hint)
		return r
	}
	tests := []struct {
		name, hint string
		filled     bool
	}{
		{"C-50: a user of this server is filled in", "mxid:@alice:example.org", true},
		{"C-50: a user of another server is not", "mxid:@alice:example.com", false},
		{"C-51: an unknown format is ignored", "acct:alice@example.org", false},
		{"C-51: half a user id is ignored", "mxid:@alice", false},
		{"C-51: whether the user exists makes no difference", "mxid:@nobody:example.org", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			p := e.NewBrowser().Authorize(hinted(e, tt.hint))
			expectLogin(t, e, p)
			if filled := p.Input("username") == "alice"; filled != tt.filled {
				t.Errorf("filled in is %v", filled)
			}
		})
	}
	t.Run("C-51: a hint at somebody else logs nobody in, and the person can switch", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		b.Consent(e.NewRequest(id, harness.ScopeStable+"HINT"), "bob")
		p := b.Authorize(hinted(e, "mxid:@alice:example.org"))
		expectPage(t, p, http.StatusOK, "@bob:example.org Not you?")
		if strings.Contains(p.Text(), "alice") {
			t.Errorf("the page tells of alice:\n%s", p.Text())
		}
		if at := b.Visit(p.Links()[0]); !strings.HasPrefix(at.Request.URL.String(), e.IDP.Issuer) {
			t.Errorf("the way to another account ends at %s", at.Request.URL)
		}
	})
	t.Run("C-51 L-23: a hint is not let into a page", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		if p := b.Consent(hinted(e, `mxid:@"><script>alert(1)</script>:example.org`), "alice"); strings.Contains(p.HTML, "<script>") {
			t.Error("there is a script in the page")
		}
	})
}

func TestScopesOfAnAuthorization(t *testing.T) {
	const api, device = "urn:matrix:client:api:*", "urn:matrix:client:device:"
	const unstable = "urn:matrix:org.matrix.msc2967.client:"
	loose := harness.Start(t)
	strict := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_strict_scope = true\noidc_require_device_scope = true" })
	tests := []struct {
		name, scope string
		granted     string // "" = invalid_scope; a final * stands for a generated device
		strict      bool
	}{
		{"C-30: order and repetition do not matter", device + "A " + api + " " + device + "A openid openid", device + "A " + api + " openid", false},
		{"C-30: two spaces", "openid  " + api + " " + device + "A", "", false},
		{"C-30: a character that no scope has", `openid "` + api + `"`, "", false},
		{"C-31 C-34: the stable spelling", api + " " + device + "AAABBBCCCDDD", api + " " + device + "AAABBBCCCDDD", false},
		{"C-32 C-34: the unstable spelling, answered as it was asked", unstable + "api:* " + unstable + "device:AAABBBCCCDDD",
			unstable + "api:* " + unstable + "device:AAABBBCCCDDD", false},
		{"C-33: another api scope is unknown, and dropped", "openid urn:matrix:client:api:read", "openid", false},
		{"C-33 C-3A: another api scope, read strictly", "openid urn:matrix:client:api:read", "", true},
		{"C-35: two devices", api + " " + device + "A " + device + "B", "", false},
		{"C-35: two devices in two spellings", api + " " + device + "A " + unstable + "device:B", "", false},
		{"C-35: no device: one is generated and told", api, api + " " + device + "*", false},
		{"C-35: no device where one is required", api, "", true},
		{"C-36: an empty device id", api + " " + device, "", false},
		{"C-37: a device id that is a base64 key", api + " " + device + "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4+",
			api + " " + device + "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4+", false},
		{"C-38: a device id of 255 characters", api + " " + device + strings.Repeat("d", 255), api + " " + device + strings.Repeat("d", 255), false},
		{"C-38: a device id of 256 characters", api + " " + device + strings.Repeat("d", 256), "", false},
		{"C-3A: an unknown scope is dropped", "urn:example:x " + api + " " + device + "A", api + " " + device + "A", false},
		{"C-3A: an unknown scope, read strictly", "urn:example:x " + api + " " + device + "A", "", true},
		{"C-3A: nothing that is known", "urn:example:x", "", false},
		{"C-3B: a device without the api", "openid " + device + "A", "", false},
		{"C-3B: openid alone", "openid", "openid", false},
		{"C-3C: both spellings of one device", api + " " + device + "A " + unstable + "device:A", api + " " + device + "A " + unstable + "device:A", false},
		{"C-3D: administration is not for the asking", api + " " + device + "A urn:matrix:client:server_administration urn:synapse:admin:*", api + " " + device + "A", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := loose.For(t)
			if tt.strict {
				e = strict.For(t)
			}
			id, _ := e.Register(harness.WebClient)
			r := e.NewRequest(id, tt.scope)
			if tt.granted == "" {
				expectReturn(t, e, e.NewBrowser().Authorize(r), r, "invalid_scope")
				return
			}
			tokens := e.LogInWith(r, "alice")
			got := tokens.Scope
			if generated, found := strings.CutSuffix(tt.granted, "*"); found && strings.HasSuffix(generated, device) {
				own, isDevice := strings.CutPrefix(got, generated)
				if !isDevice || len(own) != 10 {
					t.Fatalf("granted %q, want a device of 10 characters", got)
				}
				got = generated + "*"
			}
			if got != tt.granted {
				t.Errorf("granted %q, want %q", tokens.Scope, tt.granted)
			}
			expectDevice(t, e, tokens)
		})
	}
}

// expectDevice wants the token to be good for the device that its scope names,
// and for no Matrix call without one (conformance C-3B, D-11).
func expectDevice(t *testing.T, e *harness.Env, tokens harness.Tokens) {
	t.Helper()
	want := ""
	for token := range strings.SplitSeq(tokens.Scope, " ") {
		if _, id, ok := strings.Cut(token, "client:device:"); ok {
			want = id
		}
	}
	a := e.WhoAmI(tokens.Access)
	if want == "" {
		harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		return
	}
	if a.Text("device_id") != want || a.Text("user_id") != "@alice:example.org" {
		t.Errorf("whoami is %s, want device %q", a.Body, want)
	}
}
