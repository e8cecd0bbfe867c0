// Package provisioning is the client of the API by which an authorization
// server tells a homeserver which users and devices there are. Synapse has it
// where matrix_authentication_service is enabled, and Tuwunel where mas_secret
// is set.
//
// Every call may be repeated: what is done already is no error. A call that
// fails says why with one of the errors of this package, and no error holds a
// name, an address or the secret.
package provisioning

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/internal/tracing"
)

const (
	// Timeout is how long a call may take, where nothing else is said.
	Timeout = 10 * time.Second
	// SyncTimeout is how long SyncDevices may take: it adds and deletes many.
	SyncTimeout = time.Minute
	// DeleteTimeout is how long DeleteUser may take: a large account takes
	// minutes.
	DeleteTimeout = 5 * time.Minute

	connectTimeout = 5 * time.Second

	// connections is how many are open at a time, and how many may wait for the
	// next call: a new one for each call would cost more than the call.
	connections = 128
	// idleTimeout ends a connection before the homeserver (60 s) or a proxy in
	// front of it does, which would lose the call that is sent just then.
	idleTimeout = 30 * time.Second

	maxHeader = 64 << 10 // bytes
	maxBody   = 1 << 20  // bytes
)

// Options are what a Client is made of.
type Options struct {
	// Endpoint is where the homeserver answers, such as http://localhost:8008.
	// It may have a path.
	Endpoint string
	// Secret is what this server and the homeserver share.
	Secret secret.Text
	Clock  clock.Clock
	// Logger is told when the homeserver is lost, and when it is back.
	Logger *slog.Logger
	// Tracer traces the calls; nil for nobody.
	Tracer *tracing.Tracer
}

// Client calls one homeserver. It is safe for concurrent use.
type Client struct {
	base    string
	secret  secret.Text
	clock   clock.Clock
	log     *slog.Logger
	http    *http.Client
	breaker *gobreaker.CircuitBreaker[answer]
}

// New returns a Client, or what is wrong with the options. It does not ask the
// homeserver: Check does.
func New(o Options) (*Client, error) {
	base, err := baseURL(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if !presentable(o.Secret.Reveal()) {
		return nil, errors.New("the secret of the homeserver must be visible ASCII characters without spaces")
	}
	c := &Client{base: base, secret: o.Secret, clock: o.Clock, log: o.Logger, http: httpClient(o.Tracer)}
	c.breaker = newBreaker(o.Logger)
	return c, nil
}

// baseURL is what the paths of the calls are appended to.
func baseURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return "", errors.New("the endpoint of the homeserver is no URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "", errors.New("the endpoint of the homeserver must be an http or https URL")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("the endpoint of the homeserver may have a path, and nothing after it")
	}
	return fmt.Sprintf("%s://%s%s/_synapse/mas/", u.Scheme, u.Host, strings.TrimRight(u.EscapedPath(), "/")), nil
}

// presentable tells whether a secret passes through a header as it is: Synapse
// cuts the header at its spaces.
func presentable(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// httpClient talks to the homeserver itself: over HTTP/1.1, because a lost
// connection then stops one call and not all, and never through a proxy, which
// would learn the secret.
func httpClient(tracer *tracing.Tracer) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: tracer.Transport(&http.Transport{
			DialContext: (&net.Dialer{Timeout: connectTimeout}).DialContext, TLSHandshakeTimeout: connectTimeout,
			Protocols: protocols, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
			MaxConnsPerHost: connections, MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: idleTimeout,
		}, tracing.Homeserver, func(r *http.Request) string { return "homeserver " + path.Base(r.URL.Path) }), // the name of the call
	}
}
