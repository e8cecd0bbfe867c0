package redirect

import (
	"net/url"
	"strings"

	"keymaker/provider/clienturi"
)

// Host returns what a person is shown of a redirect URI: the host in lower case
// for a web address, "localhost", "127.0.0.1" or "[::1]" for a loopback
// address, the scheme for a private-use scheme. It is "" for anything that
// Validate would never accept.
func Host(uri string) string {
	if host, _, _, ok := splitLoopback(uri); ok {
		return host
	}
	if u, err := clienturi.ParseHTTPS(uri); err == nil {
		return strings.ToLower(u.Hostname())
	}
	if scheme, ok := privateScheme(uri); ok {
		return scheme
	}
	return ""
}

// OpensApp tells whether a redirect URI leads to an application that the
// person's device has, and not to a page: by a private-use scheme, or by an
// https address that a native client has claimed. Browsers hand such an answer
// over reliably only when a person follows it (RFC 8252 App. B, conformance
// C-27).
func OpensApp(uri string, t ApplicationType) bool {
	if _, ok := privateScheme(uri); ok {
		return true
	}
	_, err := clienturi.ParseHTTPS(uri)
	return t == Native && err == nil
}

// Origin returns the source expression that a Content-Security-Policy needs in
// form-action so that a form's answer may redirect to uri: scheme and host with
// port for a web or loopback address, the scheme and a colon for a private-use
// scheme. CSP cannot name an IPv6 address, so http://[::1] gives "http:". It is
// "" for anything that Validate would never accept, and never holds a character
// that ends a directive.
func Origin(uri string) string {
	if host, port, _, ok := splitLoopback(uri); ok {
		switch {
		case host == "[::1]":
			return "http:"
		case port != "":
			return "http://" + host + ":" + port
		}
		return "http://" + host
	}
	if u, err := clienturi.ParseHTTPS(uri); err == nil {
		return (&url.URL{Scheme: "https", Host: strings.ToLower(u.Host)}).String()
	}
	if scheme, ok := privateScheme(uri); ok {
		return scheme + ":"
	}
	return ""
}
