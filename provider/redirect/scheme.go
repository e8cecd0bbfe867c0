package redirect

import (
	"slices"
	"strings"
)

// never holds the schemes that run code, read files or carry content instead
// of naming an application (conformance L-24).
var never = []string{"javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source"}

// privateScheme returns the scheme of a URI with a private-use scheme: a
// reverse domain name, so with a dot in it, and no authority behind it
// (RFC 8252 §7.1).
func privateScheme(uri string) (string, bool) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !validScheme(scheme) || strings.HasPrefix(rest, "//") {
		return "", false
	}
	labels := strings.Split(scheme, ".")
	return scheme, len(labels) > 1 && !slices.Contains(labels, "")
}

// validScheme is the grammar of RFC 3986 §3.1 in lower case only: the scheme is
// compared byte for byte by us and by operating systems.
func validScheme(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}
