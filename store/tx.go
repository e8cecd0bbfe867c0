package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"keymaker/internal/tracing"
)

type txKey struct{}

// tx is a transaction that travels in a context. A nested one joins: only the
// outermost commits.
type tx struct {
	db     *gorm.DB
	joined bool
	outer  *tx // the outermost one: itself, unless it joined
	// jobs: some were added, and lanes: to be looked after at once. They are of
	// the outermost one.
	jobs  bool
	lanes []string
	// began is when the transaction was asked for.
	began time.Time
	// span is nil where it is not traced.
	span *tracing.Span
}

func txFrom(ctx context.Context) *tx {
	t, _ := ctx.Value(txKey{}).(*tx)
	return t
}

// InTx runs fn in one transaction: all it writes is kept if fn returns nil and
// nothing otherwise. A call inside another joins it. If it cannot be rolled back,
// the error is that and not fn's, which may come from what has not been stored.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, err := s.BeginTX(ctx)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // fn panicked
			_ = s.Rollback(ctx)
		}
	}()
	err = fn(ctx)
	done = true
	if err != nil {
		if lost := s.Rollback(ctx); lost != nil {
			return fmt.Errorf("%w, after: %s", lost, err.Error())
		}
		return err
	}
	return s.Commit(ctx)
}

// inBatch runs one statement that returns rows. Its rows would keep the one
// connection of SQLite that writes: in a transaction it shares a commit with
// others, as statements without rows do by themselves.
func (s *Store) inBatch(ctx context.Context, fn func(ctx context.Context) error) error {
	if s.postgres {
		return fn(ctx)
	}
	return s.InTx(ctx, fn)
}

// BeginTX begins a transaction for Commit or Rollback. It joins one that ctx already
// carries, so that a whole token request can be one.
func (s *Store) BeginTX(ctx context.Context) (context.Context, error) {
	if outer := txFrom(ctx); outer != nil {
		return context.WithValue(ctx, txKey{}, &tx{db: outer.db, joined: true, outer: outer.outer}), nil
	}
	s.transactions.Add(1)
	began := time.Now() //nolint:forbidigo // a duration, not a point in time
	outside := ctx
	ctx, span := s.traceTransaction(ctx)
	db := s.writer.WithContext(ctx).Begin()
	if db.Error != nil {
		span.End(db.Error)
		return outside, fault("begin a transaction", db.Error)
	}
	begun := &tx{db: db, began: began, span: span}
	begun.outer = begun
	return context.WithValue(ctx, txKey{}, begun), nil
}

// Commit implements fosite's storage.Transactional.
func (s *Store) Commit(ctx context.Context) error {
	t := txFrom(ctx)
	if t == nil || t.joined {
		return nil
	}
	err := fault("commit", t.db.Commit().Error)
	s.took(operationTransaction, t.began)
	t.span.End(err)
	if err == nil {
		s.added(ctx, t)
	}
	return err
}

// Rollback implements fosite's storage.Transactional. The outermost caller
// rolls back: it sees the error that made a nested one give up.
func (s *Store) Rollback(ctx context.Context) error {
	t := txFrom(ctx)
	if t == nil || t.joined {
		return nil
	}
	err := fault("roll back", t.db.Rollback().Error)
	t.span.End(err)
	return err
}
