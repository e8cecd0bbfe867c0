package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

const (
	authorizePath = "/_tuwunel/oidc/authorize"
	completePath  = "/_tuwunel/oidc/_complete"
	restartPath   = "/_matrix/client/unstable/login/sso/restart"
)

// expectDeadEnd wants a page from which nothing leads away: no redirect, no
// link but one of ours that starts again or opens the account, nothing that the browser follows by itself
// (conformance C-29).
func expectDeadEnd(t *testing.T, p harness.Page, status int, says string) {
	t.Helper()
	expectPage(t, p, status, says)
	if to := p.Header.Get("Location"); to != "" {
		t.Errorf("C-29: Location is %q", to)
	}
	if links := p.Links(); len(links) > 1 || len(links) == 1 && !slices.ContainsFunc([]string{accountPath, restartPath + "?", ssoPath}, func(own string) bool { return strings.HasPrefix(links[0], own) }) {
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
	state := r.Values["state"]
	if len(state) > 1 {
		state = nil // of two neither is the request's
	}
	if !slices.Equal(got["state"], state) {
		t.Errorf("C-04: state %q, want %q", got["state"], state)
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
		{"C-04 D-42 L-16: the implicit response_type", url.Values{"response_type": {"token"}}, "unsupported_response_type"},
		{"C-04 L-16: that of an ID token", url.Values{"response_type": {"id_token"}}, "unsupported_response_type"},
		{"C-04 L-16: both", url.Values{"response_type": {"id_token token"}}, "unsupported_response_type"},
		{"C-04 L-16: a hybrid response_type", url.Values{"response_type": {"code id_token"}}, "unsupported_response_type"},
		{"C-04: response_type in another case", url.Values{"response_type": {"Code"}}, "unsupported_response_type"},
		{"C-04: no response_type", url.Values{"response_type": nil}, "invalid_request"},
		{"C-04: an unknown response_mode", url.Values{"response_mode": {"web_message"}}, "invalid_request"},
		{"C-04: response_mode in another case", url.Values{"response_mode": {"Query"}}, "invalid_request"},
		{"C-04 C-05 L-03: no code_challenge", url.Values{"code_challenge": nil}, "invalid_request"},
		{"C-04 C-05: no PKCE at all", url.Values{"code_challenge": nil, "code_challenge_method": nil}, "invalid_request"},
		{"C-04 C-05: a code_challenge without method, which means plain", url.Values{"code_challenge_method": nil}, "invalid_request"},
		{"C-04 C-05: plain", url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		{"C-04 C-05: a method that nobody knows", url.Values{"code_challenge_method": {"S512"}}, "invalid_request"},
		{"C-04 C-05: S256 in another case", url.Values{"code_challenge_method": {"s256"}}, "invalid_request"},
		{"C-04 C-05: a method without code_challenge", url.Values{"code_challenge": {""}}, "invalid_request"},
		{"C-03: a repeated state, which is not echoed", url.Values{"state": {"a", "b"}}, "invalid_request"},
		{"C-03: a repeated response_mode", url.Values{"response_mode": {"query", "fragment"}}, "invalid_request"},
		{"C-04: a code_challenge of 42 characters", url.Values{"code_challenge": {strings.Repeat("a", 42)}}, "invalid_request"},
		{"C-04: a code_challenge of 44 characters", url.Values{"code_challenge": {strings.Repeat("a", 44)}}, "invalid_request"},
		{"C-04: a code_challenge with an end of line in it", url.Values{"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw\ncM"}}, "invalid_request"},
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
		for method, item := range map[string]string{http.MethodGet: "C-01", http.MethodPost: "C-02"} {
			t.Run(item+" "+tt.name+" by "+method, func(t *testing.T) {
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
		{"C-12 L-01: a final slash more", uri(harness.WebRedirect + "/"), redirect},
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
		{"L-24: a data: URI", uri("data:text/html,<script>alert(1)</script>"), redirect},
		{"L-24: a vbscript: URI", uri("vbscript:msgbox(1)"), redirect},
		{"L-24: a blob: URI", uri("blob:https://app.example.com/callback"), redirect},
		{"L-24: a file: URI", uri("file:///callback"), redirect},
		{"L-02: two slashes", uri("//evil.example.net/"), redirect},
		{"L-02: a slash and a backslash", uri(`/\evil.example.net/`), redirect},
		{"L-02: two backslashes", uri(`\\evil.example.net/`), redirect},
		{"L-02: a scheme without slashes", uri("https:evil.example.net"), redirect},
		{"L-02: a backslash in the host", uri(`https://app.example.com\@evil.example.net/callback`), redirect},
	}
	for _, tt := range tests {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(tt.name+" by "+method, func(t *testing.T) {
				e := e.For(t)
				r := e.NewRequest(id, harness.ScopeStable+"AAABBBCCCDDD")
				for name, values := range tt.set {
					r.Values[name] = values
				}
				p := ask(e.NewBrowser(), e, method, r)
				expectDeadEnd(t, p, http.StatusBadRequest, tt.says)
				if bad := tt.set.Get("redirect_uri"); bad != "" && bad != harness.WebRedirect && strings.Contains(p.HTML, bad) {
					t.Errorf("C-29: the page shows %q", bad)
				}
			})
		}
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

func TestAuthorizationOfOtherClients(t *testing.T) {
	e := withClients(t, wiki)
	secretive, _ := e.Register(confidential("client_secret_basic"))
	tv, _ := e.Register(metadataOf(t, map[string]any{"grant_types": []string{deviceGrantType}, "response_types": nil}))
	t.Run("C-2A D-03: a client that is not registered for the code grant is told so", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(tv, harness.ScopeStable+"NOCODE")
		expectReturn(t, e, e.NewBrowser().Authorize(r), r, "unauthorized_client")
	})
	for name, change := range map[string]url.Values{
		"without PKCE": {"code_challenge": nil, "code_challenge_method": nil}, "with plain": {"code_challenge_method": {"plain"}},
	} {
		t.Run("C-05: "+name+" a client with a secret is refused too", func(t *testing.T) {
			e := e.For(t)
			r, own := e.NewRequest(secretive, "openid"), e.NewRequest("wiki", "openid")
			for name, values := range change {
				r.Values[name], own.Values[name] = values, values
			}
			expectReturn(t, e, e.NewBrowser().Authorize(r), r, "invalid_request")
			expectError(t, e, harness.Returned(e.NewBrowser().Authorize(own)), own, "invalid_request")
		})
	}
	t.Run("C-02 C-20: a request by POST is walked to its tokens", func(t *testing.T) {
		e := e.For(t)
		id, _ := e.Register(harness.WebClient)
		r := e.NewRequest(id, harness.ScopeStable+"BYPOST")
		b := e.NewBrowser()
		got := harness.Returned(b.Decide(b.SignIn(ask(b, e, http.MethodPost, r), "alice"), "approve"))
		if got.Get("state") != r.Values.Get("state") {
			t.Errorf("the answer is %v", got)
		}
		harness.ExpectJSON(t, e.Exchange(r, got.Get("code")), http.StatusOK)
	})
}
