package store

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"gorm.io/gorm"

	"keymaker/internal/tracing"
)

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
	c := db.Callback()
	return errors.Join(
		c.Create().Before("gorm:create").Register("keymaker:trace", before("insert")), c.Create().After("gorm:create").Register("keymaker:traced", after),
		c.Query().Before("gorm:query").Register("keymaker:trace", before("select")), c.Query().After("gorm:query").Register("keymaker:traced", after),
		c.Update().Before("gorm:update").Register("keymaker:trace", before("update")), c.Update().After("gorm:update").Register("keymaker:traced", after),
		c.Delete().Before("gorm:delete").Register("keymaker:trace", before("delete")), c.Delete().After("gorm:delete").Register("keymaker:traced", after),
		c.Row().Before("gorm:row").Register("keymaker:trace", before("select")), c.Row().After("gorm:row").Register("keymaker:traced", after),
		c.Raw().Before("gorm:raw").Register("keymaker:trace", before("execute")), c.Raw().After("gorm:raw").Register("keymaker:traced", after),
	)
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
