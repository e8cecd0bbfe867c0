package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const (
	parPath   = "/_tuwunel/oidc/par"
	urnPrefix = "urn:ietf:params:oauth:request_uri:"
	unusable  = "This sign-in has expired"
)

// push sends an authorization request to the endpoint for pushed ones.
func push(e *harness.Env, r harness.Request, header ...string) harness.Answer {
	e.T.Helper()
	h := map[string]string{"Content-Type": form}
	for i := 0; i < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	return e.Do(http.MethodPost, parPath, h, r.Values.Encode())
}

// pushed is the request that a browser brings after a client has pushed one.
func pushed(e *harness.Env, r harness.Request, header ...string) harness.Request {
	e.T.Helper()
	a := push(e, r, header...)
	harness.ExpectJSON(e.T, a, http.StatusCreated)
	out := r
	out.Values = url.Values{"client_id": {r.ClientID}, "request_uri": {a.Text("request_uri")}}
	return out
}

func TestPushedAuthorization(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	basicID, basicSecret := e.Register(confidential("client_secret_basic"))
	postID, postSecret := e.Register(confidential("client_secret_post"))
	tests := []struct {
		name, client string
		set          url.Values
		header       []string
	}{
		{"a public client", id, nil, nil},
		{"client_secret_basic", basicID, nil, []string{"Authorization", basic(basicID, basicSecret)}},
		{"client_secret_basic without a client_id in the form", basicID, url.Values{"client_id": nil}, []string{"Authorization", basic(basicID, basicSecret)}},
		{"client_secret_post", postID, url.Values{"client_secret": {postSecret}}, nil},
	}
	for _, tt := range tests {
		t.Run("A-03z C-04: a request pushed by "+tt.name+" is walked to its code", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(tt.client, "openid "+harness.ScopeStable+"PUSHED")
			for name, values := range tt.set {
				r.Values[name] = values
			}
			a := push(e, r, tt.header...)
			harness.ExpectJSON(t, a, http.StatusCreated)
			uri := a.Text("request_uri")
			if len(uri) < len(urnPrefix)+22 || !strings.HasPrefix(uri, urnPrefix) {
				t.Errorf("request_uri is %q", uri)
			}
			if life, _ := a.JSON()["expires_in"].(float64); life < 60 || life > 90 {
				t.Errorf("expires_in is %v", life)
			}
			b := e.NewBrowser()
			got := harness.Returned(b.Decide(b.Consent(harness.Request{Values: url.Values{"client_id": {tt.client}, "request_uri": {uri}}}, "alice"), "approve"))
			if got.Get("state") != r.Values.Get("state") || got.Get("iss") != e.Issuer || got.Get("code") == "" {
				t.Errorf("the answer is %v", got)
			}
		})
	}
	t.Run("A-03z: of what stands beside client_id and request_uri nothing is read", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(id, harness.ScopeStable+"PUSHED")
		p := pushed(e, r)
		for name, values := range map[string][]string{
			"redirect_uri": {"https://evil.net/"}, "scope": {"openid", "profile"}, "state": {"another"}, "code_challenge": {"x"}, "prompt": {"none"},
			"response_mode": {"fragment"}, "request": {"e30.e30."},
		} {
			p.Values[name] = values
		}
		b := e.NewBrowser()
		end := b.Decide(b.Consent(p, "alice"), "approve")
		got := harness.Returned(end)
		if !strings.HasPrefix(end.Header.Get("Location"), harness.WebRedirect+"?") || got.Get("state") != r.Values.Get("state") {
			t.Errorf("on to %s", end.Header.Get("Location"))
		}
		if a := e.Exchange(r, got.Get("code")); a.Status != http.StatusOK {
			t.Errorf("exchange: %d %s", a.Status, a.Body)
		}
	})
	t.Run("A-03z C-02: the browser may bring it by POST", func(t *testing.T) {
		e := e.For(t)
		expectLogin(t, e, ask(e.NewBrowser(), e, http.MethodPost, pushed(e, e.NewRequest(id, "openid"))))
	})
	t.Run("A-03z C-41: what the request asks for is done: prompt=none is answered", func(t *testing.T) {
		e := e.For(t)
		e.LogInWith(e.NewRequest(id, "openid"), "alice")
		r := e.NewRequest(id, "openid")
		r.Values.Set("prompt", "none")
		expectError(t, e, harness.Returned(e.NewBrowser().Authorize(pushed(e, r))), r, "login_required")
	})
}

func TestPushedAuthorizationIsChecked(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	other, _ := e.Register(confidential("client_secret_basic"))
	tests := []struct {
		name   string
		set    url.Values
		status int
		code   string
	}{
		{"A-03z: a request_uri in it", url.Values{"request_uri": {urnPrefix + "x"}}, 400, "invalid_request"},
		{"A-03z C-04: a request object", url.Values{"request": {"e30.e30."}}, 400, "request_not_supported"},
		{"A-03z C-12: a redirect_uri that is not registered", url.Values{"redirect_uri": {harness.WebRedirect + "/"}}, 400, "invalid_request"},
		{"A-03z C-15: no redirect_uri", url.Values{"redirect_uri": nil}, 400, "invalid_request"},
		{"A-03z C-30: no scope", url.Values{"scope": nil}, 400, "invalid_scope"},
		{"A-03z C-05: no code_challenge", url.Values{"code_challenge": nil}, 400, "invalid_request"},
		{"A-03z C-05: plain", url.Values{"code_challenge_method": {"plain"}}, 400, "invalid_request"},
		{"A-03z C-04: another response_type", url.Values{"response_type": {"token"}}, 400, "unsupported_response_type"},
		{"A-03z C-04: an unknown response_mode", url.Values{"response_mode": {"web_message"}}, 400, "invalid_request"},
		{"A-03z C-41: prompt=none with another", url.Values{"prompt": {"none login"}}, 400, "invalid_request"},
		{"A-03z C-04: a max_age that is no number", url.Values{"max_age": {"soon"}}, 400, "invalid_request"},
		{"A-03z C-03: a repeated parameter", url.Values{"scope": {"openid", "openid"}}, 400, "invalid_request"},
		{"A-03z D-60: no client", url.Values{"client_id": nil}, 400, "invalid_request"},
		{"A-03z D-60: an unknown client", url.Values{"client_id": {"nobody"}}, 401, "invalid_client"},
		{"A-03z D-61: a confidential client without its secret", url.Values{"client_id": {other}}, 401, "invalid_client"},
		{"A-03z D-61: a public client with a secret", url.Values{"client_secret": {"x"}}, 401, "invalid_client"},
		{"A-03z: a NUL", url.Values{"state": {"a\x00b"}}, 400, "invalid_request"},
		{"A-03z: what is no UTF-8", url.Values{"state": {"\xff"}}, 400, "invalid_request"},
		{"A-03z: 100 KB", url.Values{"state": {strings.Repeat("x", 100_000)}}, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" is told now, in JSON", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, "openid")
			for name, values := range tt.set {
				r.Values[name] = values
			}
			harness.ExpectOAuthError(t, push(e, r), tt.status, tt.code)
		})
	}
	t.Run("A-03z: the query is not looked at", func(t *testing.T) {
		e := e.For(t)
		a := e.Do(http.MethodPost, parPath+"?"+e.NewRequest(id, "openid").Values.Encode(), map[string]string{"Content-Type": form}, "")
		harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_request")
	})
	t.Run("A-03z: another Content-Type is refused", func(t *testing.T) {
		e := e.For(t)
		a := e.Do(http.MethodPost, parPath, map[string]string{"Content-Type": "application/json"}, `{"client_id":"x"}`)
		harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_request")
	})
	t.Run("A-03z: another method is 405", func(t *testing.T) {
		a := e.For(t).Get(parPath)
		if harness.ExpectJSON(t, a, http.StatusMethodNotAllowed); a.Header.Get("Allow") != "POST" {
			t.Errorf("Allow is %q", a.Header.Get("Allow"))
		}
	})
	t.Run("A-03z: while the database cannot keep it the answer is 503", func(t *testing.T) {
		e := e.For(t)
		defer broken(e, "INSERT ON pushed_requests")()
		harness.ExpectOAuthError(t, push(e, e.NewRequest(id, "openid")), http.StatusServiceUnavailable, "temporarily_unavailable")
	})
	t.Run("A-03z B-06: beyond the limit the answer is 429", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 1\noidc_rc_burst_count = 2" })
		id, _ := e.Register(harness.WebClient)
		pushed(e, e.NewRequest(id, "openid"))
		a := push(e, e.NewRequest(id, "openid"))
		if harness.ExpectOAuthError(t, a, http.StatusTooManyRequests, "temporarily_unavailable"); a.Header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
	})
}

func TestRequestURI(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	other, _ := e.Register(metadataOf(t, map[string]any{"client_name": "Other"}))
	tests := []struct {
		name   string
		change func(e *harness.Env, v url.Values)
	}{
		{"is unknown", func(_ *harness.Env, v url.Values) { v.Set("request_uri", urnPrefix+strings.Repeat("A", 43)) }},
		{"is cut short", func(_ *harness.Env, v url.Values) { v.Set("request_uri", urnPrefix) }},
		{"is another client's", func(_ *harness.Env, v url.Values) { v.Set("client_id", other) }},
		{"is nobody's", func(_ *harness.Env, v url.Values) { v.Del("client_id") }},
		{"is two clients'", func(_ *harness.Env, v url.Values) { v.Add("client_id", id) }},
		{"has expired", func(e *harness.Env, _ url.Values) { e.Clock.Advance(90 * time.Second) }},
	}
	for _, tt := range tests {
		t.Run("A-03z C-29: a request_uri that "+tt.name+" is a page, and no redirect", func(t *testing.T) {
			e := e.For(t)
			r := pushed(e, e.NewRequest(id, "openid"))
			tt.change(e, r.Values)
			expectDeadEnd(t, e.NewBrowser().Authorize(r), http.StatusBadRequest, unusable)
		})
	}
	t.Run("A-03z C-03: two request_uris are no request at all", func(t *testing.T) {
		e := e.For(t)
		r := pushed(e, e.NewRequest(id, "openid"))
		r.Values.Add("request_uri", r.Values.Get("request_uri"))
		expectDeadEnd(t, e.NewBrowser().Authorize(r), http.StatusBadRequest, "We cannot send you back to this app")
	})
	t.Run("A-03z: it is good to the last second", func(t *testing.T) {
		e := e.For(t)
		r := pushed(e, e.NewRequest(id, "openid"))
		e.Clock.Advance(89 * time.Second)
		expectLogin(t, e, e.NewBrowser().Authorize(r))
	})
	t.Run("A-03z: it is good for one browser", func(t *testing.T) {
		e := e.For(t)
		r := pushed(e, e.NewRequest(id, "openid"))
		expectLogin(t, e, e.NewBrowser().Authorize(r))
		expectDeadEnd(t, e.NewBrowser().Authorize(r), http.StatusBadRequest, unusable)
	})
	t.Run("A-03z C-69: a reload goes on with the same request, for as long as that lives and until it is answered", func(t *testing.T) {
		e := e.For(t)
		r := pushed(e, e.NewRequest(id, "openid"))
		b := e.NewBrowser()
		expectLogin(t, e, b.Authorize(r))
		expectLogin(t, e, b.Authorize(r))
		e.Clock.Advance(25 * time.Minute)
		page := b.Consent(r, "alice")
		again := b.Authorize(r)
		if page.Request.URL.Query().Get("oidc_req_id") != again.Request.URL.Query().Get("oidc_req_id") {
			t.Errorf("the reload is at %s, it was at %s", again.Request.URL, page.Request.URL)
		}
		if b.Decide(page, "approve").StatusCode != http.StatusSeeOther {
			t.Error("the first page cannot be approved any more")
		}
		expectDeadEnd(t, b.Authorize(r), http.StatusConflict, "This sign-in is already finished")
		expectDeadEnd(t, b.Decide(again, "approve"), http.StatusConflict, "This sign-in is already finished")
	})
	t.Run("A-03z: of many browsers at once one goes on", func(t *testing.T) {
		onEach(t, func(t *testing.T, e *harness.Env) {
			id, _ := e.Register(harness.WebClient)
			r := pushed(e, e.NewRequest(id, "openid"))
			on := 0
			for _, a := range openAtOnce(e, 20, r, "") {
				switch a.Status {
				case http.StatusSeeOther:
					on++
				case http.StatusBadRequest:
				default:
					t.Errorf("status %d: %s", a.Status, a.Body)
				}
			}
			if on != 1 {
				t.Errorf("%d browsers go on", on)
			}
		})
	})
	t.Run("A-03z: of many reloads at once in one browser every one goes on, with the same request", func(t *testing.T) {
		onEach(t, func(t *testing.T, e *harness.Env) {
			id, _ := e.Register(harness.WebClient)
			b := e.NewBrowser()
			b.Authorize(e.NewRequest(id, "openid")) // gives it its cookie
			to := map[string]bool{}
			for _, a := range openAtOnce(e, 20, pushed(e, e.NewRequest(id, "openid")), b.Cookie()) {
				if a.Status != http.StatusSeeOther {
					t.Errorf("status %d: %s", a.Status, a.Body)
				}
				to[a.Header.Get("Location")] = true
			}
			if len(to) != 1 {
				t.Errorf("the reloads go to %v", to)
			}
		})
	})
}

// openAtOnce opens an authorization request many times at the same moment.
func openAtOnce(e *harness.Env, n int, r harness.Request, cookie string) []harness.Answer {
	e.T.Helper()
	answers, errs := make([]harness.Answer, n), make([]error, n)
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() {
			answers[i], errs[i] = e.Try(http.MethodGet, authorizePath+"?"+r.Values.Encode(), map[string]string{"Cookie": cookie}, "")
		})
	}
	done.Wait()
	for _, err := range errs {
		if err != nil {
			e.T.Fatal(err)
		}
	}
	return answers
}
