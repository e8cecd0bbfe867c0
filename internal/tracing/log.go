package tracing

import (
	"context"
	"log/slog"
)

// Logged adds the id of the trace to what is logged in the context of one.
func (t *Tracer) Logged(next slog.Handler) slog.Handler { return &logged{next, t} }

type logged struct {
	next   slog.Handler
	tracer *Tracer
}

// Enabled implements slog.Handler.
func (h *logged) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *logged) Handle(ctx context.Context, r slog.Record) error {
	if h.tracer.On() {
		if id := ID(ctx); id != "" {
			r.AddAttrs(slog.String("trace_id", id))
		}
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *logged) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logged{h.next.WithAttrs(attrs), h.tracer}
}

// WithGroup implements slog.Handler.
func (h *logged) WithGroup(name string) slog.Handler {
	return &logged{h.next.WithGroup(name), h.tracer}
}
