// Package redirect decides which redirect URIs a client may register
// (MSC2966, RFC 8252; conformance B.3) and which requested one is a registered
// one (RFC 9700 §4.1.3; conformance C.2). fosite's own comparison is wider and
// must only ever see what passed here.
package redirect

import (
	"strings"

	"keymaker/provider/clienturi"
)

// ApplicationType says where a client runs; the rules differ.
type ApplicationType string

// The application types of OpenID Connect Dynamic Client Registration §2.
const (
	Web    ApplicationType = "web"
	Native ApplicationType = "native"
)

// loopback holds the hosts of the person's own machine, as they must be
// written (conformance B-33).
var loopback = []string{"localhost", "127.0.0.1", "[::1]"}

// IsLoopback says whether uri is plain http to localhost, 127.0.0.1 or [::1],
// with or without a port.
func IsLoopback(uri string) bool {
	_, _, _, ok := splitLoopback(uri)
	return ok
}

// splitLoopback cuts a loopback URI into host, port ("" when there is none)
// and what follows. It reads the bytes and not a parsed URL, so that nothing
// is normalised on the way.
func splitLoopback(uri string) (host, port, rest string, ok bool) {
	after, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", "", false
	}
	for _, host := range loopback {
		rest, ok := strings.CutPrefix(after, host)
		if !ok {
			continue
		}
		if r, ok := strings.CutPrefix(rest, ":"); ok {
			end := len(r) - len(strings.TrimLeft(r, "0123456789"))
			port, rest = r[:end], r[end:]
			if !clienturi.ValidPort(port) {
				return "", "", "", false
			}
		}
		if rest == "" || rest[0] == '/' || rest[0] == '?' || rest[0] == '#' {
			return host, port, rest, true
		}
	}
	return "", "", "", false
}
