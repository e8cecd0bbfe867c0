package handlers_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

func TestHostileRoutes(t *testing.T) { attackAll(t, routeThemes()) }

func routeThemes() []theme {
	all := []theme{methodTheme(), pathTheme(), matrixPathTheme(), crossOriginTheme()}
	return append(all, hostThemes()...)
}

func methodTheme() theme {
	th := theme{
		good: func(e *harness.Env) *wire {
			tokens := e.LogIn("alice", "BYMETHOD")
			return posting(e, tokenPath, refreshForm(tokens.ClientID, tokens.Refresh))
		},
		succeeds: tokensCome,
		refused: func(t *testing.T, _ *wire, a harness.Answer) {
			t.Helper()
			if a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") == "" || a.Text("access_token") != "" {
				t.Errorf("status %d, Allow %q: %.300s", a.Status, a.Header.Get("Allow"), a.Body)
			}
		},
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodTrace, "post", "Post", "PROPFIND", "POSTX"} {
		th.attacks = append(th.attacks, attack{name: "D-01: a refresh by the method " + method, change: func(w *wire) { w.method = method }})
	}
	for _, name := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
		th.attacks = append(th.attacks, attack{name: "D-01: a refresh by GET that is POST by its " + name, change: func(w *wire) {
			w.method = http.MethodGet
			w.header.Set(name, http.MethodPost)
		}})
	}
	return th
}

// notThere wants that a path leads to no endpoint.
func notThere(t *testing.T, _ *wire, a harness.Answer) {
	t.Helper()
	if a.Status != http.StatusNotFound && a.Status != http.StatusBadRequest && a.Status != http.StatusUnauthorized || a.JSON()["issuer"] != nil || a.JSON()["user_id"] != nil {
		t.Errorf("status %d: %.300s", a.Status, a.Body)
	}
}

func pathTheme() theme {
	th := theme{good: func(e *harness.Env) *wire { return fetched(e, discoveryPath) }, succeeds: ok, refused: notThere}
	for _, path := range []string{
		"//.well-known/openid-configuration", "/.well-known//openid-configuration", "/./.well-known/openid-configuration", "/x/../.well-known/openid-configuration",
		"/x/%2e%2e/.well-known/openid-configuration", "/%2ewell-known/openid-configuration%00", "/.well-known%2fopenid-configuration", "/.well-known%5copenid-configuration",
		"/.well-known/openid-configuration/", "/.well-known/openid-configuration;x=y", "/.well-known/openid-configuration%20", "/.well-known/openid-configuration%3f",
		"/.WELL-KNOWN/openid-configuration", "/.well-known/openid-configuration.json", "/%252ewell-known/openid-configuration", "/.well-known/openid-configuratio%c0%ae",
	} {
		th.attacks = append(th.attacks, attack{name: "A-01: the path " + path + " is another one", change: func(w *wire) { w.path = path }})
	}
	return th
}

func matrixPathTheme() theme {
	th := theme{
		good: func(e *harness.Env) *wire {
			return presented(fetched(e, whoamiPath), e.LogIn("alice", "BYPATH").Access, asBearer)
		},
		succeeds: ok,
		refused: func(t *testing.T, w *wire, a harness.Answer) {
			t.Helper()
			notThere(t, w, a)
			if a.Text("errcode") == "" {
				t.Errorf("no Matrix error: %.300s", a.Body)
			}
		},
	}
	for _, path := range []string{
		"/_matrix/client//v3/account/whoami", "/_matrix/client/v3/../v3/account/whoami", "/_matrix/client/v3/x/%2e%2e/account/whoami", "/_matrix/client/v3/account%2fwhoami",
		"/_matrix/client/v3/account/whoami/", "/_matrix/client/V3/account/whoami", "/_matrix/client/v3/account/WHOAMI", "/_matrix/client/v3/account/whoami;x",
		"/_matrix/client/v/account/whoami", "/_matrix/client/v3.1/account/whoami", "/_matrix/client/%763x/account/whoami", "/_matrix/client/v3/account/whoami%00",
	} {
		th.attacks = append(th.attacks, attack{name: "K-13: the path " + path + " is another one", change: func(w *wire) { w.path = path }})
	}
	return th
}

// crossOriginTheme is about what a page of another origin may read.
func crossOriginTheme() theme {
	th := theme{
		good: func(e *harness.Env) *wire {
			b := e.NewBrowser()
			b.SignIn(b.Visit(accountPath), "alice")
			return fetched(e, discoveryPath, "Origin", "https://evil.net", "Cookie", b.Cookie())
		},
		succeeds: func(t *testing.T, w *wire, a harness.Answer) {
			t.Helper()
			ok(t, w, a)
			if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("the headers are %v", a.Header)
			}
		},
		refused: func(t *testing.T, _ *wire, a harness.Answer) {
			t.Helper()
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("there is a header %s", name)
				}
			}
			if a.Header.Get("Content-Security-Policy") == "" {
				t.Errorf("status %d, which is no page of ours", a.Status)
			}
		},
	}
	for _, path := range []string{accountPath, authorizePath, completePath, devicePagePath, ssoPath, confirmPath} {
		th.attacks = append(th.attacks, attack{name: "A-37 A-40: another origin cannot read " + path + " with a person's cookies", change: func(w *wire) { w.path = path }})
	}
	return th
}

// hostThemes are about who says what we are called. The attack must change
// nothing: the answer is that to the request without it.
func hostThemes() []theme {
	headers := map[string]string{
		"Host": "evil.net", "X-Forwarded-Host": "evil.net", "X-Host": "evil.net", "X-Forwarded-Server": "evil.net", "X-Forwarded-Proto": "evil",
		"Forwarded": "for=evil.net;host=evil.net;proto=evil", "X-Original-URL": "/evil", "X-Rewrite-URL": "/evil", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Port": "666",
	}
	requests := []struct {
		name string
		good func(e *harness.Env) *wire
		ok   func(t *testing.T, w *wire, a harness.Answer)
	}{
		{"A-22: the metadata", func(e *harness.Env) *wire { return fetched(e, discoveryPath) }, ok},
		{"C-06: an authorization", func(e *harness.Env) *wire {
			id, _ := e.Register(harness.WebClient)
			return authorizing(e, e.NewRequest(id, harness.ScopeStable+"HOSTED"))
		}, onTheWay},
		{"G-01: a device authorization", func(e *harness.Env) *wire {
			id, _ := e.Register(deviceOnly)
			return posting(e, deviceAuthorizationPath, url.Values{"client_id": {id}, "scope": {harness.ScopeStable + "HOSTED"}})
		}, ok},
		{"I-04: the legacy redirect", func(e *harness.Env) *wire { return fetched(e, legacyStart(harness.LegacyRedirect)) }, onTheWay},
	}
	var all []theme
	for _, r := range requests {
		th := theme{good: r.good, succeeds: r.ok, refused: func(t *testing.T, w *wire, a harness.Answer) {
			t.Helper()
			r.ok(t, w, a)
			for name, values := range a.Header {
				if text := strings.Join(values, " "); strings.Contains(text, "evil") || strings.Contains(text, ":666") {
					t.Errorf("%s is %q", name, values)
				}
			}
			if text := string(a.Body); strings.Contains(text, "evil") || strings.Contains(text, ":666") {
				t.Errorf("the body is %s", text)
			}
		}}
		for name, value := range headers {
			th.attacks = append(th.attacks, attack{name: "L-15 " + r.name + " does not believe " + name, change: header(name, value)})
		}
		all = append(all, th)
	}
	return all
}

// TestHostileFraming sends what a proxy in front may read as another number of
// requests than we do: whoever hides a request from the proxy gets past what it
// forbids. Each attack comes beside the request that it was made of.
func TestHostileFraming(t *testing.T) {
	e := harness.Start(t, unlimited)
	const request = "POST " + tokenPath + " HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	const hidden = "GET /livez HTTP/1.1\r\nHost: HOST\r\n\r\n"
	const chunked = "Transfer-Encoding: chunked\r\n"
	for _, tt := range framing(request, hidden, chunked) {
		t.Run("D-03: "+tt.name, func(t *testing.T) {
			e := e.For(t)
			if n, statuses := talk(e, tt.text); n > 1 || n == 1 && statuses[0] == http.StatusOK {
				t.Errorf("%d answers: %v", n, statuses)
			}
			twin := request + "Content-Length: 3\r\n\r\na=b" + hidden
			if n, statuses := talk(e, twin); n != 2 || statuses[0] != http.StatusBadRequest || statuses[1] != http.StatusOK {
				t.Errorf("without the attack: %d answers: %v", n, statuses)
			}
		})
	}
}

// framing are requests with another one behind them that must not be seen.
func framing(request, hidden, chunked string) []struct{ name, text string } {
	length := func(n string) string { return "Content-Length: " + n + "\r\n" }
	return []struct{ name, text string }{
		{"a length and chunks", request + length("6") + chunked + "\r\n0\r\n\r\n" + hidden},
		{"chunks and a length", request + chunked + length("6") + "\r\n0\r\n\r\n" + hidden},
		{"two lengths", request + length("3") + length("0") + "\r\na=b" + hidden},
		{"a list of lengths", request + length("3, 0") + "\r\na=b" + hidden},
		{"a length with a sign", request + length("+3") + "\r\na=b" + hidden},
		{"a negative length", request + length("-1") + "\r\na=b" + hidden},
		{"a length in hexadecimal", request + length("0x3") + "\r\na=b" + hidden},
		{"a length beyond all numbers", request + length("99999999999999999999") + "\r\na=b" + hidden},
		{"chunks of an unknown kind", request + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden},
		{"chunks that are compressed", request + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden},
		{"chunks twice", request + chunked + chunked + "\r\n0\r\n\r\n" + hidden},
		{"chunks and identity", request + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden},
		{"a space before a colon", request + "Content-Length : 3\r\n\r\na=b" + hidden},
		{"a header over two lines", request + "X-Long: a\r\n b\r\nContent-Length: x\r\n\r\n" + hidden},
		{"a chunk with a sign", request + chunked + "\r\n+3\r\na=b\r\n0\r\n\r\n" + hidden},
		{"a chunk of a size that is none", request + chunked + "\r\nzz\r\na=b\r\n0\r\n\r\n" + hidden},
		{"no Host", strings.Replace(request, "Host: HOST\r\n", "", 1) + length("3") + "\r\na=b" + hidden},
		{"two Hosts", request + "Host: evil.net\r\n" + length("3") + "\r\na=b" + hidden},
		{"NUL in a header", request + "X-Nul: a\x00b\r\n" + length("3") + "\r\na=b" + hidden},
		{"a carriage return in a header", request + "X-Return: a\rb\r\n" + length("3") + "\r\na=b" + hidden},
		{"a request line with three spaces", "GET /livez /x HTTP/1.1\r\nHost: HOST\r\n\r\n" + hidden},
		{"HTTP/0.9", "GET /livez\r\n\r\n" + hidden},
		{"another version", "GET /livez HTTP/3.0\r\nHost: HOST\r\n\r\n" + hidden},
	}
}

// talk sends bytes, and returns how many answers came, and their statuses.
func talk(e *harness.Env, text string) (n int, statuses []int) {
	e.T.Helper()
	address := strings.TrimPrefix(e.URL, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		e.T.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		e.T.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, strings.ReplaceAll(text, "HOST", address)); err != nil {
		e.T.Fatal(err)
	}
	for r := bufio.NewReader(conn); ; {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return len(statuses), statuses // closed, or silent for a second
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		statuses = append(statuses, response.StatusCode)
	}
}
