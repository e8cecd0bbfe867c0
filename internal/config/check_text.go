package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"keymaker/internal/secret"
)

var (
	hostName  = regexp.MustCompile(`^[0-9A-Za-z_]([0-9A-Za-z_.-]*[0-9A-Za-z_])?$`)
	opaqueID  = regexp.MustCompile(`^[0-9A-Za-z._~-]{1,255}$`)
	scopeName = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+$`)
	dnsName   = regexp.MustCompile(`^[0-9A-Za-z.-]{1,255}$`)
	mxcURI    = regexp.MustCompile(`^mxc://[^/?#]+/[0-9A-Za-z_-]+$`)
)

// checkServerName is the grammar of server names (Matrix specification,
// Appendices, "Server name"): a host and perhaps a port.
func checkServerName(s string) error {
	if _, address, ok := strings.Cut(s, "://"); ok {
		host, _, _ := strings.Cut(address, "/")
		// A password can stand before the host.
		return refusal{"is a URL and not a server name", host[strings.LastIndexByte(host, '@')+1:]}
	}
	host, port, hasPort := s, "", false
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port, hasPort = s[:i], s[i+1:], true
	}
	valid := dnsName.MatchString(host)
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		valid = err == nil && a.Is6() && a.Zone() == "" && strings.HasSuffix(inner, "]")
	}
	if !valid || hasPort && !validPort(port) {
		return refuse("%s is not a server name: a host name like example.com, perhaps with :port", quote(s))
	}
	return nil
}

const onlyLoopback = "is plain http, which only a loopback host may be: localhost, 127.0.0.1 or [::1]"

// checkIssuer is the rule of the issuer: scheme, host, perhaps a port and a
// final slash, https unless the host is this machine.
func checkIssuer(s string) error {
	u, err := parseURL(s)
	switch {
	case err != nil:
		return err
	case hasQuery(s):
		return refuse("must not have a query or a fragment")
	case u.Path != "" && u.Path != "/":
		return refusal{"must not have a path: only scheme, host, perhaps a port, and perhaps a final slash", u.Scheme + "://" + u.Host}
	case !protected(u):
		return refusal{onlyLoopback, "https://" + u.Host + u.Path}
	}
	// Clients compare issuers letter by letter, and browsers write origins so.
	if usual := u.Scheme + "://" + strings.ToLower(u.Host) + u.Path; s != usual {
		return refusal{"must be written in small letters", usual}
	}
	return nil
}

// checkURL is for where requests and browsers are sent to.
func checkURL(s string) error {
	_, err := parseURL(s)
	if err == nil && strings.Contains(s, "#") {
		return refuse("must not have a fragment")
	}
	return err
}

// checkPlainURL is for identifiers and prefixes of URLs.
func checkPlainURL(s string) error {
	_, err := parseURL(s)
	if err == nil && hasQuery(s) {
		return refuse("must not have a query or a fragment")
	}
	return err
}

// parseURL reads a web address. Its errors do not repeat the address, which can
// hold a password.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, refuse("is not a URL: write it like https://matrix.example.com")
	case u.User != nil:
		return nil, refuse("must not have a user name or a password")
	case !validHost(u):
		return nil, refuse("is not a URL: its host or its port is impossible")
	}
	return u, nil
}

func validHost(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()) {
		return false
	}
	if strings.HasPrefix(u.Host, "[") {
		a, err := netip.ParseAddr(u.Hostname())
		return err == nil && a.Zone() == ""
	}
	return hostName.MatchString(u.Hostname())
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// hasQuery tells whether a URL has a query or a fragment, empty ones included.
func hasQuery(s string) bool { return strings.ContainsAny(s, "?#") }

// protected tells whether nobody on the way can read or change what goes to u.
func protected(u *url.URL) bool { return u.Scheme == "https" || isLoopback(u.Hostname()) }

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// checkAddress is for an address to listen on.
func checkAddress(s string) error {
	if _, err := netip.ParseAddr(s); err == nil || hostName.MatchString(s) {
		return nil
	}
	return refuse("%s is neither an IP address nor a host name; the port has a key of its own", quote(s))
}

// checkHost is for a host without a port.
func checkHost(s string) error {
	if hostName.MatchString(s) {
		return nil
	}
	return refuse("%s is not a host name: only the exact host, without scheme, port or *", quote(s))
}

// parseNetwork reads a network in CIDR notation, or a single address.
func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, refuse("%s is not a network like 10.0.0.0/8 or fd00::/8", quote(s))
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// checkDatabase is for the URL of the database. Its errors do not repeat it: it
// can hold a password.
func checkDatabase(t secret.Text) error {
	if path, ok := sqlitePath(t); ok {
		if path == "" || path == ":memory:" {
			return refuse("must name a file: sqlite:PATH")
		}
		return nil
	}
	u, err := url.Parse(t.Reveal())
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return refuse("is neither sqlite:PATH nor a URL like postgres://user@host/database")
	}
	return nil
}

func sqlitePath(t secret.Text) (string, bool) { return strings.CutPrefix(t.Reveal(), "sqlite:") }

// checkClientID is the grammar of identity provider ids (MSC2858): the id is a
// segment of the callback's path.
func checkClientID(s string) error {
	if !opaqueID.MatchString(s) {
		return refuse("%s cannot be part of the callback URL: 1 to 255 characters out of 0-9 A-Z a-z . _ ~ -", quote(s))
	}
	return nil
}

// checkScope is for one or more scopes (RFC 6749 §3.3).
func checkScope(s string) error {
	for _, name := range strings.Fields(s) {
		if !scopeName.MatchString(name) {
			return refuse("%s has a character that no scope may have", quote(name))
		}
	}
	if strings.TrimSpace(s) == "" {
		return refuse("an empty scope")
	}
	return nil
}

// userIDClaims are the claims that can name a user.
var userIDClaims = []string{"sub", "unique", "preferred_username", "username", "nickname", "login", "email"}

func checkClaim(s string) error {
	if slices.Contains(userIDClaims, s) {
		return nil
	}
	return refusal{fmt.Sprintf("%s cannot name a user: no arbitrary claims, only %s", quote(s), strings.Join(userIDClaims, ", ")), nearest(s, userIDClaims)}
}

// checkManaged is the rule of managed_claims.
var checkManaged = among(ManagedName, ManagedEmail, ManagedPicture)

// checkAdminClaim is the rule of admin_claim: a pointer has no escapes but its
// own (RFC 6901 §3).
func checkAdminClaim(s string) error {
	unescaped := strings.NewReplacer("~0", "", "~1", "").Replace(s)
	if strings.HasPrefix(s, "/") && strings.Contains(unescaped, "~") {
		return refuse("%s is no JSON Pointer: a ~ is written ~0 there, and a / in a name ~1", quote(s))
	}
	return nil
}

func checkAdminValue(s string) error {
	if s == "" {
		return refuse("an empty value")
	}
	return nil
}

// notYet are the brands of providers that differ from OpenID Connect in ways
// that this version does not know.
var notYet = []string{"apple", "facebook", "twitter"}

func checkBrand(s string) error {
	if slices.Contains(notYet, strings.ToLower(s)) {
		return refuse("%s is not yet supported", quote(s))
	}
	return nil
}

// homeservers are the kinds of homeserver.
var homeservers = []string{HomeserverEmbedded, HomeserverSynapse}

func checkHomeserver(s string) error {
	if slices.Contains(homeservers, s) {
		return nil
	}
	return refusal{fmt.Sprintf(`%s is no kind of homeserver: "embedded" and "synapse" are`, quote(s)), nearest(s, homeservers)}
}

// unixScheme begins the address of a Unix socket.
const unixScheme = "unix:"

// maxSocketPath is the longest path of a socket in bytes, on every system.
const maxSocketPath = 103

func checkPrivateAddress(s string) error {
	path, ok := strings.CutPrefix(s, unixScheme)
	switch {
	case s == noSocket:
		return nil
	case !ok || path == "":
		return refuse("%s is no Unix socket: write unix:/run/keymaker/admin.sock, or none", quote(s))
	case len(path) > maxSocketPath:
		return refuse("%s is too long: the path of a socket has at most %d bytes", quote(s), maxSocketPath)
	}
	return nil
}

func checkMetricsAddress(s string) error {
	if a, err := netip.ParseAddrPort(s); err != nil || a.Port() == 0 {
		return refuse("%s is no IP address with a port: write 127.0.0.1:9464", quote(s))
	}
	return nil
}

// checkAuditDestination wants a file in a folder that is there, or stdout.
func checkAuditDestination(s string) error {
	if s == AuditStdout {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(s)); err != nil || !info.IsDir() { //nolint:gosec // the administrator names the file
		return refuse("%s is in no folder that is there: make it, or write stdout", quote(s))
	}
	return nil
}
