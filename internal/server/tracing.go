package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"

	"keymaker/internal/build"
	"keymaker/internal/telemetry"
	"keymaker/internal/tracing"
)

// openTracer makes what traces, by the first configuration, and has the log say
// to which trace a line belongs.
func openTracer(ctx context.Context, o *Options, metrics *telemetry.Metrics) (*tracing.Tracer, error) {
	tracer := tracing.New(tracing.Options{ServerName: o.Config.ServerName, Version: build.Read().Version, Clock: o.Clock, Logger: o.Logger, Observe: metrics.Spans})
	o.Logger = slog.New(tracer.Logged(o.Logger.Handler()))
	return tracer, tracer.Follow(ctx, o.Config.Tracing)
}

// tracedClient is what asks the identity providers.
func (s *Server) tracedClient() *http.Client {
	var c http.Client
	if s.httpClient != nil {
		c = *s.httpClient
	}
	c.Transport = s.tracer.Transport(cmp.Or(c.Transport, http.DefaultTransport), tracing.IdentityProviders,
		func(r *http.Request) string { return "identity provider " + r.Method })
	return &c
}
