// Package handlers is the HTTP side of the server: the routes, what every
// request passes through, and one file for each endpoint or page. What an
// endpoint means is decided in provider/ and upstream/.
package handlers

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/probe"
	"keymaker/internal/ratelimit"
	"keymaker/internal/telemetry"
	"keymaker/internal/tracing"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// Options are what the server answers with.
type Options struct {
	Config   *config.Config
	Provider *provider.Provider
	// Upstreams are the identity providers, in the order of the configuration.
	Upstreams []*upstream.Provider
	Accounts  *upstream.Accounts
	Logins    Logins
	Account   Account
	Proofs    Proofs
	Resets    Resets
	// Matrix is the embedded homeserver surface; nil where a real homeserver
	// answers those paths.
	Matrix Matrix
	// Pictures are those of the users of the embedded surface; nil where none are
	// kept.
	Pictures Pictures
	// PictureTaker has identity providers' pictures.
	PictureTaker PictureTaker
	// Tell has a homeserver that is another program learn what it is still to be
	// told about a user, of whom a reset of the cross-signing keys was allowed. An
	// error says that it could not be told now, and will be later, or that it
	// refuses the reset. It is nil for the embedded homeserver.
	Tell  func(ctx context.Context, localpart string) error
	Pages *templates.Renderer
	// FormKey authenticates the forms of the pages, 32 bytes.
	FormKey []byte
	// LimitKey hashes whom the rate limits count, 32 bytes; Limits is where
	// servers on one database add up what they counted.
	LimitKey []byte
	Limits   ratelimit.Shared
	// Probe is what a doctor with the secret file asks by.
	Probe  *probe.Keys
	Clock  clock.Clock
	Logger *slog.Logger
	// Health is asked whether the server can work.
	Health func(ctx context.Context) []telemetry.Check
	// Metrics count what is answered.
	Metrics *telemetry.Metrics
	// Tracer traces requests; nil for nobody.
	Tracer *tracing.Tracer
}

// Matrix is what the embedded homeserver surface asks for.
type Matrix interface {
	User(ctx context.Context, localpart string) (store.User, error)
	Devices(ctx context.Context, localpart string) ([]store.Device, error)
	Device(ctx context.Context, localpart, deviceID string) (store.Device, error)
	RenameDevice(ctx context.Context, localpart, deviceID, displayName string) error
	Rendezvous
	Keys
}

// Server answers every request.
type Server struct {
	Options
	cookies   cookies
	forms     *http.CrossOriginProtection
	limits    limits
	uploads   uploads
	admission *admissions
	handler   http.Handler
	// strays are the requests that no route has.
	strays *telemetry.Route
}

// New builds the server's routes.
func New(o Options) (*Server, error) {
	s := &Server{Options: o, admission: newAdmissions()}
	var err error
	if s.cookies, err = newCookies(o.Config); err != nil {
		return nil, fmt.Errorf("prepare the cookies: %w", err)
	}
	if err := s.trustOwnForms(); err != nil {
		return nil, fmt.Errorf("prepare the forms: %w", err)
	}
	s.limits = newLimits(o)
	s.strays = o.Metrics.Route("none")
	routes := s.routes()
	router := s.router(routes)
	if o.Config.OAuthEnabled() {
		if err := checkAdvertised(o.Provider.Metadata(), answering(router, routes)); err != nil {
			return nil, fmt.Errorf("the server would advertise what it does not serve: %w", err)
		}
	}
	s.handler = s.identify(closeChunked(s.recoverPanics(direct(router, routes))))
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
