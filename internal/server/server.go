// Package server puts the rooms together: it opens the database, composes the
// authorization server, connects the identity providers and serves all of it.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"keymaker/internal/build"
	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/secret"
	"keymaker/internal/telemetry"
	"keymaker/internal/tracing"
	"keymaker/store"
)

// Options are what a Server is made of. Clock, Logger and HTTPClient may be
// left out.
type Options struct {
	Config *config.Config
	Clock  clock.Clock
	Logger *slog.Logger
	// HTTPClient speaks to the identity providers.
	HTTPClient *http.Client
	// Load reads the configuration once more, for Reload; nil where there is none
	// to read. Reloaded is told of every one that is taken into use, the first
	// included.
	Load     func() (*config.Config, error)
	Reloaded func(*config.Config)
	// Stdout is where the audit log goes that is to go to standard output; nil for
	// nowhere.
	Stdout io.Writer
	// Notify is told how the server is doing; nil where nobody wants to know.
	Notify func(Notice)
}

// Server is a configured server that does not listen yet.
type Server struct {
	store      *store.Store
	sealer     *secret.Sealer
	clock      clock.Clock
	log        *slog.Logger
	metrics    *telemetry.Metrics
	tracer     *tracing.Tracer
	httpClient *http.Client
	load       func() (*config.Config, error)
	reloaded   func(*config.Config)
	notice     func(Notice)
	stdout     io.Writer
	reloading  sync.Mutex
	// draining: it was told to stop, and goes on for a while (see drained).
	draining atomic.Bool
	// current is made of the configuration in use.
	current atomic.Pointer[assembly]
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
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	warn(ctx, o.Config, o.Logger)
	sealer, err := openSecrets(o.Config)
	if err != nil {
		return nil, err
	}
	metrics := telemetry.NewMetrics(build.Read().Version)
	tracer, err := openTracer(ctx, &o, metrics)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Options{URL: o.Config.Database.URL, ServerName: o.Config.ServerName, Clock: o.Clock, Sealer: sealer,
		Logger: o.Logger, Exclusive: true, Notices: o.Config.SMTP.Enabled(), Outbox: o.Config.Homeserver.Remote(), NoPictures: !o.Config.KeepsPictures(), Observe: metrics.Database, Tracer: tracer})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), tracer.Close(ctx))
	}
	s := &Server{store: db, sealer: sealer, clock: o.Clock, log: o.Logger, metrics: metrics, tracer: tracer, httpClient: o.HTTPClient,
		load: o.Load, reloaded: o.Reloaded, notice: o.Notify, stdout: o.Stdout}
	metrics.Watch(s.state)
	a, err := s.assemble(ctx, o.Config)
	if err != nil {
		if errors.Is(err, secret.ErrSealed) {
			err = fmt.Errorf("secret_file %s is not the one that the database was sealed with: %w", filepath.Clean(o.Config.SecretFile), err)
		}
		return nil, errors.Join(err, db.Close(), tracer.Close(ctx))
	}
	s.use(ctx, a)
	if o.Config.Homeserver.Remote() {
		db.Prompt(func(ctx context.Context, lanes []string) { s.current.Load().jobs.Prompt(ctx, lanes) })
	}
	return s, nil
}

// Close closes the database, and sends what traces there are within a few seconds.
// It must not be called while the server serves.
func (s *Server) Close() error {
	err := s.store.Close()
	if lost := s.tracer.Close(context.Background()); lost != nil {
		s.log.Warn("traces are lost", "error", lost)
	}
	return err
}

// Store is the open database, for tests that count and look.
func (s *Server) Store() *store.Store { return s.store }

// Metrics are what the server has counted.
func (s *Server) Metrics() *telemetry.Metrics { return s.metrics }

// TurnKeys does with the signing keys what Serve does at intervals.
func (s *Server) TurnKeys(ctx context.Context) error { return s.current.Load().provider.TurnKeys(ctx) }

// RunJobs does the jobs that are due, one after the other, as Serve does at
// once, and returns how many those were.
func (s *Server) RunJobs(ctx context.Context) (int, error) { return s.current.Load().jobs.RunDue(ctx) }

// ShareLimits does with the rate limits what Serve does once a second.
func (s *Server) ShareLimits(ctx context.Context) error {
	return s.current.Load().handler.ShareLimits(ctx)
}

// ServeHTTP implements http.Handler. A request ends by the configuration that was
// in use when it came.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.current.Load().handler.ServeHTTP(w, r)
}

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
