// Package upstream signs people in at identity providers, as a relying party
// of OpenID Connect or a client of GitHub, and decides which Matrix user a
// person is.
package upstream

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/outbound"
	"keymaker/internal/picture"
)

// Options are what a provider needs besides its configuration. Every field may
// be left out.
type Options struct {
	// HTTPClient gives the transport of all requests, and their time limit where
	// it has one that is shorter than 10 s. Size limits (1 MiB an answer) and the
	// rules for redirects are added to it.
	HTTPClient *http.Client
	Clock      clock.Clock
	Logger     *slog.Logger
	// Reach is which addresses pictures are fetched from that are on no host of
	// the configuration.
	Reach outbound.Reach
}

// Provider is one configured identity provider. It is safe for concurrent use.
type Provider struct {
	config      config.IdentityProvider
	callbackURL string
	clock       clock.Clock
	log         *slog.Logger
	fetcher     *http.Client // for documents: strict
	poster      *http.Client // for forms with credentials
	keyFetcher  *http.Client // for key sets: strict, and seldom
	own         *http.Client // for pictures on the configured hosts
	strangers   *http.Client // for pictures anywhere else
	sites       cache[site]
	// inBody: the provider does not say how clients authenticate, and has
	// refused the Authorization header.
	inBody atomic.Bool
}

// New returns a provider whose answers come to callbackURL. It makes no
// request: the provider is first asked when it is first used, and may be down
// until then.
func New(c config.IdentityProvider, callbackURL string, o Options) *Provider {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Provider{
		config:      c,
		callbackURL: callbackURL,
		clock:       o.Clock,
		log:         o.Logger.With("provider", c.ClientID),
		fetcher:     newClient(o.HTTPClient, true),
		poster:      newClient(o.HTTPClient, false),
		own:         outbound.NewFor(outbound.Anywhere, picture.MaxFile),
		strangers:   outbound.NewFor(o.Reach, picture.MaxFile),
	}
	p.keyFetcher = &http.Client{Transport: newKeyTransport(p.fetcher, o.Clock)}
	p.sites.clock = o.Clock
	p.sites.load = p.load
	p.sites.stale = func(err error) {
		p.log.Warn("the provider's configuration could not be renewed; the last one stays in use", "error", err)
	}
	return p
}

// ID is the provider's id: its client_id.
func (p *Provider) ID() string { return p.config.ClientID }

// Config is the configuration that the provider was made of.
func (p *Provider) Config() config.IdentityProvider { return p.config }

// secret is the client secret; "" for a public client. A file is read at each
// use, so that it can be replaced without a restart.
func (p *Provider) secret() (string, error) {
	if s := p.config.ClientSecret.Reveal(); s != "" || p.config.ClientSecretFile == "" {
		return s, nil
	}
	data, err := os.ReadFile(p.config.ClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("%w: read the client secret: %w", ErrUnavailable, err)
	}
	return strings.TrimSpace(string(data)), nil
}
