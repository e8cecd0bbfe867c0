// Package tracing makes OpenTelemetry spans of what the server does, and hands
// them to a collector over OTLP. What is in a span is chosen by the program: the
// template of a route, the name of an operation, a status. Nothing that was sent,
// read or answered is in one.
//
// Spans travel in a context under a key of this package, so that no library finds
// them that would add spans of its own: those hold the texts of errors.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
)

// Config is [global.tracing].
type Config struct {
	// Endpoint is where the collector takes OTLP over HTTP, without /v1/traces; ""
	// for no tracing.
	Endpoint string
	// Headers are what it is sent with each request, by name.
	Headers map[string]secret.Text
	// OneIn is of how many requests and jobs one is traced.
	OneIn int
	// AcceptParent takes over the trace of a request from a trusted proxy.
	AcceptParent bool
	// PropagateTo are who is sent the trace with what they are asked: Homeserver,
	// IdentityProviders.
	PropagateTo []string
}

// Enabled tells whether anything is traced.
func (c Config) Enabled() bool { return c.Endpoint != "" }

// Whom the server asks.
const (
	Homeserver        = "homeserver"
	IdentityProviders = "identity_providers"
)

// What becomes of spans, as Options.Observe is told it.
const (
	Sent    = "sent"    // the collector has them
	Dropped = "dropped" // there were too many for what the collector takes
	Failed  = "failed"  // the collector did not take them
)

// closeTimeout is how long spans may take to be sent at the end.
const closeTimeout = 5 * time.Second

// Options are what a Tracer is made of.
type Options struct {
	// ServerName and Version are said with every span.
	ServerName, Version string
	Clock               clock.Clock
	// Logger is told, now and then, that the collector does not take spans.
	Logger *slog.Logger
	// Observe is told what became of how many spans; nil for nobody.
	Observe func(outcome string, spans int)
}

// Tracer traces, or does nothing: as long as no configuration asks for it, and
// where it is nil. It is safe for concurrent use.
type Tracer struct {
	options Options
	current atomic.Pointer[tracing]
	ending  sync.WaitGroup
}

// tracing is what is made of one configuration.
type tracing struct {
	config   Config
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	exporter *exporter
}

// New returns a Tracer that does nothing yet.
func New(o Options) *Tracer { return &Tracer{options: o} }

// On tells whether anything is traced.
func (t *Tracer) On() bool { return t != nil && t.current.Load() != nil }

// Follow takes a configuration into use. Spans that have begun end by the one of
// before, and are sent for as long as closeTimeout.
func (t *Tracer) Follow(ctx context.Context, c Config) error {
	if old := t.current.Load(); old != nil && same(old.config, c) {
		return nil
	}
	var next *tracing
	if c.Enabled() {
		var err error
		if next, err = t.open(ctx, c); err != nil {
			return fmt.Errorf("global.tracing: %w", err)
		}
	}
	if old := t.current.Swap(next); old != nil {
		t.ending.Go(func() { _ = old.close(context.WithoutCancel(ctx)) }) // what could not be sent is counted
	}
	return nil
}

// Close sends what there is, for as long as closeTimeout, and ends the tracing.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	old := t.current.Swap(nil)
	defer t.ending.Wait()
	if old == nil {
		return nil
	}
	return old.close(ctx)
}

func same(a, b Config) bool {
	return a.Endpoint == b.Endpoint && a.OneIn == b.OneIn && a.AcceptParent == b.AcceptParent &&
		maps.Equal(a.Headers, b.Headers) && slices.Equal(a.PropagateTo, b.PropagateTo)
}

func (t *Tracer) open(ctx context.Context, c Config) (*tracing, error) {
	exporter, err := newExporter(ctx, c, t.options)
	if err != nil {
		return nil, err
	}
	resource := sdkresource.NewSchemaless(
		attribute.String("service.name", "keymaker"), attribute.String("service.namespace", t.options.ServerName), attribute.String("service.version", t.options.Version))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource), sdktrace.WithoutPanicRecording(), sdktrace.WithSpanProcessor(exporter.processor()),
		// Of a parent that is accepted it is taken over whether it is traced.
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(1/float64(max(c.OneIn, 1))))),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{AttributeValueLengthLimit: 256, AttributeCountLimit: 16, EventCountLimit: 0, LinkCountLimit: 0}),
	)
	return &tracing{config: c, provider: provider, tracer: provider.Tracer("keymaker"), exporter: exporter}, nil
}

func (c *tracing) close(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	err := c.provider.Shutdown(limited)
	c.exporter.stop()
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("spans were not sent within %s", closeTimeout)
	}
	return err
}
