package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// certificateTime is how long before its end a certificate should be a new one.
const certificateTime = 14 * 24 * time.Hour

func (d *Doctor) dns(ctx context.Context) []Result {
	u, err := url.Parse(d.Config.Issuer())
	if err != nil || u.Hostname() == "" {
		return []Result{step{"issuer.dns", "read global.well_known.client"}.failed("it is missing", "Set it to the public address of the server.")}
	}
	s := step{"issuer.dns", "looked up " + u.Hostname()}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return []Result{s.skipped("it is an address, and no name")}
	}
	found, err := d.LookupHost(ctx, u.Hostname())
	if err != nil || len(found) == 0 {
		return []Result{s.failed("the name has no address", "Let the name service point the name to your reverse proxy.")}
	}
	return []Result{s.ok(strings.Join(found, ", "))}
}

func (d *Doctor) tls(ctx context.Context) []Result {
	address := d.at(discoveryPath)
	s := step{"issuer.tls", "connected to " + d.Config.Issuer()}
	if strings.HasPrefix(address, "http:") {
		return []Result{s.skipped("it is plain http, on this machine")}
	}
	a, err := d.get(ctx, address)
	if change := certificateChange(err); change != "" {
		d.silent = true
		return []Result{s.failed(err.Error(), change)}
	}
	if err != nil {
		return []Result{d.unreached(s, err)}
	}
	left := a.expires.Sub(d.Clock.Now())
	saw := fmt.Sprintf("the certificate is good for %d days", int(left.Hours()/24))
	if left < certificateTime {
		return []Result{s.warning(saw, "Renew the certificate.")}
	}
	return []Result{s.ok(saw)}
}

// certificateChange is what to do about a certificate that clients refuse; "" where
// an error is another one.
func certificateChange(err error) string {
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		return "Give the reverse proxy a certificate for this name."
	case errors.As(err, &unknown):
		return "Give the reverse proxy the whole chain of its certificate. An authority of your own must be known on every machine with a client, and on this one."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "Renew the certificate, let the reverse proxy read the new one, and compare the clock of this machine."
	case errors.As(err, &invalid):
		return "Give the reverse proxy a certificate that clients take."
	}
	return ""
}

const discoveryPath = "/.well-known/openid-configuration"

// discovery looks at each place where clients read the issuer: they compare it
// letter by letter.
func (d *Doctor) discovery(ctx context.Context) []Result {
	var results []Result
	for _, path := range []string{discoveryPath, "/.well-known/oauth-authorization-server", "/_matrix/client/v1/auth_metadata"} {
		s := step{"issuer.same", "asked " + d.at(path)}
		a, err := d.get(ctx, d.at(path))
		switch issuer := a.field("issuer"); {
		case err != nil:
			results = append(results, d.unreached(s, err))
		case a.status != http.StatusOK:
			results = append(results, s.failed(a.says(), "Send this path to Keymaker: `keymaker snippet` prints how."))
		case issuer != d.Config.Issuer():
			results = append(results, s.failed(fmt.Sprintf("the issuer is %.200q, and not %q", issuer, d.Config.Issuer()), "Send this path to the server of this configuration, and to no other."))
		default:
			results = append(results, s.ok("the issuer is "+issuer))
		}
	}
	return results
}

// clientDiscovery looks where clients look for the homeserver of a user id.
func (d *Doctor) clientDiscovery(ctx context.Context) []Result {
	address := "https://" + d.Config.ServerName + clientPath
	if u, err := url.Parse(d.Config.Issuer()); err == nil && (u.Host == d.Config.ServerName || u.Hostname() == d.Config.ServerName) {
		address = d.at(clientPath)
	}
	s := step{"client.wellknown", "asked " + address}
	if d.tuwunel {
		return []Result{s.skipped(ofTuwunel)}
	}
	a, err := d.get(ctx, address)
	base := a.field("m.homeserver", "base_url")
	switch {
	case err != nil && strings.HasPrefix(address, d.at("/")):
		return []Result{d.unreached(s, err)}
	case err != nil:
		return []Result{s.failed(err.Error(), "Let this address answer: clients look there for the homeserver.")}
	case a.status != http.StatusOK:
		return []Result{s.failed(a.says(), "Send this path to Keymaker: `keymaker snippet` prints how.")}
	case strings.TrimSuffix(base, "/") != strings.TrimSuffix(d.Config.Issuer(), "/"):
		return []Result{s.failed(fmt.Sprintf("base_url is %.200q", base), fmt.Sprintf("Let it be %q, or send this path to Keymaker.", d.Config.Issuer()))}
	}
	if a.header.Get("Access-Control-Allow-Origin") != "*" {
		return []Result{s.failed("pages of other sites cannot read it", openToAll)}
	}
	return []Result{s.ok("base_url is " + base)}
}

const (
	clientPath = "/.well-known/matrix/client"
	openToAll  = "Let the answer have exactly one header Access-Control-Allow-Origin: *. Keymaker sends it; a reverse proxy must neither remove it nor add another."
)

// cors looks as a client in a browser does.
func (d *Doctor) cors(ctx context.Context) []Result {
	var results []Result
	for _, path := range []string{discoveryPath, "/_tuwunel/oidc/registration"} {
		s := step{"client.cors", "asked " + d.at(path) + " as a page of another site would"}
		a, err := d.ask(ctx, http.MethodOptions, d.at(path), "", origin,
			[2]string{"Access-Control-Request-Method", http.MethodPost}, [2]string{"Access-Control-Request-Headers", "content-type"})
		switch {
		case err != nil:
			results = append(results, d.unreached(s, err))
		case len(a.header.Values("Access-Control-Allow-Origin")) != 1 || a.header.Get("Access-Control-Allow-Origin") != "*":
			results = append(results, s.failed(fmt.Sprintf("%s, with %d headers Access-Control-Allow-Origin", a.says(), len(a.header.Values("Access-Control-Allow-Origin"))), openToAll))
		default:
			results = append(results, s.ok("every page may ask"))
		}
	}
	return results
}
