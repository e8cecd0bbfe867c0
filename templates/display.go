package templates

import (
	"html/template"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"
)

// maxName is the length in runes at which a name is cut.
const maxName = 100

// CleanText returns s as a person may see it: without control characters, and
// without what is invisible or changes the direction of the text around it
// (RFC 7591 §5, conformance L-23). White space of any kind and length becomes
// one space.
func CleanText(s string) string {
	visible := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case invisible(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return strings.Join(strings.Fields(visible), " ")
}

// invisible says whether r takes part in no word: controls, format characters
// (bidirectional overrides, zero-width characters, tags), surrogates, private
// use, and the fillers that only look like white space.
func invisible(r rune) bool {
	const brailleBlank = '\u2800'
	return r == brailleBlank || unicode.In(r,
		unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Other_Default_Ignorable_Code_Point)
}

// CleanName returns a name that somebody has chosen as a person may see it:
// CleanText, cut to 100 characters of which the last is then an ellipsis. It
// is "" when nothing visible is left.
func CleanName(s string) string {
	runes := []rune(CleanText(s))
	if len(runes) <= maxName {
		return string(runes)
	}
	return strings.TrimSpace(string(runes[:maxName-1])) + "…"
}

// hostNames maps an international name to its A-label as browsers do.
var hostNames = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// Host returns what a person is shown of a URI's authority: the host in lower
// case and in ASCII, so that letters that look alike cannot deceive (xn--…,
// conformance L-25), with the port unless it is the scheme's own. It is never
// cut, as its end says most. It is "" for a URI without a host that can be
// shown.
func Host(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if port != "" && (u.Scheme != "https" || port != "443") && (u.Scheme != "http" || port != "80") {
		port = ":" + port
	} else {
		port = ""
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		switch {
		case ip.Zone() != "": // a zone means something on one machine alone
			return ""
		case ip.Is4():
			return ip.String() + port
		}
		return "[" + ip.String() + "]" + port
	}
	host, err := hostNames.ToASCII(strings.TrimSuffix(u.Hostname(), "."))
	if err != nil || host == "" || len(host) > 253 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return ""
	}
	return host + port
}

// SafeLink returns uri when a page may link to it as somebody else's page, and
// "" otherwise: it must be https, with a host and without user information
// (conformance L-24, B-15).
func SafeLink(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" || u.User != nil || Host(uri) == "" {
		return ""
	}
	return u.String()
}

// A Destination is where the browser goes with an answer.
type Destination struct {
	Name     string // the host, or the scheme with its colon
	OnDevice bool   // an application on the person's own device
}

// destinationOf returns what a person is shown of a redirect URI; the name is
// "" when there is nothing that could be shown.
func destinationOf(uri string) Destination {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return Destination{}
	case u.Scheme != "https" && u.Scheme != "http":
		return Destination{Name: CleanText(u.Scheme) + ":", OnDevice: true}
	case loopback(u.Hostname()):
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
		return Destination{Name: Host(u.String()), OnDevice: true}
	}
	return Destination{Name: Host(uri)}
}

// loopback says whether host is this device itself.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// actionLink returns the target of a button: a path of this server, an https
// address, http on this device, or the private-use scheme of an application,
// which has a dot in it as none of the schemes that run code or read files has
// (RFC 8252 §7.1, conformance L-24). For anything else it is "".
func actionLink(uri string) any {
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || strings.Contains(uri, `\`) {
		return "" // browsers read a backslash as a slash
	}
	switch {
	case u.Scheme == "" && u.Host == "":
		if path := u.EscapedPath(); !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
			return ""
		}
		return u.String()
	case u.Scheme == "https" && Host(uri) != "", u.Scheme == "http" && loopback(u.Hostname()):
		return u.String()
	case strings.Contains(u.Scheme, "."):
		return template.URL(u.String()) //nolint:gosec // html/template knows no private-use scheme; this one names an application
	}
	return ""
}

// moment returns a time as a person may see it, in the one time zone that means
// the same to everybody.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// initial returns the first letter or digit of a name as a capital, for the
// tile in front of it.
func initial(name string) string {
	for _, r := range CleanText(name) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "?"
}
