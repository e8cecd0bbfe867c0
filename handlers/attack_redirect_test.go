package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
	"keymaker/provider/registration"
)

func TestHostileRedirects(t *testing.T) { attackAll(t, redirectThemes()) }

// authorizing is a GET of the authorization endpoint.
func authorizing(e *harness.Env, r harness.Request) *wire {
	w := fetched(e, authorizePath)
	w.query = r.Values
	return w
}

func redirectThemes() []theme {
	return []theme{unregisteredRedirects(), unregisteredLoopbacks(), redirectsThatNobodyMayRegister(), legacyRedirects()}
}

// unregisteredRedirects look like the one that is registered, to somebody.
func unregisteredRedirects() theme {
	tricks := map[string]string{
		"a user":                           "https://evil@app.example.com/callback",
		"the host as a user":               "https://app.example.com@evil.net/callback",
		"the host as user and password":    "https://app.example.com:443@evil.net/callback",
		"a backslash before an at":         `https://app.example.com\@evil.net/callback`,
		"a backslash for a slash":          `https:\\app.example.com\callback`,
		"a slash less":                     "https:/app.example.com/callback",
		"a slash more":                     "https:///app.example.com/callback",
		"no slashes":                       "https:app.example.com/callback",
		"no scheme":                        "//app.example.com/callback",
		"only a path":                      "/callback",
		"another scheme":                   "http://app.example.com/callback",
		"the scheme in another case":       "HTTPS://app.example.com/callback",
		"the host in another case":         "https://APP.example.com/callback",
		"the path in another case":         "https://app.example.com/Callback",
		"the default port":                 "https://app.example.com:443/callback",
		"another port":                     "https://app.example.com:8443/callback",
		"an empty port":                    "https://app.example.com:/callback",
		"a trailing dot of the host":       "https://app.example.com./callback",
		"a domain around the host":         "https://app.example.com.evil.net/callback",
		"a host before the host":           "https://evil.net/https://app.example.com/callback",
		"the URI in a query":               "https://evil.net/?https://app.example.com/callback",
		"a semicolon in the host":          "https://app.example.com;evil.net/callback",
		"an encoded slash after the host":  "https://app.example.com%2f.evil.net/callback",
		"an encoded dot in the host":       "https://app%2eexample.com/callback",
		"a letter of Cyrillic":             "https://\u0430pp.example.com/callback",
		"its punycode":                     "https://xn--pp-6kc.example.com/callback",
		"a full stop that is full width":   "https://app\uff0eexample.com/callback",
		"an encoded letter of the path":    "https://app.example.com/%63allback",
		"a path that goes up":              "https://app.example.com/callback/../evil",
		"a path that goes up and back":     "https://app.example.com/x/../callback",
		"a path that goes up, encoded":     "https://app.example.com/callback/%2e%2e/evil",
		"a path that goes up, twice so":    "https://app.example.com/callback/%252e%252e/evil",
		"a path that stays":                "https://app.example.com/./callback",
		"a double slash":                   "https://app.example.com//callback",
		"a final slash":                    "https://app.example.com/callback/",
		"an encoded slash at the end":      "https://app.example.com/callback%2f",
		"a parameter of the path":          "https://app.example.com/callback;x=y",
		"a query":                          "https://app.example.com/callback?x=1",
		"an empty query":                   "https://app.example.com/callback?",
		"a fragment (C-16)":                "https://app.example.com/callback#x",
		"an empty fragment (C-16)":         "https://app.example.com/callback#",
		"a space in front":                 " https://app.example.com/callback",
		"a space behind":                   "https://app.example.com/callback ",
		"a tab inside":                     "https://app.example.com/call\tback",
		"a line break inside":              "https://app.example.com/callback\r\nSet-Cookie: x=y",
		"a zero width space":               "https://app.example.com/call\u200bback",
		"a loopback address":               "http://127.0.0.1:8080/callback",
		"javascript: (L-24)":               "javascript:alert(1)",
		"javascript: with the host (L-24)": "javascript://app.example.com/callback%0aalert(1)",
		"data: (L-24)":                     "data:text/html,<script>alert(1)</script>",
		"nothing":                          "",
	}
	th := theme{
		good: func(e *harness.Env) *wire {
			id, _ := e.Register(harness.WebClient)
			return authorizing(e, e.NewRequest(id, harness.ScopeStable+"REDIRECTED"))
		},
		succeeds: onTheWay,
		refused: func(t *testing.T, w *wire, a harness.Answer) {
			t.Helper()
			stranded(t, w, a)
			if leadsAway(a) || !strings.Contains(string(a.Body), "We cannot send you back to this app") {
				t.Errorf("C-29: the page is\n%s", a.Body)
			}
			if uri := w.query.Get("redirect_uri"); uri != "" && uri != "/callback" && uri != harness.WebRedirect && strings.Contains(string(a.Body), uri) {
				t.Errorf("C-29: the page shows %q", uri)
			}
		},
	}
	for name, uri := range tricks {
		th.attacks = append(th.attacks, attack{name: "C-12 L-01: a redirect URI with " + name + " is none that is registered", change: query("redirect_uri", uri)})
	}
	return withMore(th,
		attack{name: "C-03 C-29: of two redirect URIs neither counts", change: query("redirect_uri", harness.WebRedirect, "https://evil.net/")},
		attack{name: "C-15 C-29: without a redirect URI nothing stands in for it", change: func(w *wire) { w.query.Del("redirect_uri") }},
	)
}

func withMore(th theme, more ...attack) theme {
	th.attacks = append(th.attacks, more...)
	return th
}

// unregisteredLoopbacks are what a native client did not register beside
// http://127.0.0.1/callback.
func unregisteredLoopbacks() theme {
	th := theme{
		good: func(e *harness.Env) *wire {
			id, _ := e.Register(strings.NewReplacer(`"application_type":"web"`, `"application_type":"native"`, harness.WebRedirect, "http://127.0.0.1/callback").Replace(harness.WebClient))
			r := e.NewRequest(id, harness.ScopeStable+"LOOPBACK")
			r.Values.Set("redirect_uri", "http://127.0.0.1:4711/callback")
			return authorizing(e, r)
		},
		succeeds: onTheWay, refused: stranded,
	}
	for _, uri := range []string{
		"http://localhost:4711/callback", "http://[::1]:4711/callback", "http://127.0.0.2:4711/callback", "http://127.1:4711/callback", "http://2130706433:4711/callback",
		"http://0.0.0.0:4711/callback", "http://[::ffff:127.0.0.1]:4711/callback", "https://127.0.0.1:4711/callback", "http://127.0.0.1:4711@evil.net/callback",
		"http://127.0.0.1.evil.net:4711/callback", "http://127.0.0.1:99999/callback", "http://127.0.0.1:4711/", "http://127.0.0.1:4711/callback?x",
	} {
		th.attacks = append(th.attacks, attack{name: fmt.Sprintf("C-13: a native client with http://127.0.0.1/callback is not sent to %q", uri), change: query("redirect_uri", uri)})
	}
	return th
}

// redirectsThatNobodyMayRegister, whatever a client calls itself.
func redirectsThatNobodyMayRegister() theme {
	tricks := map[string]string{
		"a user": "https://app.example.com@example.com/cb", "a backslash before an at": `https://example.com\@evil.net/`, "a look-alike host": "https://ex\u0430mple.com/",
		"the punycode of a look-alike": "https://xn--exmple-4nf.com/", "a domain around the host": "https://example.com.evil.net/", "a suffix without a dot": "https://notexample.com/",
		"a trailing dot of the host": "https://example.com./cb", "a path that goes up": "https://example.com/../cb", "a path that goes up, encoded": "https://example.com/%2e%2E/cb",
		"an encoded backslash": "https://example.com/%5c..%5ccb", "an encoded line break": "https://example.com/%0d%0acb", "a tab": "https://example.com/\tcb", "a line break": "https://example.com/\ncb",
		"a fragment": "https://example.com/cb#x", "no scheme": "//example.com/cb", "the scheme in another case": "HTTPS://example.com/cb", "no TLS": "http://example.com/cb",
		"javascript:": "javascript://example.com/%0aalert(1)", "data:": "data:text/html,x", "an encoded dot in the host": "https://app%2eexample.com/cb", "a space": "https://example.com/c b",
		"a port that is none": "https://example.com:99999/cb", "an address in numbers": "https://3221225985/cb", "a wildcard": "https://*.example.com/cb",
	}
	th := theme{
		good: func(e *harness.Env) *wire {
			return postingJSON(e, registerPath, map[string]any{"client_name": "My App", "client_uri": "https://example.com/", "redirect_uris": []string{harness.WebRedirect},
				"token_endpoint_auth_method": "none", "application_type": "web"})
		},
		succeeds: created,
		refused: func(t *testing.T, _ *wire, a harness.Answer) {
			t.Helper()
			harness.ExpectOAuthError(t, a, http.StatusBadRequest, registration.InvalidRedirectURI)
		},
	}
	for name, uri := range tricks {
		th.attacks = append(th.attacks, attack{name: "B-30 B-35: nobody registers a redirect URI with " + name, change: func(w *wire) { w.json["redirect_uris"] = []string{harness.WebRedirect, uri} }})
	}
	return th
}

// leadsAway tells whether a page has a link to more than the account.
func leadsAway(a harness.Answer) bool {
	return strings.Contains(strings.Replace(string(a.Body), `<a class="button" href="`+accountPath+`">`, "", 1), "<a ")
}

// legacyRedirects are where no loginToken may go.
func legacyRedirects() theme {
	th := theme{
		good: func(e *harness.Env) *wire {
			w := fetched(e, ssoPath)
			w.query = url.Values{"redirectUrl": {harness.LegacyRedirect}}
			return w
		},
		succeeds: onTheWay,
		refused: func(t *testing.T, w *wire, a harness.Answer) {
			t.Helper()
			stranded(t, w, a)
			if a.Status != http.StatusBadRequest || leadsAway(a) {
				t.Errorf("status %d:\n%s", a.Status, a.Body)
			}
		},
	}
	for _, target := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
		"blob:https://app.example.com/x", "about:blank", "filesystem:https://app.example.com/", "view-source:https://app.example.com/",
		"//evil.net/", "/\\evil.net", "\\\\evil.net", "https:evil.net", "https:/evil.net", "https:///evil.net", "https:\\\\evil.net", "https://", "http:", "/relative", "relative", "?x", "#",
		"https://user@evil.net/", "https://app.example.com:pass@evil.net/", "https://app.example.com\\@evil.net/", "https://app.example.com/\r\nSet-Cookie: a=b",
		"https://app.example.com/\x00", "https://app.example.com/ x", "https://app example.com/", "https://app.example.com;script-src/", "https://a,b/",
		"https://app.example.com:99999/", "https://%65vil.net/", "https://xn--a/", "https://./", "https://exämple.com/", "https://\u202eexample.com/",
		"https://app.example.com/\u202ex", "://x", "1http://x", "https://app.example.com/" + strings.Repeat("x", 5000),
	} {
		th.attacks = append(th.attacks, attack{name: fmt.Sprintf("I-06 L-02 L-24: no login token goes to %.60q", target), change: query("redirectUrl", target)})
	}
	return th
}
