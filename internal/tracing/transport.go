package tracing

import (
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Transport has requests to somebody traced as parts of what asks them: peer is
// Homeserver or IdentityProviders, and name says what a request is, in words of
// the program. It is nil only if next is; a nil Tracer returns next.
func (t *Tracer) Transport(next http.RoundTripper, peer string, name func(*http.Request) string) http.RoundTripper {
	if t == nil {
		return next
	}
	return &transport{next: next, tracer: t, peer: peer, name: name}
}

type transport struct {
	next   http.RoundTripper
	tracer *Tracer
	peer   string
	name   func(*http.Request) string
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	parent := from(r.Context())
	if parent == nil || !t.tracer.On() || !parent.span.IsRecording() {
		return t.next.RoundTrip(r)
	}
	ctx, span := parent.child(r.Context(), t.name(r), trace.SpanKindClient,
		[]attribute.KeyValue{attribute.String("http.request.method", r.Method), attribute.String("peer.service", t.peer)})
	r = r.Clone(ctx) // a RoundTripper changes no request that it is given
	if slices.Contains(parent.by.config.PropagateTo, t.peer) {
		propagation.TraceContext{}.Inject(trace.ContextWithSpan(ctx, span.span), propagation.HeaderCarrier(r.Header))
	}
	answer, err := t.next.RoundTrip(r)
	if err == nil {
		span.Set(attribute.Int("http.response.status_code", answer.StatusCode))
		if answer.StatusCode >= http.StatusBadRequest {
			span.span.SetStatus(codes.Error, "")
		}
	}
	span.End(err)
	return answer, err
}

// CloseIdleConnections is what http.Client.CloseIdleConnections looks for.
func (t *transport) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}
