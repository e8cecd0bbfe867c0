package store

import (
	"context"

	"go.opentelemetry.io/otel/attribute"

	"keymaker/internal/tracing"
)

// system says which database it is.
func (s *Store) system() attribute.KeyValue {
	if s.postgres {
		return attribute.String("db.system.name", "postgresql")
	}
	return attribute.String("db.system.name", "sqlite")
}

// traceTransaction makes a part of a trace of a transaction that begins in ctx,
// from when it is asked for; nil where nothing is traced.
func (s *Store) traceTransaction(ctx context.Context) (context.Context, *tracing.Span) {
	if !s.tracer.On() {
		return ctx, nil
	}
	return s.tracer.Start(ctx, "database transaction", s.system())
}
