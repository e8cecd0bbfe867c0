package handlers_test

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// hostile are values that no honest client sends, as they stand in a URL or a
// form.
var hostile = map[string]string{
	"NUL":              "%00",
	"no UTF-8":         "%ff%fe%c0%af",
	"a cut surrogate":  "%ed%a0%80",
	"line breaks":      "a%0d%0aSet-Cookie:%20x=y",
	"markup":           "%3Cscript%3Ealert(1)%3C/script%3E%22%27",
	"a template":       "%7B%7B.%7D%7D%24%7B7*7%7D",
	"SQL":              "%27%3B%20DROP%20TABLE%20users%3B--",
	"format verbs":     "%25s%25n%25x",
	"a path upwards":   "..%2f..%2f..%2fetc%2fpasswd",
	"encoded twice":    "%2525252e",
	"bidi and hidden":  "%e2%80%ae%e2%80%8b%ef%bb%bf",
	"a bad escape":     "%zz",
	"a semicolon":      "a;b=c",
	"only an ampesand": "&",
	"only an equals":   "=",
	"10 KB":            strings.Repeat("A", 10_000),
	"a huge number":    strings.Repeat("9", 400),
	"a negative":       "-1",
}

// bodies are what no honest client posts, by Content-Type.
func bodies() map[string][]string {
	out := map[string][]string{
		"application/json": {"", "{}", "[]", "null", "0", `"x"`, "{", "\x00", "\xff\xfe", `{"type":null}`, `{"type":{}}`, `{"type":"m.login.token","token":1}`,
			`{"type":"m.login.token","token":"\u0000"}`, `{"type":"m.login.token","token":"x","device_id":"\u0000\ud800"}`, `{"refresh_token":"\u0000"}`,
			`{"display_name":"\u0000"}`, `{"display_name":1}`, `{"redirect_uris":[null]}`, `{"client_name":"\u0000","client_uri":"https://\u0000/"}`,
			`{"a":1e999}`, strings.Repeat("[", 100_000), `{"a":` + strings.Repeat(`{"a":`, 50_000), `{"x":"` + strings.Repeat("x", 1<<20) + `"}`},
		"text/plain":          {"token=x", "{}"},
		"":                    {"token=x", "{}", ""},
		";;;":                 {"token=x"},
		"multipart/form-data": {"--x\r\n\r\n--x--"},
	}
	for _, v := range hostile {
		for _, name := range []string{"token", "grant_type", "code", "client_id", "client_secret", "refresh_token", "access_token", "oidc_req_id", "csrf_token", "decision", v} {
			out[form] = append(out[form], name+"="+v)
		}
	}
	out[form] = append(out[form], "", "&&&", "=", "%", strings.Repeat("a=b&", 20_000), "x="+strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20)+"=x")
	return out
}

// expectRefusal wants an answer that is the client's doing, in the form that
// the endpoint speaks, and that repeats no markup.
func expectRefusal(t *testing.T, what string, a harness.Answer, html bool) {
	t.Helper()
	if a.Status >= http.StatusInternalServerError {
		t.Errorf("%s: status %d: %.200s", what, a.Status, a.Body)
	}
	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	switch {
	case a.Status == http.StatusSeeOther:
	case html && kind != "text/html" && kind != "application/json" || !html && kind != "application/json":
		t.Errorf("%s: status %d, Content-Type %q: %.200s", what, a.Status, kind, a.Body)
	}
	if kind == "text/html" && strings.Contains(string(a.Body), "<script>alert") {
		t.Errorf("%s: the page repeats markup", what)
	}
	if a.Header.Get("Set-Cookie") != "" && strings.Contains(a.Header.Get("Set-Cookie"), "x=y") {
		t.Errorf("%s: a header was injected", what)
	}
}

func expectNoPanic(t *testing.T, e *harness.Env) {
	t.Helper()
	if _, after, found := strings.Cut(e.Log.String(), `"msg":"panic"`); found {
		t.Errorf("the server panicked: %.500s", after)
	}
}

func TestHostileQueriesAndPaths(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		token := e.LogIn("alice", "AAABBBCCCDDD").Access
		id, _ := e.Register(harness.WebClient)
		authorize := "/_tuwunel/oidc/authorize?" + e.NewRequest(id, harness.ScopeStable+"AAABBBCCCDDD").Values.Encode()
		callback := "/_matrix/client/unstable/login/sso/callback/" + e.IDP.ClientID
		places := []struct {
			name, path string // with %s where the value goes
			html       bool
		}{
			{"C-03: authorize, client_id", "/_tuwunel/oidc/authorize?client_id=%s", true},
			{"C-03: authorize, a further parameter", authorize + "&%s=%s", true},
			{"A-03z: authorize, request_uri", "/_tuwunel/oidc/authorize?client_id=" + id + "&request_uri=" + urnPrefix + "%s", true},
			{"C-03: authorize, login_hint", authorize + "&login_hint=%s", true},
			{"C-03: authorize, idp_id", authorize + "&idp_id=%s", true},
			{"C-03: authorize, prompt", authorize + "&prompt=%s", true},
			{"C-03: authorize, max_age", authorize + "&max_age=%s", true},
			{"C-03: authorize, ui_locales", authorize + "&ui_locales=%s", true},
			{"C-03: authorize, nonce", authorize + "&nonce=%s", true},
			{"C-06: consent, request", "/_tuwunel/oidc/_complete?oidc_req_id=%s", true},
			{"I-05: SSO redirect, redirectUrl", "/_matrix/client/v3/login/sso/redirect?redirectUrl=%s", true},
			{"I-05: SSO redirect, provider", "/_matrix/client/v3/login/sso/redirect/%s?redirectUrl=https%%3A%%2F%%2Fapp.example.com", true},
			{"I-05: SSO redirect, action", "/_matrix/client/v3/login/sso/redirect/" + e.IDP.ClientID + "?action=%s&redirectUrl=https%%3A%%2F%%2Fapp.example.com", true},
			{"L-07: callback, state", callback + "?code=x&state=%s", true},
			{"L-07: callback, error", callback + "?state=x&error=%s&error_description=%s", true},
			{"L-07: callback, provider", "/_matrix/client/unstable/login/sso/callback/%s?state=x", true},
			{"I-06: confirmation, request", "/_matrix/client/unstable/login/sso/confirm?oidc_req_id=%s", true},
			{"K-13: an unknown Matrix path", "/_matrix/client/v3/%s", false},
			{"K-13: an unknown version", "/_matrix/client/%s/login", false},
			{"K-13: an unknown page", "/%s", true},
			{"K-13: a device", "/_matrix/client/v3/devices/%s", false},
			{"K-13: a profile", "/_matrix/client/v3/profile/%s", false},
			{"K-13: a profile of this server", "/_matrix/client/v3/profile/@%s:example.org", false},
			{"K-13: a field of a profile", "/_matrix/client/v3/profile/@alice:example.org/%s", false},
			{"H-02: the account, action", "/_tuwunel/oidc/account?action=%s&device_id=%s", true},
			{"H-03: the account, provider", "/_tuwunel/oidc/account?idp_id=%s&switch=%s", true},
			{"A-23: WebFinger, resource", "/.well-known/webfinger?resource=%s", false},
			{"A-23: WebFinger, account", "/.well-known/webfinger?resource=acct:alice@%s&rel=%s", false},
			{"A-24: change-password", "/.well-known/change-password?%s=%s", false},
			{"A-22: metadata", "/.well-known/openid-configuration?%s=%s", false},
			{"F-33: the key set", "/_tuwunel/oidc/jwks?%s", false},
			{"F-20: userinfo", "/_tuwunel/oidc/userinfo?access_token=%s", false},
			{"G-30: a rendezvous of msc4108", msc4108Path + "/%s", false},
			{"G-31: a rendezvous of msc4388", msc4388Path + "/%s?%s", false},
		}
		for _, place := range places {
			t.Run(place.name+" bears what no client sends", func(t *testing.T) {
				e := e.For(t)
				for what, v := range hostile {
					path := strings.ReplaceAll(strings.ReplaceAll(place.path, "%%", "%"), "%s", v)
					if strings.HasPrefix(path, "/&") || strings.HasPrefix(path, "//") {
						continue
					}
					a, err := e.Try(http.MethodGet, path, map[string]string{"Authorization": "Bearer " + token}, "")
					if err != nil && strings.Contains(err.Error(), "invalid URL escape") {
						continue // Go's client sends no such path
					}
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					expectRefusal(t, what, a, place.html)
				}
				expectNoPanic(t, e)
			})
		}
	})
}

func TestHostileBodies(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		token := e.LogIn("alice", "AAABBBCCCDDD").Access
		rendezvous, _ := begin4388(e, "x")
		endpoints := []struct {
			name, method, path string
			html               bool
		}{
			{"G-30: a rendezvous of msc4108", http.MethodPost, msc4108Path, false},
			{"G-31: a rendezvous of msc4388", http.MethodPost, msc4388Path, false},
			{"G-31: a write to one", http.MethodPut, rendezvous, false},
			{"G-31: a write to one in a transaction", http.MethodPut, rendezvous + "/txn", false},
			{"D-03: token", http.MethodPost, tokenPath, false},
			{"E-13: revocation", http.MethodPost, revokePath, false},
			{"F-02: introspection", http.MethodPost, introspectPath, false},
			{"B-03: registration", http.MethodPost, registerPath, false},
			{"F-20: userinfo", http.MethodPost, userinfoPath, false},
			{"A-03z: pushed authorization", http.MethodPost, parPath, false},
			{"C-02: authorization", http.MethodPost, "/_tuwunel/oidc/authorize", true},
			{"C-62: consent", http.MethodPost, "/_tuwunel/oidc/_complete", true},
			{"I-06: confirmation", http.MethodPost, "/_matrix/client/unstable/login/sso/confirm", true},
			{"I-09: legacy login", http.MethodPost, "/_matrix/client/v3/login", false},
			{"I-0D: legacy refresh", http.MethodPost, "/_matrix/client/v3/refresh", false},
			{"K-10: a device's name", http.MethodPut, "/_matrix/client/v3/devices/AAABBBCCCDDD", false},
		}
		for _, endpoint := range endpoints {
			t.Run(endpoint.name+" bears what no client sends", func(t *testing.T) {
				e := e.For(t)
				for kind, list := range bodies() {
					for _, body := range list {
						header := map[string]string{"Content-Type": kind}
						switch endpoint.path {
						case introspectPath:
							header["Authorization"] = "Bearer " + harness.HomeserverSecret
						case "/_matrix/client/v3/devices/AAABBBCCCDDD":
							header["Authorization"] = "Bearer " + token
						}
						a, err := e.Try(endpoint.method, endpoint.path, header, body)
						if err != nil {
							t.Fatalf("%s %.40q: %v", kind, body, err)
						}
						expectRefusal(t, fmt.Sprintf("%s %.60q", kind, body), a, endpoint.html)
					}
				}
				expectNoPanic(t, e)
			})
		}
		for name, member := range map[string]string{"device_id": "\\u0000", "initial_device_display_name": "a\\u0000b"} {
			t.Run("I-09: a login whose "+name+" holds NUL is refused, and its token stays good", func(t *testing.T) {
				e := e.For(t)
				loginToken := e.LoginToken(e.NewBrowser(), "alice")
				kind := map[string]string{"Content-Type": "application/json"}
				body := fmt.Sprintf(`{"type":"m.login.token","token":%q,%q:"%s"}`, loginToken, name, member)
				harness.ExpectMatrixError(t, e.Do(http.MethodPost, "/_matrix/client/v3/login", kind, body), http.StatusBadRequest, "M_INVALID_PARAM")
				expectStatus(e, e.Do(http.MethodPost, "/_matrix/client/v3/login", kind, fmt.Sprintf(`{"type":"m.login.token","token":%q}`, loginToken)), http.StatusOK)
			})
		}
		t.Run("D-03: after all of it the server still does its work", func(t *testing.T) {
			e := e.For(t)
			expectAlive(t, e, token)
			expectAlive(t, e, e.LogIn("alice", "AAABBBCCCDDD").Access)
		})
	})
}

func TestHostileHeaders(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		tokens := e.LogIn("alice", "AAABBBCCCDDD")
		headers := map[string][]string{
			"Authorization": {"Bearer", "Bearer ", "Bearer  x", "Bearer x y", "Bearer \xff\xfe", "bearer\tx", "Basic", "Basic ====", "Digest x", "Bearer " + strings.Repeat("x", 20_000),
				"Basic " + base64.StdEncoding.EncodeToString([]byte("\x00\xff:\x00")), "Basic " + base64.StdEncoding.EncodeToString([]byte("%zz:%00"))},
			"Cookie":          {"keymaker_browser=\xff", "keymaker_session=" + strings.Repeat("x", 10_000), "keymaker_browser=a; keymaker_browser=b", ";;;===", "keymaker_browser="},
			"Accept-Language": {strings.Repeat("en,", 3_000), "\xff", "x-y-z;q=NaN", "*"},
			"X-Forwarded-For": {"\xff", strings.Repeat("1.1.1.1,", 2_000), "::ffff:1.2.3.4%eth0", "-"},
			"Content-Type":    {"\xff", strings.Repeat("a", 10_000), "application/x-www-form-urlencoded; charset=utf-16"},
			"Origin":          {"null", "\xff", "https://evil.example"},
		}
		paths := []struct {
			method, path, body string
			html               bool
		}{
			{http.MethodGet, whoamiPath, "", false}, {http.MethodGet, userinfoPath, "", false}, {http.MethodGet, metadataPath, "", false},
			{http.MethodPost, tokenPath, refreshForm(tokens.ClientID, "x").Encode(), false}, {http.MethodPost, revokePath, "token=x", false}, {http.MethodPost, introspectPath, "token=x", false},
			{http.MethodGet, "/_tuwunel/oidc/_complete?oidc_req_id=x", "", true}, {http.MethodPost, "/_tuwunel/oidc/_complete", "oidc_req_id=x", true},
			{http.MethodGet, "/_tuwunel/oidc/authorize?" + e.NewRequest(tokens.ClientID, harness.ScopeStable+"AAABBBCCCDDD").Values.Encode(), "", true},
		}
		for name, values := range headers {
			t.Run("D-03: the header "+name+" may hold anything", func(t *testing.T) {
				e := e.For(t)
				for _, p := range paths {
					for _, v := range values {
						header := map[string]string{"Content-Type": form}
						header[name] = v
						a, err := e.Try(p.method, p.path, header, p.body)
						if err != nil {
							t.Fatalf("%s %.40q: %v", p.path, v, err)
						}
						expectRefusal(t, fmt.Sprintf("%s %.40q", p.path, v), a, p.html)
					}
				}
				expectNoPanic(t, e)
			})
		}
	})
}
