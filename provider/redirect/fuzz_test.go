package redirect_test

import (
	"net/url"
	"strings"
	"testing"

	"keymaker/provider/errtext"
	"keymaker/provider/redirect"
)

var seeds = []string{
	"https://app.example.com/callback", "https://example.com:5173/?query=value", "https://example.com/a/../b",
	"https://u:p@example.com/", "https://example.com.evil.net/", "https://notexample.com/", "https://[::1]/", "https://0x7f.1/",
	"com.example.app:/callback", "com.example:callback", "com.example.app://callback", "example:/callback", "javascript:alert(1)",
	"http://localhost/callback", "http://localhost:5555/callback", "http://127.0.0.1:1/", "http://[::1]:65535/callback",
	"http://localhost:80@evil.net/callback", "http://localhost.evil.net/", "https://example.com/%2e%2e/", "https:///x", "//x", "", "#",
}

// FuzzMatch checks that nothing matches but the registered bytes and, for a
// native client, a registered loopback address with a port set into it.
func FuzzMatch(f *testing.F) {
	for _, registered := range seeds {
		for _, requested := range seeds {
			f.Add(registered, requested, true)
		}
		f.Add(registered, registered, false)
	}
	f.Fuzz(func(t *testing.T, registered, requested string, native bool) {
		app := redirect.Web
		if native {
			app = redirect.Native
		}
		if !redirect.Match([]string{registered}, requested, app) || registered == requested {
			return
		}
		u, err := url.Parse(requested)
		if err != nil || !native || u.Scheme != "http" || u.User != nil || u.Port() == "" {
			t.Fatalf("%q matched %q", requested, registered)
		}
		switch u.Hostname() {
		case "localhost", "127.0.0.1", "::1":
		default:
			t.Fatalf("host %q of %q got the loopback exception", u.Hostname(), requested)
		}
		if strings.Replace(requested, u.Host, strings.TrimSuffix(u.Host, ":"+u.Port()), 1) != registered {
			t.Fatalf("%q differs from %q in more than the port", requested, registered)
		}
	})
}

// FuzzValidate checks that what is accepted is what a browser would go to: the
// client's own host or scheme or the loopback interface, and that it matches
// itself later.
func FuzzValidate(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	client := mustURL(f, "https://example.com/")
	f.Fuzz(func(t *testing.T, uri string, native bool) {
		rules := redirect.Rules{Type: redirect.Web, ClientURI: client}
		if native {
			rules.Type = redirect.Native
		}
		if err := redirect.Validate(uri, rules); err != nil {
			if !errtext.Legal(err.Error()) {
				t.Fatalf("message %q is not legal", err)
			}
			return
		}
		u, err := url.Parse(uri)
		if err != nil || u.User != nil || strings.ContainsAny(uri, "#\\* \t\r\n") {
			t.Fatalf("%q was accepted: %v", uri, err)
		}
		switch host := strings.ToLower(u.Hostname()); {
		case u.Scheme == "https" && (host == "example.com" || strings.HasSuffix(host, ".example.com")):
		case native && redirect.IsLoopback(uri) && u.Port() == "":
		case native && (u.Scheme == "com.example" || strings.HasPrefix(u.Scheme, "com.example.")) && u.Host == "":
		default:
			t.Fatalf("%q was accepted", uri)
		}
		if !redirect.Match([]string{uri}, uri, rules.Type) {
			t.Fatalf("%q does not match itself", uri)
		}
		origin := redirect.Origin(uri)
		if redirect.Host(uri) == "" || origin == "" || strings.ContainsAny(origin, " ;,'\"") {
			t.Fatalf("%q has host %q and origin %q", uri, redirect.Host(uri), origin)
		}
	})
}
