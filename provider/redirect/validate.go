package redirect

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"keymaker/provider/clienturi"
	"keymaker/provider/errtext"
)

// Rules is what a redirect URI is measured against at registration.
type Rules struct {
	// Type is the client's application type; anything but Native is Web.
	Type ApplicationType
	// ClientURI is the client's checked client_uri. Nil when the client has
	// none, which is only possible where the administrator does not require it:
	// then a web address may have any host, and a private-use scheme must
	// contain a dot.
	ClientURI *url.URL
	// AllowedHosts, when not empty, are the only hosts that an https redirect
	// URI may have (oidc_registration_allowed_redirect_hosts), beside the rule
	// of the client's host. Whole hosts are compared, without regard to case.
	AllowedHosts []string
	// Configured is for a client of the configuration file: of any type it may
	// have a loopback address, and that a port.
	Configured bool
}

// Error is a refused redirect URI. It means the error invalid_redirect_uri of
// RFC 7591 §3.2.2.
type Error struct {
	URI    string // as the client sent it
	Reason string // the rule, and what would be accepted
}

// Error returns a sentence that may be sent as error_description: it holds no
// character that RFC 6749 §5.2 forbids there.
func (e *Error) Error() string {
	return "redirect_uri " + errtext.Quote(e.URI) + " is refused: " + errtext.Clean(e.Reason)
}

// Validate says whether a client may register uri (conformance B-30 to B-35).
// Every error is an *Error.
func Validate(uri string, rules Rules) error {
	if err := validate(uri, rules); err != nil {
		return &Error{URI: uri, Reason: err.Error()}
	}
	return nil
}

func validate(uri string, rules Rules) error {
	if err := clienturi.Check(uri); err != nil {
		return err
	}
	if strings.Contains(uri, "#") {
		return errors.New("it must not have a fragment, not even an empty one")
	}
	if strings.Contains(uri, "*") {
		return errors.New("there are no wildcards; register every URI, and write a literal asterisk as %2A")
	}
	scheme, _, absolute := strings.Cut(uri, ":")
	switch {
	case !absolute || !validScheme(scheme):
		return errors.New("it must be an absolute URI that begins with its scheme in lower case")
	case slices.Contains(never, scheme):
		return errors.New("the scheme " + scheme + " is never a redirect target")
	}
	if err := checkKind(uri, scheme, rules); err != nil {
		return err
	}
	return checkPath(uri)
}

// checkKind applies the rules of the scheme: claimed https, loopback or
// private-use.
func checkKind(uri, scheme string, rules Rules) error {
	switch {
	case scheme == "https":
		return checkHTTPS(uri, rules)
	case scheme == "http" && rules.Configured:
		return checkLoopback(uri, true)
	case rules.Type != Native:
		return errors.New("a client of application_type web must use https; only application_type native may use a loopback address or a private-use scheme")
	case scheme == "http":
		return checkLoopback(uri, false)
	}
	return checkPrivateUse(uri, rules.ClientURI)
}

// checkHTTPS is B-31, and B-34 for native clients.
func checkHTTPS(uri string, rules Rules) error {
	u, err := clienturi.ParseHTTPS(uri)
	if err != nil {
		return err
	}
	if base := rules.ClientURI; base != nil && !clienturi.Within(u.Hostname(), base.Hostname()) {
		return errors.New("its host must be the host of client_uri, " + base.Hostname() + ", or a subdomain of it")
	}
	allowed := func(host string) bool { return strings.EqualFold(host, u.Hostname()) }
	if len(rules.AllowedHosts) > 0 && !slices.ContainsFunc(rules.AllowedHosts, allowed) {
		return errors.New("this server only accepts the redirect hosts that its administrator has listed")
	}
	return nil
}

// checkLoopback is B-33, with or without a port.
func checkLoopback(uri string, withPort bool) error {
	_, port, _, ok := splitLoopback(uri)
	switch {
	case !ok:
		return errors.New("plain http is only accepted for http://localhost, http://127.0.0.1 and http://[::1]")
	case port != "" && !withPort:
		return errors.New("a loopback address is registered without a port; any port is then accepted when it is used")
	}
	return nil
}

// checkPrivateUse is B-32.
func checkPrivateUse(uri string, client *url.URL) error {
	scheme, ok := privateScheme(uri)
	if !ok {
		return errors.New("a private-use scheme must be a reverse domain name with at least one dot, followed by a colon and at most one slash, as in com.example.app:/callback")
	}
	if client == nil {
		return nil
	}
	base := reverse(strings.ToLower(client.Hostname()))
	if scheme != base && !strings.HasPrefix(scheme, base+".") {
		return errors.New("the scheme must be " + base + " or begin with " + base + "., the reversed host of client_uri")
	}
	return nil
}

// checkPath refuses paths that mean another one to whoever resolves or decodes
// them (B-35).
func checkPath(uri string) error {
	u, err := url.Parse(uri)
	if err != nil {
		return errors.New("it is not a valid URI")
	}
	path := u.Path
	if u.Opaque != "" {
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return errors.New("it is not a valid URI")
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' }) {
		return errors.New("its path must not hold an encoded control character or backslash")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return errors.New("its path must not have the segments . and .., encoded or not")
		}
	}
	return nil
}

func reverse(host string) string {
	labels := strings.Split(host, ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}
