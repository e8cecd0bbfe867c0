package store

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"gorm.io/gorm"

	"keymaker/internal/tracing"
)

// traced is what GORM's kinds of statements are called in a trace.
var traced = map[string]string{"create": "insert", "query": "select", "update": "update", "delete": "delete", "row": "select", "raw": "execute"}

// spanSetting is where a statement keeps its span.
const spanSetting = "keymaker:span"

// traceStatements makes a part of a trace of every statement that belongs to one.
// It says which operation on which table it is, and never what it asks or writes.
func (s *Store) traceStatements(db *gorm.DB) error {
	if s.tracer == nil {
		return nil
	}
	before := func(operation string) func(*gorm.DB) {
		name := attribute.String("db.operation.name", operation)
		return func(db *gorm.DB) {
			if !s.tracer.On() || db.DryRun {
				return
			}
			if _, span := s.tracer.Start(db.Statement.Context, "database "+operation, s.system(), name, attribute.String("db.collection.name", db.Statement.Table)); span != nil {
				db.Statement.Settings.Store(spanSetting, span)
			}
		}
	}
	after := func(db *gorm.DB) {
		if !s.tracer.On() {
			return
		}
		kept, _ := db.Statement.Settings.LoadAndDelete(spanSetting)
		if span, ok := kept.(*tracing.Span); ok {
			err := db.Error
			if errors.Is(err, gorm.ErrRecordNotFound) {
				err = nil // an answer
			}
			span.End(err)
		}
	}
	return onStatements(db, "trace", func(kind string) func(*gorm.DB) { return before(traced[kind]) }, always(after))
}

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
