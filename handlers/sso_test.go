package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

// legacyStart is where a legacy client sends a person to, for any provider.
func legacyStart(redirectURL string) string {
	return ssoPath + "?" + url.Values{"redirectUrl": {redirectURL}}.Encode()
}

const confirmPath = "/_matrix/client/unstable/login/sso/confirm"

func TestSSORedirect(t *testing.T) {
	e := harness.Start(t)
	good := url.Values{"redirectUrl": {harness.LegacyRedirect}}.Encode()
	for _, version := range []string{"r0", "v1", "v3", "unstable"} {
		for _, path := range []string{"", "/" + e.IDP.ClientID} {
			t.Run("I-04: "+version+path+" leads to the identity provider", func(t *testing.T) {
				e := e.For(t)
				expectLogin(t, e, e.NewBrowser().Visit("/_matrix/client/"+version+"/login/sso/redirect"+path+"?"+good))
			})
		}
	}
	t.Run("I-04: the redirect is a 303 with the headers of a page", func(t *testing.T) {
		a := e.For(t).Get(ssoPath + "?" + good)
		if a.Status != http.StatusSeeOther {
			t.Errorf("status %d", a.Status)
		}
		expectPageHeaders(t, a.Header)
	})
	const lost = "We cannot send you back to this app"
	for _, path := range []string{ssoPath, ssoPath + "?redirectUrl=", ssoPath + "?redirecturl=https://app.example.com/", ssoPath + "?" + good + "&" + good} {
		t.Run("I-04: without one redirectUrl there is a page: "+strings.TrimPrefix(path, ssoPath), func(t *testing.T) {
			expectDeadEnd(t, e.For(t).NewBrowser().Visit(path), http.StatusBadRequest, lost)
		})
	}
	for _, idp := range []string{"nobody", "%2e%2e", "a%2Fb", e.IDP.ClientID + "x"} {
		t.Run("I-04: an unknown provider "+idp+" shows a page with 404", func(t *testing.T) {
			expectDeadEnd(t, e.For(t).NewBrowser().Visit(ssoPath+"/"+idp+"?"+good), http.StatusNotFound, "This way to sign in does not exist")
		})
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodOptions} {
		t.Run("K-13: "+method+" is no way to get there", func(t *testing.T) {
			if a := e.For(t).Do(method, ssoPath+"?"+good, nil, ""); a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET" {
				t.Errorf("status %d, Allow %q", a.Status, a.Header.Get("Allow"))
			}
		})
	}
}

func TestRedirectURL(t *testing.T) {
	e := harness.Start(t)
	good := []struct{ url, says, target string }{
		{"https://app.example.com/legacy", "Continue to app.example.com?", "https://app.example.com"},
		{"https://app.example.com:8443/?x=1#/login", "Continue to app.example.com:8443?", "https://app.example.com:8443"},
		{"http://localhost:8080/?a=b", "Continue to an app on this device (localhost)?", "http://localhost:8080"},
		{"http://127.0.0.1:1234", "Continue to an app on this device (127.0.0.1)?", "http://127.0.0.1:1234"},
		{"http://[::1]:1234/", "Continue to an app on this device ([::1])?", "http:"},
		{"http://riot.lan/", "Continue to riot.lan?", "http://riot.lan"},
		{"element://connect", "Continue to an app on this device (element:)?", "element:"},
		{"element://vector/webapp/?element-desktop-ssoid=abc", "Continue to an app on this device (element:)?", "element:"},
		{"im.fluffychat://login", "Continue to an app on this device (im.fluffychat:)?", "im.fluffychat:"},
		{"com.example.app:/legacy", "Continue to an app on this device (com.example.app:)?", "com.example.app:"},
		{"HTTPS://app.example.com/", "Continue to app.example.com?", "https://app.example.com"},
		{"https://xn--exmple-cua.com/", "Continue to xn--exmple-cua.com?", "https://xn--exmple-cua.com"},
		{"https://app.example.com/?redirect=https://evil.net/%0a", "Continue to app.example.com?", "https://app.example.com"},
	}
	for _, tt := range good {
		t.Run("I-06: before a loginToken goes to "+tt.url+" the person is asked", func(t *testing.T) {
			e := e.For(t)
			b := e.NewBrowser()
			p := b.SignIn(b.Visit(legacyStart(tt.url)), "alice")
			expectPage(t, p, http.StatusOK, tt.says)
			if !strings.Contains(p.Text(), "Signed in as @alice:example.org Not you?") {
				t.Errorf("I-06: the page does not name the account:\n%s", p.Text())
			}
			if policy := p.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' "+tt.target) {
				t.Errorf("L-09: Content-Security-Policy is %q, want it to end in %s", policy, tt.target)
			}
			end := b.Decide(p, "approve")
			if to := end.Header.Get("Location"); end.StatusCode != http.StatusSeeOther || !strings.Contains(to, "loginToken=") {
				t.Errorf("status %d to %q", end.StatusCode, to)
			}
		})
	}
	bad := []string{
		"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
		"blob:https://app.example.com/x", "about:blank", "filesystem:https://app.example.com/", "view-source:https://app.example.com/",
		"//evil.net/", "/\\evil.net", "\\\\evil.net", "https:evil.net", "https:/evil.net", "https:///evil.net", "https:\\\\evil.net", "https://", "http:", "/relative", "relative", "?x", "#",
		"https://user@evil.net/", "https://app.example.com:pass@evil.net/", "https://app.example.com\\@evil.net/", "https://app.example.com/\r\nSet-Cookie: a=b",
		"https://app.example.com/\x00", "https://app.example.com/ x", "https://app example.com/", "https://app.example.com;script-src/", "https://a,b/",
		"https://app.example.com:99999/", "https://%65vil.net/", "https://xn--a/", "https://./", "https://exämple.com/", "https://\u202eexample.com/",
		"https://app.example.com/\u202ex", "://x", "1http://x", "https://app.example.com/" + strings.Repeat("x", 5000),
	}
	for _, target := range bad {
		t.Run(fmt.Sprintf("I-06 L-02 L-24: nobody is sent to %.60q", target), func(t *testing.T) {
			p := e.For(t).NewBrowser().Visit(legacyStart(target))
			if p.StatusCode != http.StatusBadRequest {
				t.Fatalf("status %d at %s", p.StatusCode, p.Request.URL.Path)
			}
			expectDeadEnd(t, p, http.StatusBadRequest, "")
		})
	}
}

func TestLoginTokenInTheRedirect(t *testing.T) {
	e := harness.Start(t)
	tests := []struct{ name, redirect, want string }{ // TOKEN stands for the token
		{"it is added", "https://app.example.com/legacy", "https://app.example.com/legacy?loginToken=TOKEN"},
		{"other parameters stay, byte for byte", "https://app.example.com/?b=%7e+x&a=%2F&a", "https://app.example.com/?b=%7e+x&a=%2F&a&loginToken=TOKEN"},
		{"a fragment stays behind it", "https://app.example.com/?a=b#/login?x=y", "https://app.example.com/?a=b&loginToken=TOKEN#/login?x=y"},
		{"a loginToken that was there goes", "https://app.example.com/?loginToken=evil", "https://app.example.com/?loginToken=TOKEN"},
		{"every one goes, in whatever spelling", "https://app.example.com/?loginToken=a&x=1&login%54oken=b&loginToken", "https://app.example.com/?x=1&loginToken=TOKEN"},
		{"one in the fragment is not a parameter", "https://app.example.com/#loginToken=a", "https://app.example.com/?loginToken=TOKEN#loginToken=a"},
		{"an empty query", "https://app.example.com/?", "https://app.example.com/?loginToken=TOKEN"},
		{"a parameter of another name stays", "https://app.example.com/?xloginToken=a&logintoken=b", "https://app.example.com/?xloginToken=a&logintoken=b&loginToken=TOKEN"},
		{"an address without path", "element://connect", "element://connect?loginToken=TOKEN"},
	}
	for _, tt := range tests {
		t.Run("I-07: "+tt.name+": "+tt.redirect, func(t *testing.T) {
			b := e.For(t).NewBrowser()
			end := b.Decide(b.SignIn(b.Visit(legacyStart(tt.redirect)), "alice"), "approve")
			to := end.Header.Get("Location")
			before, after, _ := strings.Cut(tt.want, "TOKEN")
			token := strings.TrimSuffix(strings.TrimPrefix(to, before), after)
			if !strings.HasPrefix(to, before) || !strings.HasSuffix(to, after) || len(token) < 22 || strings.ContainsAny(token, "&?#=%") {
				t.Errorf("on to %q, want %q", to, tt.want)
			}
			expectPageHeaders(t, end.Header)
		})
	}
}

func TestConfirmation(t *testing.T) {
	e := harness.Start(t)
	fresh := func(e *harness.Env) (*harness.Browser, harness.Page) {
		b := e.NewBrowser()
		return b, b.SignIn(b.Visit(legacyStart(harness.LegacyRedirect)), "alice")
	}
	t.Run("I-06: being signed in already is no confirmation", func(t *testing.T) {
		b, p := fresh(e.For(t))
		b.Decide(p, "approve")
		expectPage(t, b.Visit(legacyStart(harness.LegacyRedirect)), http.StatusOK, "Continue to app.example.com?")
	})
	t.Run("I-06: who cancels stays, and nothing leaves", func(t *testing.T) {
		b, p := fresh(e.For(t))
		end := b.Decide(p, "cancel")
		expectDeadEnd(t, end, http.StatusOK, "Cancelled")
		expectDeadEnd(t, b.Decide(p, "approve"), http.StatusConflict, "This sign-in is already finished")
	})
	t.Run("I-06 C-69: it is answered once", func(t *testing.T) {
		b, p := fresh(e.For(t))
		b.Decide(p, "approve")
		for _, again := range []harness.Page{b.Decide(p, "approve"), b.Decide(p, "cancel"), b.Visit(p.Request.URL.RequestURI())} {
			expectDeadEnd(t, again, http.StatusConflict, "This sign-in is already finished")
		}
	})
	t.Run("L-06: its form needs its token", func(t *testing.T) {
		b, p := fresh(e.For(t))
		action, values := b.Fields(p)
		values.Set("decision", "approve")
		values.Set("csrf_token", strings.Repeat("0", 64))
		expectPage(t, b.Post(p, action, values), http.StatusForbidden, "This page is too old")
	})
	t.Run("L-06: its form comes from our page", func(t *testing.T) {
		e := e.For(t)
		b, p := fresh(e)
		_, values := b.Fields(p)
		values.Set("decision", "approve")
		a := e.Do(http.MethodPost, confirmPath, map[string]string{"Content-Type": form, "Cookie": b.Cookie(), "Sec-Fetch-Site": "cross-site"}, values.Encode())
		if a.Status != http.StatusForbidden {
			t.Errorf("status %d", a.Status)
		}
	})
	t.Run("L-07: it is of one browser", func(t *testing.T) {
		e := e.For(t)
		_, p := fresh(e)
		expectDeadEnd(t, e.NewBrowser().Visit(p.Request.URL.RequestURI()), http.StatusForbidden, "This sign-in belongs to another browser")
	})
	t.Run("L-07: before the sign-in there is nothing to confirm", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		at := b.Visit(legacyStart(harness.LegacyRedirect))
		if !strings.HasPrefix(at.Request.URL.String(), e.IDP.Issuer) {
			t.Fatalf("the sign-in ends at %s", at.Request.URL)
		}
		id := at.Request.Response.Request.Response.Request.URL.Query().Get("oidc_req_id")
		for _, path := range []string{confirmPath, completePath} {
			p := b.Visit(path + "?" + url.Values{"oidc_req_id": {id}}.Encode())
			expectDeadEnd(t, p, http.StatusBadRequest, "This sign-in has expired")
		}
	})
	t.Run("C-62: a legacy login and an authorization are not confused", func(t *testing.T) {
		b, p := fresh(e.For(t))
		expectDeadEnd(t, b.Visit(completePath+"?"+p.Request.URL.RawQuery), http.StatusBadRequest, "This sign-in has expired")
		action, values := completePath, must(url.ParseQuery(p.Request.URL.RawQuery))
		values.Set("decision", "approve")
		values.Set("csrf_token", p.Input("csrf_token"))
		if end := b.Post(p, action, values); end.StatusCode != http.StatusBadRequest || end.Header.Get("Location") != "" {
			t.Errorf("status %d to %q", end.StatusCode, end.Header.Get("Location"))
		}
	})
	t.Run("C-67: a locked user gets no loginToken", func(t *testing.T) {
		e := e.For(t)
		b, p := fresh(e)
		setUser(e, "alice", "locked_at", true)
		defer setUser(e, "alice", "locked_at", false)
		expectDeadEnd(t, b.Decide(p, "approve"), http.StatusForbidden, "Your account is locked")
		_, p = fresh(e)
		expectDeadEnd(t, p, http.StatusForbidden, "Your account is locked")
	})
}

func TestLegacyActions(t *testing.T) {
	var prompts []string
	e := harness.Start(t, func(o *harness.Options) {
		o.Provider = "forward_action_prompt = true"
		o.IDP = func(p *demoidptest.Options) {
			p.Wrap = func(provider http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if q := r.URL.Query(); q.Has("code_challenge") {
						prompts = append(prompts, q.Get("prompt"))
						q.Del("prompt") // this provider knows no create
						r.URL.RawQuery = q.Encode()
					}
					provider.ServeHTTP(w, r)
				})
			}
		}
	})
	tests := []struct{ query, prompt string }{
		{"", ""}, {"&action=login", ""}, {"&action=register", "create"}, {"&org.matrix.msc3824.action=register", "create"},
		{"&action=register&org.matrix.msc3824.action=register", "create"}, {"&action=frobnicate", ""}, {"&action=", ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("I-05: %q asks the provider for %q", tt.query, tt.prompt), func(t *testing.T) {
			e := e.For(t)
			prompts = nil
			expectLogin(t, e, e.NewBrowser().Visit(legacyStart(harness.LegacyRedirect)+tt.query))
			if !slices.Equal(prompts, []string{tt.prompt}) {
				t.Errorf("asked for %q", prompts)
			}
		})
	}
}

func TestLegacyChoice(t *testing.T) {
	other := func(line string) func(*harness.Options) {
		return func(o *harness.Options) {
			o.Extra = "[[global.identity_provider]]\nbrand = \"Other\"\nclient_id = \"other\"\nissuer_url = \"https://other.invalid\"\n"
			o.Provider = line
		}
	}
	t.Run("I-04: with several providers and no default the person chooses", func(t *testing.T) {
		e := harness.Start(t, other(""))
		b := e.NewBrowser()
		p := b.Visit(legacyStart(harness.LegacyRedirect))
		expectPage(t, p, http.StatusOK, "Continue with Demo")
		if len(p.Links()) != 2 {
			t.Fatalf("the choice is %q", p.Links())
		}
		expectPage(t, b.SignIn(b.Follow(p, 0), "alice"), http.StatusOK, "Continue to app.example.com?")
	})
	t.Run("I-04: with a default provider the bare redirect goes there", func(t *testing.T) {
		e := harness.Start(t, other("default = true"))
		expectLogin(t, e, e.NewBrowser().Visit(legacyStart(harness.LegacyRedirect)))
	})
}
