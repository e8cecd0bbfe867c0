// Package demoidptest runs the demonstration identity provider in tests, and
// walks its login form as a browser would.
package demoidptest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"keymaker/internal/demoidp"
)

// Options are those of the provider, with a default for each: users alice and
// bob, client "keymaker" with a secret. The issuer is chosen by Start.
type Options struct {
	demoidp.Options
	// Wrap stands between the network and the provider: it may watch requests,
	// spoil answers or delay them.
	Wrap func(http.Handler) http.Handler
}

// Server is a provider that listens on a port of the loopback interface.
type Server struct {
	*demoidp.Provider
	Issuer       string // http://127.0.0.1:PORT
	ClientID     string
	ClientSecret string
}

// Alice and Bob are the users of a server that was not given others.
var (
	Alice = demoidp.User{Subject: "subject-alice", Username: "alice", Name: "Alice Liddell", Email: "alice@example.org", EmailVerified: new(true)}
	Bob   = demoidp.User{Subject: "subject-bob", Username: "bob", Name: "Bob Dobbs", Email: "bob@example.org", EmailVerified: new(false)}
)

// Start runs a provider until the test ends.
func Start(t testing.TB, configure ...func(*Options)) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for the identity provider: %v", err)
	}
	o := Options{Options: demoidp.Options{
		ClientID:     "keymaker",
		ClientSecret: "a secret: with reserved/characters+",
		Users:        []demoidp.User{Alice, Bob},
	}}
	for _, c := range configure {
		c(&o)
	}
	if o.Issuer == "" {
		o.Issuer = "http://" + listener.Addr().String()
	}
	provider, err := demoidp.New(o.Options)
	if err != nil {
		t.Fatalf("start the identity provider: %v", err)
	}
	var handler http.Handler = provider
	if o.Wrap != nil {
		handler = o.Wrap(provider)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return &Server{Provider: provider, Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret}
}

// Browser returns a client that keeps cookies and follows redirects, except
// into one of the given prefixes: a redirect there is returned as it is, so
// that a test can stand for the client application that it leads to.
func Browser(t testing.TB, stopAt ...string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		for _, prefix := range stopAt {
			if strings.HasPrefix(r.URL.String(), prefix) {
				return http.ErrUseLastResponse
			}
		}
		if len(via) > 20 {
			return fmt.Errorf("more than 20 redirects, the last to %s", r.URL.Redacted())
		}
		return nil
	}}
}

// Login fills in the login form that page holds with a username, and returns
// what the browser ends at. It closes the body of page.
func Login(t testing.TB, browser *http.Client, page *http.Response, username string) *http.Response {
	t.Helper()
	return submit(t, browser, page, url.Values{"username": {username}})
}

// Cancel presses the button of the login form that refuses to sign in.
func Cancel(t testing.TB, browser *http.Client, page *http.Response) *http.Response {
	t.Helper()
	return submit(t, browser, page, url.Values{"username": {""}, "cancel": {"1"}})
}

// submit posts the first form of the page that has an input named username.
func submit(t testing.TB, browser *http.Client, page *http.Response, set url.Values) *http.Response {
	t.Helper()
	defer func() { _ = page.Body.Close() }()
	body, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatalf("read the login page: %v", err)
	}
	action, values, ok := findForm(string(body), "username")
	if !ok {
		t.Fatalf("no login form at %s (status %d):\n%s", page.Request.URL, page.StatusCode, body)
	}
	target, err := page.Request.URL.Parse(action)
	if err != nil {
		t.Fatalf("action of the login form: %v", err)
	}
	for name, v := range set {
		values[name] = v
	}
	answer, err := browser.PostForm(target.String(), values)
	if err != nil {
		t.Fatalf("post the login form: %v", err)
	}
	return answer
}

// findForm returns the action and the values of the first form with an input
// of that name.
func findForm(page, input string) (action string, values url.Values, found bool) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return "", nil, false
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		values = url.Values{}
		for field := range n.Descendants() {
			if name := attribute(field, "name"); field.Data == "input" && name != "" {
				values.Add(name, attribute(field, "value"))
			}
		}
		if values.Has(input) {
			return attribute(n, "action"), values, true
		}
	}
	return "", nil, false
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
