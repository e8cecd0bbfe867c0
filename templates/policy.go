package templates

import "strings"

// Policy returns the Content-Security-Policy of a page: nothing but our own
// stylesheet and images, and never in a frame (conformance L-08, L-09). Forms go
// to this server, and to formTargets or to where those redirect.
func Policy(formTargets ...string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action " +
		strings.Join(append([]string{"'self'"}, formTargets...), " ")
}
