package handlers

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"keymaker/internal/config"
	"keymaker/provider/errtext"
)

// FuzzForm checks that a form is read whole or refused, that nothing is read
// which a database could not hold, and that a repeated parameter is refused by
// a name which may be shown.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"", "a=b", "a=b&a=c", "a=%00", "a=%ff", "%=", "a;b=c", "grant_type=refresh_token&refresh_token=kmr_x", "&&&", "a", "=b", "a=+%2B",
		"scope=urn%3Amatrix%3Aclient%3Aapi%3A%2A&scope=", "redirect_uri[]=x", "A=1&a=2", "a=\x00", strings.Repeat("a=b&", 100), "\u202e=\u202e",
	} {
		f.Add(seed, "application/x-www-form-urlencoded")
	}
	f.Add("a=b", "application/json")
	f.Add("a=b", "application/x-www-form-urlencoded; charset=utf-8")
	f.Add("a=b", "Application/X-WWW-Form-Urlencoded;;")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		r := httptest.NewRequest(http.MethodPost, "/?a=of+the+query", strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		err := readSingle(httptest.NewRecorder(), r)
		var repeated repeatedError
		switch {
		case errors.As(err, &repeated):
			if !errtext.Legal(repeated.Error()) {
				t.Fatalf("the error is %q", repeated.Error())
			}
			return
		case err != nil:
			if !errors.Is(err, errContentType) && !errors.Is(err, errMalformed) && !errors.Is(err, errTooLarge) {
				t.Fatalf("the error is %v", err)
			}
			return
		}
		if r.URL.RawQuery != "a=of+the+query" || r.PostForm.Get("a") == "of the query" && !strings.Contains(body, "of") {
			t.Fatal("a parameter of the query was read")
		}
		for name, values := range r.PostForm {
			if len(values) != 1 || !storable(name) || !storable(values[0]) {
				t.Fatalf("read %q: %q", name, values)
			}
		}
		again, err := url.ParseQuery(r.PostForm.Encode())
		if err != nil || again.Encode() != r.PostForm.Encode() {
			t.Fatalf("%q was read as %q", body, r.PostForm)
		}
	})
}

// FuzzClientAddr checks that nobody but a trusted proxy says who a client is.
func FuzzClientAddr(f *testing.F) {
	for _, seed := range []string{"", "198.51.100.7", "198.51.100.7, 127.0.0.1", "::1", "[::1]:80", "fe80::1%eth0", "::ffff:198.51.100.7", ",,", "unknown", " 198.51.100.7 ,x"} {
		f.Add("127.0.0.1:4711", seed)
		f.Add("203.0.113.9:4711", seed)
		f.Add("[2001:db8::1]:4711", seed)
	}
	f.Add("@", "198.51.100.7")
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	s := &Server{Options: Options{Config: &config.Config{TrustedProxies: trusted}}}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		got := s.clientAddr(r)
		if got.Zone() != "" || got.Is4In6() {
			t.Fatalf("%q is not the one spelling of an address", got)
		}
		peer := (&Server{Options: Options{Config: &config.Config{}}}).clientAddr(r)
		if !s.trusted(peer) && got != peer {
			t.Fatalf("%q, who is no trusted proxy, made itself %q", remote, got)
		}
		hops := strings.Split(forwarded, ",")
		if last, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil && s.trusted(peer) && !s.trusted(last) && got != last.Unmap().WithZone("") {
			t.Fatalf("the proxy names %q, and the client is taken for %q", last, got)
		}
	})
}

// FuzzLoggedPath checks that no part of a path reaches the log that could not
// be the name of an endpoint.
func FuzzLoggedPath(f *testing.F) {
	for _, seed := range []string{"/", "/_tuwunel/oidc/token", "/_matrix/client/v3/devices/AAABBB%2F", "/a\nb", "/\x1b[31m", "//", "/" + strings.Repeat("a/", 50), "/kma_secret", "/@alice:example.org"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := harmless(path)
		if len(got) > 10*25 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789._-/*") != "" {
			t.Fatalf("%q is logged as %q", path, got)
		}
	})
}

// FuzzBearer checks that the token of the header is read as it was sent.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer ", "Bearer x", "bearer  x ", "Basic x", "Bearer x y", "BEARER\tx", "Bearerx"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, ok := bearer(&http.Request{Header: http.Header{"Authorization": {header}}})
		if !ok && token != "" {
			t.Fatalf("%q has no token, and %q was read", header, token)
		}
		if ok && (len(header) < 7 || !strings.EqualFold(header[:7], "Bearer ") || strings.TrimSpace(header[7:]) != token) {
			t.Fatalf("%q was read as %q", header, token)
		}
	})
}

// FuzzLegacyRedirect checks where the legacy login may send a login token.
func FuzzLegacyRedirect(f *testing.F) {
	for _, seed := range []string{
		"https://app.example.com/", "http://localhost:8080/x?y=z#w", "element://connect", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "file:///etc/passwd",
		"//evil.example", `https:\\evil.example`, "https://u@evil.example/", "https:///x", "vbscript:x", "blob:https://x/y", " https://x", "https://x\n", "https:evil.example", "about:blank", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if !acceptableRedirectURL(target) {
			return
		}
		u, err := url.Parse(target)
		if err != nil || u.User != nil || u.Scheme == "" || !utf8.ValidString(target) {
			t.Fatalf("%q was accepted", target)
		}
		switch u.Scheme {
		case "http", "https":
			if u.Hostname() == "" {
				t.Fatalf("%q was accepted without a host", target)
			}
		case "javascript", "data", "vbscript", "blob", "file", "about", "filesystem", "view-source":
			t.Fatalf("%q was accepted", target)
		}
		if strings.ContainsAny(target, "\r\n\x00\\") {
			t.Fatalf("%q cannot stand in a header", target)
		}
	})
}
