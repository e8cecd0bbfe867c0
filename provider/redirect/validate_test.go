package redirect_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"keymaker/provider/errtext"
	"keymaker/provider/redirect"
)

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestValidateWithClientURI(t *testing.T) {
	const (
		web    = redirect.Web
		native = redirect.Native
	)
	tests := []struct {
		name string
		app  redirect.ApplicationType
		uri  string
		says string // "" = accepted
	}{
		{"B-31: the client's host", web, "https://example.com/callback", ""},
		{"B-31: a subdomain of it", web, "https://app.example.com/callback", ""},
		{"B-31: a port and a query", web, "https://example.com:5173/?query=value", ""},
		{"B-31: a host in upper case", web, "https://App.Example.com/callback", ""},
		{"B-30: a fragment", web, "https://example.com/callback#fragment", "fragment"},
		{"B-30: an empty fragment", web, "https://example.com/callback#", "fragment"},
		{"B-31: plain http", web, "http://example.com/callback", "must use https"},
		{"B-31: plain http to localhost", web, "http://localhost/", "must use https"},
		{"B-31: user and password", web, "https://u:p@example.com/", "user or password"},
		{"B-31: another domain", web, "https://app.com/callback", "host of client_uri, example.com"},
		{"B-31: a private-use scheme", web, "com.example.app:/callback", "must use https"},
		{"B-11: the same ending without a label boundary", web, "https://notexample.com/", "host of client_uri"},
		{"B-11: the client's host as a subdomain of another", web, "https://example.com.evil.net/", "host of client_uri"},

		{"B-32: a scheme below the reversed host", native, "com.example.app:/callback", ""},
		{"B-32: the reversed host itself", native, "com.example:/", ""},
		{"B-32: no slash", native, "com.example:callback", ""},
		{"B-32: nothing after the colon", native, "com.example:", ""},
		{"B-32: a query", native, "com.example.app:/callback?a=b", ""},
		{"B-32: a scheme without dot", native, "example:/callback", "at least one dot"},
		{"B-32: an authority", native, "com.example.app://callback", "at most one slash"},
		{"B-32: an empty authority", native, "com.example.app:///callback", "at most one slash"},
		{"B-32: no label boundary", native, "com.examplex:/", "com.example or begin with com.example."},
		{"B-32: another domain", native, "com.evil.app:/cb", "reversed host of client_uri"},
		{"B-32: the host not reversed", native, "example.com:/cb", "reversed host of client_uri"},
		{"B-32: only the top level", native, "com:/cb", "at least one dot"},
		{"B-32: an empty label at the end", native, "com.example.:/cb", "reverse domain name"},
		{"B-32: an empty label in the middle", native, "com.example..app:/cb", "reverse domain name"},
		{"B-32: upper case", native, "Com.Example.App:/cb", "lower case"},
		{"B-32: a fragment", native, "com.example.app:/cb#", "fragment"},

		{"L-24: javascript", native, "javascript:alert(1)", "never a redirect target"},
		{"L-24: javascript in mixed case", native, "JavaScript:alert(1)", "lower case"},
		{"L-24: javascript for a web client", web, "javascript:alert(1)", "never a redirect target"},
		{"L-24: data", native, "data:text/html,x", "never a redirect target"},
		{"L-24: vbscript", native, "vbscript:x", "never a redirect target"},
		{"L-24: blob", native, "blob:https://example.com/x", "never a redirect target"},
		{"L-24: file", native, "file:///etc/passwd", "never a redirect target"},
		{"L-24: javascript behind a space", native, " javascript:alert(1)", "RFC 3986"},

		{"B-33: localhost", native, "http://localhost/callback", ""},
		{"B-33: 127.0.0.1", native, "http://127.0.0.1/callback", ""},
		{"B-33: [::1]", native, "http://[::1]/callback", ""},
		{"B-33: no path", native, "http://localhost", ""},
		{"B-33: a query", native, "http://127.0.0.1/?a=b", ""},
		{"B-33: a port", native, "http://localhost:1234/callback", "without a port"},
		{"B-33: an empty port", native, "http://localhost:/callback", "only accepted for http://localhost"},
		{"B-33: https to localhost", native, "https://localhost/callback", "host of client_uri"},
		{"B-33: another address of the loopback net", native, "http://127.0.0.2/", "only accepted for http://localhost"},
		{"B-33: localhost as a subdomain", native, "http://localhost.evil.com/", "only accepted for http://localhost"},
		{"B-33: a user before localhost", native, "http://user@localhost/", "only accepted for http://localhost"},
		{"B-33: localhost as a user", native, "http://localhost@evil.com/", "only accepted for http://localhost"},
		{"B-33: localhost in upper case", native, "http://LOCALHOST/", "only accepted for http://localhost"},
		{"B-33: the long form of [::1]", native, "http://[0:0:0:0:0:0:0:1]/", "only accepted for http://localhost"},
		{"B-33: an interface beside [::1]", native, "http://[::1%25lo]/", "only accepted for http://localhost"},
		{"B-33: plain http to the client's host", native, "http://example.com/", "only accepted for http://localhost"},
		{"B-33: a fragment", native, "http://localhost/#x", "fragment"},

		{"B-34: claimed https of a native client", native, "https://app.example.com/callback", ""},
		{"B-34: claimed https of another domain", native, "https://app.com/callback", "host of client_uri"},
		{"B-34: claimed https with a password", native, "https://u:p@example.com/", "user or password"},

		{"B-30: a relative URI", web, "/callback", "absolute URI"},
		{"B-30: a URI without scheme", web, "//example.com/callback", "absolute URI"},
		{"B-30: the empty string", web, "", "is empty"},
		{"B-30: https without slashes", web, "https:example.com/callback", "begin with https://"},
		{"B-35: a backslash", web, `https://example.com\@evil.net/`, "RFC 3986"},
		{"B-35: a control character", web, "https://example.com/\r\nLocation:x", "RFC 3986"},
		{"B-35: a space", web, "https://example.com/a b", "RFC 3986"},
		{"B-35: a wildcard host", web, "https://*.example.com/", "no wildcards"},
		{"B-35: a wildcard path", web, "https://example.com/*", "no wildcards"},
		{"B-35: a non-ASCII host", web, "https://exämple.com/", "RFC 3986"},
		{"B-35: an IPv4 address", web, "https://192.0.2.1/", "IP address"},
		{"B-35: an IPv6 address", web, "https://[2001:db8::1]/", "IP address"},
		{"B-35: a parent segment", web, "https://example.com/a/../b", "segments"},
		{"B-35: a parent segment at the end", web, "https://example.com/a/..", "segments"},
		{"B-35: an encoded parent segment", web, "https://example.com/a/%2e%2E/b", "segments"},
		{"B-35: a parent segment between encoded slashes", web, "https://example.com/a%2f..%2fb", "segments"},
		{"B-35: a single dot", web, "https://example.com/./b", "segments"},
		{"B-35: a parent segment in a private-use scheme", native, "com.example:/a/../b", "segments"},
		{"B-35: a parent segment in a private-use scheme without slash", native, "com.example:a/%2e%2e/b", "segments"},
		{"B-35: a parent segment in a loopback address", native, "http://localhost/a/../b", "segments"},
		{"B-35: an encoded backslash", web, "https://example.com/%5c", "encoded control character or backslash"},
		{"B-35: an encoded line break", web, "https://example.com/%0d%0a", "encoded control character or backslash"},
		{"B-35: two dots within a segment are a name", web, "https://example.com/a..b/.c/...", ""},
		{"B-35: dots in the query are data", web, "https://example.com/?next=/../x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := redirect.Validate(tt.uri, redirect.Rules{Type: tt.app, ClientURI: mustURL(t, "https://example.com/")})
			checkError(t, err, tt.uri, tt.says)
		})
	}
}

func TestValidateWithoutClientURI(t *testing.T) {
	tests := []struct {
		name string
		app  redirect.ApplicationType
		uri  string
		says string
	}{
		{"B-10: a web address of any host", redirect.Web, "https://whoever.net/cb", ""},
		{"B-10: a claimed https address of any host", redirect.Native, "https://whoever.net/cb", ""},
		{"B-35: still no IP address", redirect.Web, "https://127.1/cb", "IP address"},
		{"B-31: still no plain http", redirect.Web, "http://whoever.net/cb", "must use https"},
		{"B-32: any private-use scheme with a dot", redirect.Native, "io.element.app:/cb", ""},
		{"B-32: no scheme without a dot", redirect.Native, "element:/cb", "at least one dot"},
		{"B-32: no authority", redirect.Native, "io.element.app://cb", "at most one slash"},
		{"L-24: no javascript", redirect.Native, "javascript:x", "never a redirect target"},
		{"B-33: loopback", redirect.Native, "http://localhost/cb", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, redirect.Validate(tt.uri, redirect.Rules{Type: tt.app}), tt.uri, tt.says)
		})
	}
}

func TestValidateBelowAPublicSuffix(t *testing.T) {
	rules := redirect.Rules{Type: redirect.Native, ClientURI: mustURL(t, "https://App.Example.co.uk/")}
	checkError(t, redirect.Validate("uk.co.example.app.ios:/cb", rules), "uk.co.example.app.ios:/cb", "")
	checkError(t, redirect.Validate("uk.co.example:/cb", rules), "uk.co.example:/cb", "begin with uk.co.example.app.")
}

func TestValidateAllowedHosts(t *testing.T) {
	tests := []struct {
		name, uri string
		says      string
	}{
		{"a listed host", "https://app.example.com/cb", ""},
		{"a listed host with a port", "https://app.example.com:8443/cb", ""},
		{"a listed host in another case", "https://APP.example.com/cb", ""},
		{"a host that is not listed", "https://example.com/cb", "administrator has listed"},
		{"a subdomain of a listed host", "https://x.app.example.com/cb", "administrator has listed"},
		{"a listed host that is not the client's", "https://listed.net/cb", "host of client_uri"},
		{"a loopback address has no host to list", "http://localhost/cb", ""},
		{"a private-use scheme has no host to list", "com.example.app:/cb", ""},
	}
	rules := redirect.Rules{
		Type:         redirect.Native,
		ClientURI:    mustURL(t, "https://example.com/"),
		AllowedHosts: []string{"listed.net", "App.Example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, redirect.Validate(tt.uri, rules), tt.uri, tt.says)
		})
	}
}

func checkError(t *testing.T, err error, uri, says string) {
	t.Helper()
	if says == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var refused *redirect.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error is %v (%T), want a *redirect.Error", err, err)
	}
	if refused.URI != uri || !strings.Contains(err.Error(), says) {
		t.Errorf("message %q about %q does not say %q", err, refused.URI, says)
	}
	if !errtext.Legal(err.Error()) {
		t.Errorf("message %q holds characters that an error_description may not", err)
	}
}
