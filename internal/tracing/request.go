package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// parentHeader is the trace that a request belongs to (W3C Trace Context §3.2).
const parentHeader = "Traceparent"

// Request begins the span of a request with an id. The trace that the request
// says it belongs to is taken over only where the configuration accepts it and the
// request comes from a trusted proxy: a stranger could have everything traced, or
// write into the traces of others. trusted is asked only then.
func (t *Tracer) Request(r *http.Request, method, id string, trusted func() bool) (context.Context, *Span) {
	c := t.current.Load()
	if c == nil {
		return r.Context(), nil
	}
	var parent trace.SpanContext
	if c.config.AcceptParent && len(r.Header[parentHeader]) == 1 && trusted() {
		parent = parentOf(r.Header)
	}
	return c.begin(r.Context(), parent, method, trace.SpanKindServer,
		[]attribute.KeyValue{attribute.String("http.request.method", method), attribute.String("keymaker.request_id", id)})
}

// parentOf is the trace in a header, without what else a vendor may have written
// beside it (tracestate).
func parentOf(h http.Header) trace.SpanContext {
	only := propagation.MapCarrier{"traceparent": h.Get(parentHeader)}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), only))
}

// Answered ends the span of a request. route is the template of its path, "" for
// none, and never the path itself.
func (s *Span) Answered(method, route string, status int) {
	if s == nil {
		return
	}
	if route != "" {
		s.span.SetName(method + " " + route)
		s.span.SetAttributes(attribute.String("http.route", route))
	}
	s.span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, "")
	}
	s.end()
}
