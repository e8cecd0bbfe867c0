package tracing

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

type spanKey struct{}

// Span is something that is being done. A nil one is not traced, and does
// nothing.
type Span struct {
	span  trace.Span
	by    *tracing
	up    *Span // of which it is a part; nil for none
	ended atomic.Bool
}

// from is the span in a context that has not ended: what goes on after a
// transaction, in its context, is no part of it. It is nil for none.
func from(ctx context.Context) *Span {
	s, _ := ctx.Value(spanKey{}).(*Span)
	for s != nil && s.ended.Load() {
		s = s.up
	}
	return s
}

// ID is the id of the trace that a context belongs to; "" for none.
func ID(ctx context.Context) string {
	if s, _ := ctx.Value(spanKey{}).(*Span); s != nil {
		return s.span.SpanContext().TraceID().String()
	}
	return ""
}

// Start begins a part of what is traced in ctx; nil, and ctx as it is, where
// nothing is. The name and the attributes are the program's own, and hold nothing
// that was sent, read or answered.
func (t *Tracer) Start(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, *Span) {
	if !t.On() {
		return ctx, nil
	}
	parent := from(ctx)
	if parent == nil || !parent.span.IsRecording() {
		return ctx, nil
	}
	return parent.child(ctx, name, trace.SpanKindInternal, attributes)
}

// Begin is Start for work that nobody has asked for by a request: where nothing
// is traced in ctx, a trace begins.
func (t *Tracer) Begin(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, *Span) {
	if !t.On() {
		return ctx, nil
	}
	if from(ctx) != nil {
		return t.Start(ctx, name, attributes...)
	}
	c := t.current.Load()
	if c == nil {
		return ctx, nil
	}
	return c.begin(ctx, trace.SpanContext{}, name, trace.SpanKindInternal, attributes)
}

func (s *Span) child(ctx context.Context, name string, kind trace.SpanKind, attributes []attribute.KeyValue) (context.Context, *Span) {
	return s.by.begin(ctx, s.span.SpanContext(), name, kind, attributes)
}

// begin begins a span of a parent, or a trace without one.
func (c *tracing) begin(ctx context.Context, parent trace.SpanContext, name string, kind trace.SpanKind, attributes []attribute.KeyValue) (context.Context, *Span) {
	under := context.Background() // which holds nothing that the SDK could take along
	if parent.IsValid() {
		under = trace.ContextWithSpanContext(under, parent)
	}
	_, span := c.tracer.Start(under, name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
	s := &Span{span: span, by: c, up: from(ctx)}
	return context.WithValue(ctx, spanKey{}, s), s
}

// Set adds to what a span says, by the rule of Start.
func (s *Span) Set(attributes ...attribute.KeyValue) {
	if s != nil {
		s.span.SetAttributes(attributes...)
	}
}

// End ends a span. Of an error it says only of which kind it is.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.span.SetAttributes(attribute.String("error.type", kindOf(err)))
		s.span.SetStatus(codes.Error, "")
	}
	s.end()
}

func (s *Span) end() {
	s.ended.Store(true)
	s.span.End()
}

// kindOf is a word for an error, whose text may hold what nobody may read.
func kindOf(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "_OTHER"
}
