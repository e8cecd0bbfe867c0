package redirect

import (
	"slices"
	"strings"
)

// Match says whether requested is one of the registered redirect URIs of a
// client of the given type: byte for byte the same, or, for a native client, a
// registered loopback URI without port plus any port (RFC 9700 §2.1, RFC 8252
// §7.3; conformance C-12 to C-14). A requested URI with a fragment never
// matches (C-16).
func Match(registered []string, requested string, app ApplicationType) bool {
	if strings.Contains(requested, "#") {
		return false
	}
	if slices.Contains(registered, requested) {
		return true
	}
	if app != Native {
		return false
	}
	host, port, rest, ok := splitLoopback(requested)
	return ok && port != "" && slices.Contains(registered, "http://"+host+rest)
}
