// Package server puts the rooms together: it opens the database, composes the
// authorization server, connects the identity providers and serves all of it.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"keymaker/handlers"
	"keymaker/internal/build"
	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/jobs"
	"keymaker/internal/probe"
	"keymaker/internal/secret"
	"keymaker/internal/telemetry"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// Options are what a Server is made of. Clock, Logger and HTTPClient may be
// left out.
type Options struct {
	Config *config.Config
	Clock  clock.Clock
	Logger *slog.Logger
	// HTTPClient speaks to the identity providers.
	HTTPClient *http.Client
}

// Server is a configured server that does not listen yet.
type Server struct {
	config   *config.Config
	store    *store.Store
	provider *provider.Provider
	jobs     *jobs.Runner
	handler  *handlers.Server
	clock    clock.Clock
	log      *slog.Logger
	metrics  *telemetry.Metrics
	// upstreams are the identity providers, in the order of the configuration.
	upstreams []*upstream.Provider
}

// With one half of the prerequisites the OAuth server does not start.
const (
	warnNoWellKnown = "OIDC server (Next-gen auth) requires `well_known.client` to be configured to serve your `identity_provider`."
	warnNoProvider  = "No identity provider is configured: the OIDC server (Next-gen auth) does not start. Add an `[[global.identity_provider]]`."
)

// pictureJobs is how many pictures are fetched at a time from wherever identity
// providers say they are.
const pictureJobs = 2

// New opens everything that the server needs, and reaches out to nobody: an
// identity provider that is down does not keep the server from starting.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	warn(ctx, o.Config, o.Logger)
	sealer, err := openSecrets(o.Config)
	if err != nil {
		return nil, err
	}
	metrics := telemetry.NewMetrics(build.Read().Version)
	db, err := store.Open(ctx, store.Options{URL: o.Config.Database.URL, ServerName: o.Config.ServerName, Clock: o.Clock, Sealer: sealer,
		Logger: o.Logger, Exclusive: true, Notices: o.Config.SMTP.Enabled(), Outbox: o.Config.Homeserver.Remote(), NoPictures: !o.Config.KeepsPictures(), Observe: metrics.Database})
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	s := &Server{config: o.Config, store: db, clock: o.Clock, log: o.Logger, metrics: metrics}
	metrics.Watch(s.state)
	if s.handler, err = s.assemble(ctx, o, sealer); err != nil {
		if errors.Is(err, secret.ErrSealed) {
			err = fmt.Errorf("secret_file %s is not the one that the database was sealed with: %w", filepath.Clean(o.Config.SecretFile), err)
		}
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Close closes the database. It must not be called while the server serves.
func (s *Server) Close() error { return s.store.Close() }

// Store is the open database, for tests that count and look.
func (s *Server) Store() *store.Store { return s.store }

// Metrics are what the server has counted.
func (s *Server) Metrics() *telemetry.Metrics { return s.metrics }

// TurnKeys does with the signing keys what Serve does at intervals.
func (s *Server) TurnKeys(ctx context.Context) error { return s.provider.TurnKeys(ctx) }

// RunJobs does the jobs that are due, one after the other, as Serve does at
// once, and returns how many those were.
func (s *Server) RunJobs(ctx context.Context) (int, error) { return s.jobs.RunDue(ctx) }

// ShareLimits does with the rate limits what Serve does once a second.
func (s *Server) ShareLimits(ctx context.Context) error { return s.handler.ShareLimits(ctx) }

// ServeHTTP implements http.Handler, for tests that bring their own listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func warn(ctx context.Context, c *config.Config, log *slog.Logger) {
	for _, w := range c.Warnings {
		log.WarnContext(ctx, w)
	}
	switch {
	case c.OAuthEnabled():
	case len(c.IdentityProviders) > 0:
		log.WarnContext(ctx, warnNoWellKnown)
	case c.WellKnown.Client != "":
		log.WarnContext(ctx, warnNoProvider)
	}
	for _, p := range c.IdentityProviders {
		if c.CallbackURL(p) == "" {
			log.WarnContext(ctx, "identity provider "+p.ClientID+" is listed, but nobody can sign in with it: set its `callback_url` or `well_known.client`")
		}
	}
}

// openSecrets reads the master key. Beside a SQLite file it is made when it is
// missing; several servers on one PostgreSQL must be given the same.
func openSecrets(c *config.Config) (*secret.Sealer, error) {
	read := secret.ReadKey
	if strings.HasPrefix(c.Database.URL.Reveal(), "sqlite:") {
		read = secret.ReadOrCreateKey
	}
	key, err := read(c.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("secret_file %s: %w", filepath.Clean(c.SecretFile), err)
	}
	return secret.NewSealer(key)
}

func (s *Server) assemble(ctx context.Context, o Options, sealer *secret.Sealer) (*handlers.Server, error) {
	home, tasks, err := s.openHome()
	if err != nil {
		return nil, err
	}
	pages, err := templates.New(templates.Options{ServerName: o.Config.ServerName, Branding: o.Config.Branding})
	if err != nil {
		return nil, err
	}
	s.provider, err = provider.New(ctx, provider.Options{Config: o.Config, Store: s.store, Homeserver: home, Languages: languages(pages), Clock: o.Clock, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	formKey, err := sealer.Derive("forms")
	if err != nil {
		return nil, err
	}
	limitKey, err := sealer.Derive("rate limits")
	if err != nil {
		return nil, err
	}
	for _, c := range o.Config.IdentityProviders {
		s.upstreams = append(s.upstreams, upstream.New(c, o.Config.CallbackURL(c), upstream.Options{HTTPClient: o.HTTPClient, Clock: o.Clock, Logger: o.Logger, Reach: s.provider.Reach()}))
	}
	pictures := &upstream.Pictures{Store: s.store, Providers: s.upstreams, Off: !o.Config.KeepsPictures()}
	work := s.work(pages)
	maps.Copy(work, tasks)
	maps.Copy(work, pictures.Jobs())
	s.jobs = jobs.New(jobs.Options{Store: s.store, Clock: o.Clock, Logger: o.Logger, Handlers: work, Grace: o.Config.ShutdownTimeout, Observe: s.metrics.Job,
		AtOnce: map[string]int{store.JobPicture: pictureJobs}, Limits: map[string]time.Duration{store.JobHomeserver: homeserverLimit}})
	answers := handlers.Options{
		Config: o.Config, Provider: s.provider, Upstreams: s.upstreams, Accounts: &upstream.Accounts{ServerName: o.Config.ServerName, Links: home, Localparts: home}, Logins: s.store, Account: s.store, Proofs: s.store, Resets: s.store, PictureTaker: pictures,
		Pages: pages, FormKey: formKey, LimitKey: limitKey, Limits: s.store, Clock: o.Clock, Logger: o.Logger, Health: s.health, Metrics: s.metrics,
	}
	if answers.Probe, err = probe.New(sealer); err != nil {
		return nil, err
	}
	s.answerFor(&answers)
	return handlers.New(answers)
}

// languages are the languages of the pages, for the metadata.
func languages(pages *templates.Renderer) []string {
	var tags []string
	for _, tag := range pages.Languages() {
		tags = append(tags, tag.String())
	}
	return tags
}
