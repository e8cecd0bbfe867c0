// Package proxyconf writes what a reverse proxy must be told to stand before this
// server, and before the homeserver beside it.
package proxyconf

import (
	"embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"keymaker/internal/config"
)

// Proxies are the programs that For knows.
var Proxies = []string{"nginx", "caddy", "haproxy"}

//go:embed templates/*.tmpl
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"paths": func() string { return Paths }, "mib": func(n int) int { return n << 20 }}).ParseFS(files, "templates/*.tmpl"))

// Paths are those of this server where a homeserver has all others: signing in
// and out as clients did before OAuth, discovery, and the OAuth server. What
// Synapse asks about a token it asks directly, so that is not among them.
const Paths = `^/(_matrix/client/(r0|v[0-9]+|unstable)/(login|logout|refresh)(/|$)` +
	`|_matrix/client/(v1|unstable/org\.matrix\.msc2965)/auth_(metadata|issuer)$` +
	`|\.well-known/(matrix/client|openid-configuration|oauth-authorization-server|webfinger|change-password)$` +
	`|_tuwunel/)`

// Limits of a proxy. A picture has up to 8 MiB, and this server answers within a
// minute; Synapse takes files of 50 MiB by default, and is slow where it joins a
// large room.
const (
	ownBody, ownTime         = 20, 90  // MiB, seconds
	synapseBody, synapseTime = 50, 600 // MiB, seconds
)

// Certificate is where the proxy finds its certificate and the key of it. The zero
// value is where certbot has them; Caddy gets its own.
type Certificate struct{ File, Key string }

// plainPath is what the configurations of all proxies take without quotes.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9/._@+,:=-]*$`)

// check finds what a proxy could not use. HAProxy reads the key from the file of
// the certificate, or from one beside it that is called like that and .key.
func (c Certificate) check(proxy string, tls bool) error {
	if c == (Certificate{}) {
		return nil
	}
	switch {
	case !tls:
		return errors.New("the public address is plain http, and needs no certificate")
	case !plainPath.MatchString(c.File):
		return fmt.Errorf("%q cannot be written into the configuration of a proxy: name the certificate by a path of plain letters", c.File)
	case proxy == "haproxy" && c.Key != "":
		return errors.New("HAProxy reads the key from the file of the certificate, or from the file of that name with .key behind it")
	case proxy != "haproxy" && !plainPath.MatchString(c.Key):
		return fmt.Errorf("%q cannot be written into the configuration of a proxy: name the key of the certificate by a path of plain letters", c.Key)
	}
	return nil
}

// site is what the templates are filled with.
type site struct {
	TLS         bool
	Certificate Certificate
	Host        string // of the issuer, without a port
	Port        string
	Issuer      string
	Server      string // address and port of this server
	Synapse     string // of the homeserver; "" = this server is all there is
	SynapseTLS  bool
	Trusted     string // the networks whose X-Forwarded-For counts
	// Elsewhere is the host of the server name where that is another one than the
	// issuer's: clients look for the homeserver there.
	Elsewhere string

	OwnBody, OwnTime, SynapseBody, SynapseTime int
}

// For writes the configuration of a proxy. The sockets for administrators are
// never part of it.
func For(proxy string, c *config.Config, certificate Certificate) (string, error) {
	if !slices.Contains(Proxies, proxy) {
		return "", fmt.Errorf("there is nothing for the proxy %q", proxy)
	}
	s, err := newSite(c)
	if err == nil {
		err = certificate.check(proxy, s.TLS)
	}
	if err != nil {
		return "", err
	}
	s.Certificate = certificate
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, proxy+".tmpl", s); err != nil {
		return "", fmt.Errorf("write the configuration for %s: %w", proxy, err)
	}
	return b.String(), nil
}

func newSite(c *config.Config) (site, error) {
	u, err := url.Parse(c.Issuer())
	if err != nil || c.Issuer() == "" {
		return site{}, errors.New("global.well_known.client is missing: it is the address that the proxy answers for")
	}
	s := site{
		TLS: u.Scheme == "https", Host: bracketed(u.Hostname()), Port: u.Port(), Issuer: strings.TrimSuffix(c.Issuer(), "/"),
		Server: listener(c), Trusted: networks(c.TrustedProxies),
		OwnBody: ownBody, OwnTime: ownTime, SynapseBody: synapseBody, SynapseTime: synapseTime,
	}
	switch {
	case s.Port != "":
	case s.TLS:
		s.Port = "443"
	default:
		s.Port = "80"
	}
	if c.ServerName != u.Hostname() && c.ServerName != u.Host {
		s.Elsewhere = c.ServerName
	}
	if c.Homeserver.Remote() {
		err = s.before(c.Homeserver.Endpoint)
	}
	return s, err
}

// before notes the homeserver.
func (s *site) before(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return errors.New("global.homeserver.endpoint is not a URL")
	}
	if strings.Trim(u.Path, "/") != "" {
		return errors.New("global.homeserver.endpoint has a path: it is where a proxy answers, and not Synapse itself")
	}
	s.SynapseTLS = u.Scheme == "https"
	port := u.Port()
	switch {
	case port != "":
	case s.SynapseTLS:
		port = "443"
	default:
		port = "80"
	}
	s.Synapse = net.JoinHostPort(u.Hostname(), port)
	return nil
}

// listener is where the proxy reaches this server: an address of this machine
// where the server listens on all of them.
func listener(c *config.Config) string {
	host := c.Address[0]
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if a.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(c.Port))
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func networks(all []netip.Prefix) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}
