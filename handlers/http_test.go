package handlers_test

import (
	entities "html"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

// expectPage wants a page of a status, with the headers of every page, that
// says something.
func expectPage(t *testing.T, p harness.Page, status int, says string) {
	t.Helper()
	if p.StatusCode != status {
		t.Fatalf("status %d, want %d, at %s:\n%s", p.StatusCode, status, p.Request.URL.Path, p.Text())
	}
	if kind := p.Header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Errorf("Content-Type is %q", kind)
	}
	expectPageHeaders(t, p.Header)
	if !strings.Contains(p.Text(), says) {
		t.Errorf("the page does not say %q:\n%s", says, p.Text())
	}
}

// expectPageHeaders wants what protects everything that a person sees
// (conformance L-08 to L-10, L-28).
func expectPageHeaders(t *testing.T, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none'", "style-src 'self'", "img-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, directive) {
			t.Errorf("L-08 L-09: the Content-Security-Policy lacks %q: %q", directive, policy)
		}
	}
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Pragma": "no-cache",
		"Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("L-08 L-10 L-28: %s is %q, want %q", name, got, want)
		}
	}
	if referrer := h.Get("Referrer-Policy"); referrer != "no-referrer" && referrer != "same-origin" {
		t.Errorf("L-10: Referrer-Policy is %q", referrer)
	}
	if h.Get("Permissions-Policy") == "" {
		t.Error("L-28: there is no Permissions-Policy")
	}
}

// stylesheet is the path of what a page is set in.
func stylesheet(t *testing.T, p harness.Page) string {
	t.Helper()
	found := regexp.MustCompile(`href="(/_tuwunel/oidc/assets/[^"]+\.css)"`).FindStringSubmatch(p.HTML)
	if found == nil {
		t.Fatalf("the page has no style sheet:\n%s", p.HTML)
	}
	return found[1]
}

func TestPagesAreProtected(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	request := e.NewRequest(id, harness.ScopeStable+"PAGES")
	b := e.NewBrowser()
	consent := b.Consent(request, "alice")
	answered := b.Consent(e.NewRequest(id, harness.ScopeStable+"PAGES"), "alice")
	b.Decide(answered, "approve")
	confirm := b.Visit(legacyStart(harness.LegacyRedirect))
	tests := []struct {
		name, method, path string
		status             int
	}{
		{"the authorization's redirect", "GET", authorizePath + "?" + request.Values.Encode(), 303},
		{"a refused authorization", "GET", authorizePath + "?client_id=nobody", 400},
		{"an authorization by another method", "PUT", authorizePath, 405},
		{"the style sheet by another method", "POST", stylesheet(t, consent), 405},
		{"the redirect to the provider", "GET", ssoPath + "/" + e.IDP.ClientID + "?" + consent.Request.URL.RawQuery, 303},
		{"an unknown provider", "GET", ssoPath + "/nobody", 404},
		{"a callback of nobody's", "GET", callbackPath(e) + "?state=x", 400},
		{"consent", "GET", consent.Request.URL.RequestURI(), 200},
		{"an answered request", "GET", answered.Request.URL.RequestURI(), 409},
		{"a form without its token", "POST", completePath, 400},
		{"the legacy confirmation", "GET", confirm.Request.URL.RequestURI(), 200},
		{"the page for a device's code", "GET", devicePagePath, 200},
		{"a device's code without its token", "POST", devicePagePath, 403},
		{"the question for a device that is not there", "GET", devicePagePath + "/consent?oidc_req_id=x", 400},
		{"the account", "GET", "/_tuwunel/oidc/account", 200},
		{"logging out", "GET", endSessionPath, 200},
		{"a page that is not there", "GET", "/nothing", 404},
		{"the root", "GET", "/", 404},
	}
	for _, tt := range tests {
		t.Run("L-08 L-09 L-10 L-28: "+tt.name+" has every header of a page", func(t *testing.T) {
			a := e.For(t).Do(tt.method, tt.path, map[string]string{"Cookie": b.Cookie(), "Content-Type": form}, "")
			if a.Status != tt.status {
				t.Fatalf("status %d, want %d:\n%s", a.Status, tt.status, a.Body)
			}
			expectPageHeaders(t, a.Header)
			if hsts := a.Header.Get("Strict-Transport-Security"); hsts != "" {
				t.Errorf("L-14: Strict-Transport-Security on http is %q", hsts)
			}
			if a.Status != http.StatusSeeOther && a.Header.Get("Content-Language") != "en" {
				t.Errorf("Content-Language is %q", a.Header.Get("Content-Language"))
			}
		})
	}
}

// cookieOf is a cookie that an answer sets, or nil.
func cookieOf(h http.Header, name string) *http.Cookie {
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func expectCookie(t *testing.T, c *http.Cookie, secure bool, life time.Duration) {
	t.Helper()
	switch {
	case c == nil:
		t.Fatal("L-22: there is no cookie")
	case !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure != secure || c.MaxAge != int(life.Seconds()):
		t.Errorf("L-22: the cookie is %s", c)
	case len(c.Value) < 22:
		t.Errorf("L-19: the cookie has %d characters", len(c.Value))
	}
}

func TestCookies(t *testing.T) {
	tests := []struct {
		name, issuer, prefix string
		secure               bool
	}{
		{"on a loopback issuer", "", "", false},
		{"on an https issuer", "https://auth.example.org", "__Host-", true},
	}
	for _, tt := range tests {
		t.Run("L-14 L-22: "+tt.name+" the cookies are "+tt.prefix+"…, HttpOnly and SameSite=Lax", func(t *testing.T) {
			e := harness.Start(t, func(o *harness.Options) { o.Issuer = tt.issuer })
			id, _ := e.Register(harness.WebClient)
			begun := e.Get(authorizePath + "?" + e.NewRequest(id, harness.ScopeStable+"COOKIES").Values.Encode())
			browser := cookieOf(begun.Header, tt.prefix+"keymaker_browser")
			expectCookie(t, browser, tt.secure, 0)
			back, signedIn := throughProvider(e, begun.Header.Get("Location"), browser)
			session := cookieOf(signedIn.Header, tt.prefix+"keymaker_session")
			expectCookie(t, session, tt.secure, 14*24*time.Hour)
			if !strings.HasPrefix(back, e.Issuer+"/") {
				t.Errorf("L-15: the provider sends people to %s", back)
			}
			for _, a := range []harness.Answer{begun, signedIn} {
				if hsts := a.Header.Get("Strict-Transport-Security"); (hsts != "") != tt.secure {
					t.Errorf("L-14: Strict-Transport-Security is %q", hsts)
				}
			}
		})
	}
}

// throughProvider follows the server's redirects without a cookie jar, which
// would keep a secure cookie from our plain http, and signs alice in. It
// returns where the provider sent her, and the answer there.
func throughProvider(e *harness.Env, start string, browser *http.Cookie) (back string, a harness.Answer) {
	e.T.Helper()
	cookie := map[string]string{"Cookie": browser.Name + "=" + browser.Value}
	b := e.NewBrowser()
	end := b.SignIn(b.Visit(e.Do(http.MethodGet, start, cookie, "").Header.Get("Location")), "alice")
	to := end.Request.URL // with our own address as the issuer the browser goes on
	if end.StatusCode == http.StatusFound {
		to = end.Location()
	}
	if to.Path != callbackPath(e) {
		e.T.Fatalf("the provider sends to %s", to)
	}
	return to.String(), e.Do(http.MethodGet, to.RequestURI(), cookie, "")
}

func TestSessionCookieIsNew(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("L-22: the session's cookie is new at every sign-in", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		var values []string
		for range 2 {
			b.Consent(e.NewRequest(id, harness.ScopeStable+"FIXATION"), "alice")
			for _, c := range b.Jar.Cookies(must(url.Parse(e.URL))) {
				if c.Name == "keymaker_session" {
					values = append(values, c.Value)
				}
			}
		}
		if len(values) != 2 || values[0] == values[1] {
			t.Errorf("it was %q", values)
		}
	})
}

func TestHostIsNotBelieved(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	headers := map[string]string{"Host": "evil.net", "X-Forwarded-Host": "evil.net", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.net;proto=https"}
	paths := []string{
		authorizePath + "?" + e.NewRequest(id, harness.ScopeStable+"HOST").Values.Encode(), authorizePath, legacyStart(harness.LegacyRedirect),
		discoveryPath, issuerPath, "/.well-known/matrix/client", "/nothing", "/_matrix/nothing",
	}
	for _, path := range paths {
		t.Run("L-15 A-22: nothing of a Host header is in the answer of "+strings.SplitN(path, "?", 2)[0], func(t *testing.T) {
			a := e.For(t).Do(http.MethodGet, path, headers, "")
			if plain := e.For(t).Get(path); a.Status != plain.Status || a.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("status %d, and %d without such headers", a.Status, plain.Status)
			}
			for name, values := range a.Header {
				if strings.Contains(strings.Join(values, " "), "evil.net") {
					t.Errorf("%s is %q", name, values)
				}
			}
			if strings.Contains(string(a.Body), "evil.net") {
				t.Errorf("the body is %s", a.Body)
			}
		})
	}
}

func TestNoParameterLeadsAway(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	b.Consent(e.NewRequest(id, harness.ScopeStable+"AWAY"), "alice")
	names := []string{"next", "post_login", "redirect", "redirect_to", "redirectUrl", "redirect_uri", "return_to", "continue", "url", "target_link_uri"}
	for _, path := range []string{accountPath, devicePagePath, devicePagePath + "/consent", endSessionPath, authorizePath, completePath, confirmPath, callbackPath(e), "/", "/.well-known/change-password"} {
		t.Run("L-02: "+path+" leads nowhere because of a parameter", func(t *testing.T) {
			e := e.For(t)
			for _, name := range names {
				for _, to := range []string{"https://evil.net/", "//evil.net/", `/\evil.net/`, "https:evil.net"} {
					a := e.Do(http.MethodGet, path+"?"+url.Values{name: {to}}.Encode(), map[string]string{"Cookie": b.Cookie()}, "")
					if a.Header.Get("X-Request-Id") == "" {
						t.Errorf("%s=%s: status %d", name, to, a.Status)
					}
					for _, target := range targets(a) {
						if strings.HasPrefix(target, to) || must(url.Parse(target)).Hostname() == "evil.net" {
							t.Errorf("%s=%s: leads to %q", name, to, target)
						}
					}
				}
			}
		})
	}
}

// targets are where an answer sends a browser or lets a person go.
func targets(a harness.Answer) []string {
	all := []string{a.Header.Get("Location"), a.Header.Get("Refresh")}
	for _, match := range regexp.MustCompile(`(?:href|action|src|formaction)="([^"]*)"`).FindAllSubmatch(a.Body, -1) {
		all = append(all, entities.UnescapeString(string(match[1])))
	}
	return all
}

func TestRequestIDs(t *testing.T) {
	e := harness.Start(t)
	t.Run("L-18: every answer has an id of its own, and the log has it", func(t *testing.T) {
		e := e.For(t)
		seen := map[string]bool{}
		for _, path := range []string{"/livez", metadataPath, whoamiPath, "/nothing", "/_matrix/nothing", authorizePath} {
			a := e.Do(http.MethodGet, path, map[string]string{"X-Request-Id": "mine"}, "")
			id := a.Header.Get("X-Request-Id")
			if id == "" || id == "mine" || seen[id] {
				t.Errorf("%s: X-Request-Id is %q", path, id)
			}
			seen[id] = true
			if logged(e, id) == "" {
				t.Errorf("%s: the log has no line with %q", path, id)
			}
		}
	})
	t.Run("L-18: the reference on a page is the id, and the log says why", func(t *testing.T) {
		e := e.For(t)
		line := logged(e, referenceOf(t, e.NewBrowser().Visit(authorizePath+"?client_id=nobody")))
		if !strings.Contains(line, "the client is not registered") {
			t.Errorf("the log says\n%s", line)
		}
	})
	t.Run("L-18: the query of a request is not logged", func(t *testing.T) {
		e := e.For(t)
		if a := e.Get(callbackPath(e) + "?code=SECRETCODE&state=SECRETSTATE"); a.Status != http.StatusForbidden {
			t.Errorf("status %d", a.Status)
		}
		if log := e.Log.String(); strings.Contains(log, "SECRETCODE") || strings.Contains(log, "SECRETSTATE") {
			t.Error("the log has a code or a state")
		}
	})
}

func TestLimits(t *testing.T) {
	e := harness.Start(t)
	t.Run("L-21: headers of 64 KiB are refused with 431", func(t *testing.T) {
		a := e.For(t).Do(http.MethodGet, "/livez", map[string]string{"X-Long": strings.Repeat("x", 64<<10)}, "")
		if a.Status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", a.Status)
		}
	})
	t.Run("L-21: headers of 16 KiB are accepted", func(t *testing.T) {
		a := e.For(t).Do(http.MethodGet, "/livez", map[string]string{"X-Long": strings.Repeat("x", 16<<10)}, "")
		if a.Status != http.StatusOK {
			t.Errorf("status %d", a.Status)
		}
	})
	for _, path := range []string{loginPath, legacyRefreshPath} {
		t.Run("L-21: a body of more than 64 KiB is refused with 413: "+path, func(t *testing.T) {
			a := sendJSON(e.For(t), path, `{"x":"`+strings.Repeat("x", 64<<10)+`"}`)
			harness.ExpectMatrixError(t, a, http.StatusRequestEntityTooLarge, "M_TOO_LARGE")
		})
	}
}

func TestAssets(t *testing.T) {
	e := harness.Start(t)
	page := string(e.Get("/nothing").Body)
	found := regexp.MustCompile(`(?:href|src)="(/_tuwunel/oidc/assets/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(found) == 0 {
		t.Fatalf("the page loads nothing:\n%s", page)
	}
	for _, match := range found {
		t.Run("L-09: what a page loads is kept for ever, as its name changes with it: "+path.Ext(match[1]), func(t *testing.T) {
			a := e.For(t).Get(match[1])
			kind := map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(match[1])]
			if a.Status != http.StatusOK || a.Header.Get("Content-Type") != kind || len(a.Body) == 0 {
				t.Errorf("status %d, Content-Type %q, %d bytes", a.Status, a.Header.Get("Content-Type"), len(a.Body))
			}
			if a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Set-Cookie") != "" {
				t.Errorf("the headers are %v", a.Header)
			}
		})
	}
	for name, path := range map[string]string{
		"the folder": "/_tuwunel/oidc/assets/", "a name without its hash": "/_tuwunel/oidc/assets/style.css",
		"a path that goes up": "/_tuwunel/oidc/assets/../../../etc/passwd", "a name with a letter more": found[0][1] + "x",
	} {
		t.Run("L-09: "+name+" is not there", func(t *testing.T) {
			if a := e.For(t).Get(path); a.Status != http.StatusNotFound || strings.Contains(a.Header.Get("Cache-Control"), "public") {
				t.Errorf("status %d, Cache-Control %q", a.Status, a.Header.Get("Cache-Control"))
			}
		})
	}
}

func TestHealth(t *testing.T) {
	e := harness.Start(t)
	for _, path := range []string{"/livez", "/readyz"} {
		t.Run("K-07: "+path+" answers while the server can work", func(t *testing.T) {
			a := e.For(t).Get(path)
			harness.ExpectJSON(t, a, http.StatusOK)
			if a.Text("status") != "ok" {
				t.Errorf("the answer is %s", a.Body)
			}
		})
	}
}

func TestHTTP2(t *testing.T) {
	e := harness.Start(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	c := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	defer c.CloseIdleConnections()
	response, err := c.Get(e.URL + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
		t.Errorf("HTTP/2 without TLS, as Synapse can ask for it, is answered with %s %s", response.Proto, response.Status)
	}
}
