package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

const (
	// batchTurns is how many transactions share a commit at most, and batchTime
	// how long the first of them waits for those that come after it.
	batchTurns = 64
	batchTime  = 5 * time.Millisecond

	savepoint = "turn"
)

// writer is the one connection of SQLite that writes. Transactions that wait for
// it at the same time share a commit, so that the disk is waited for once: the
// first begins, each other one is a savepoint (a turn), and none returns from its
// Commit before all of it is on the disk. Nobody waits for companions that are
// not there yet.
//
// It is what GORM knows as a pool of connections.
type writer struct {
	pool  *sql.DB // of one connection
	queue queue
	// batch is what the turns are part of, nil between two: it is of whoever has
	// the turn.
	batch *batch
	// fresh: the next connection is another one, to be set up.
	fresh bool
	// most and longest are batchTurns and batchTime.
	most    int
	longest time.Duration
}

var (
	_ gorm.ConnPool         = (*writer)(nil)
	_ gorm.ConnPoolBeginner = (*writer)(nil)
	_ gorm.GetDBConnector   = (*writer)(nil)
)

func newWriter(pool *sql.DB) *writer {
	return &writer{pool: pool, most: batchTurns, longest: batchTime}
}

// batch is one transaction of SQLite.
type batch struct {
	conn  *sql.Conn
	began time.Time
	turns int // begun
	// broken is why nothing of it can be kept.
	broken error
	over   chan struct{} // closed when err is known
	err    error
}

// GetDBConn implements gorm.GetDBConnector. Whoever uses what it returns waits
// for the end of a batch, and batches for them.
func (w *writer) GetDBConn() (*sql.DB, error) { return w.pool, nil }

// BeginTx implements gorm.ConnPoolBeginner: it waits for a turn. The turn ends
// with Commit, Rollback or ctx.
func (w *writer) BeginTx(ctx context.Context, _ *sql.TxOptions) (gorm.ConnPool, error) {
	t, err := w.begin(ctx)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (w *writer) begin(ctx context.Context) (*turn, error) {
	if err := w.queue.take(ctx, urgencyOf(ctx) == lengthy); err != nil {
		return nil, err
	}
	err := ctx.Err()
	switch {
	case err != nil:
	case w.batch == nil:
		w.batch, err = w.first(ctx)
	default:
		if _, err = w.batch.conn.ExecContext(context.WithoutCancel(ctx), "SAVEPOINT "+savepoint); err != nil {
			w.batch.fail(err)
		}
	}
	if err != nil {
		w.next(ctx)
		return nil, err
	}
	w.batch.turns++
	t := &turn{writer: w, batch: w.batch, ctx: ctx, first: w.batch.turns == 1}
	t.mu.Lock() // ctx may have ended by now: what waits for that waits for stop
	defer t.mu.Unlock()
	t.stop = context.AfterFunc(ctx, t.abandoned)
	return t, nil
}

// first begins a batch. It waits for other processes as long as SQLite does.
func (w *writer) first(ctx context.Context) (*batch, error) {
	conn, err := w.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if w.fresh {
		if _, err := conn.ExecContext(context.WithoutCancel(ctx), setCheckpoint); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		w.fresh = false
	}
	// The transaction belongs to those who join as well: no context ends it.
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "BEGIN IMMEDIATE"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &batch{conn: conn, began: time.Now(), over: make(chan struct{})}, nil //nolint:forbidigo // a duration, not a point in time
}

// next gives the turn on: to somebody who joins the batch, or after its commit to
// whoever begins another.
func (w *writer) next(ctx context.Context) {
	if b := w.batch; b != nil && (!w.open(b) || !w.queue.joins()) {
		w.batch = nil
		w.end(ctx, b)
	}
	w.queue.give()
}

// open tells whether one more may join.
func (w *writer) open(b *batch) bool {
	return b.broken == nil && b.turns < w.most && time.Since(b.began) < w.longest
}

// fail makes nothing of the batch be kept.
func (b *batch) fail(err error) {
	if b.broken == nil {
		b.broken = err
	}
}

// end commits a batch, and tells all that are in it what became of it.
func (w *writer) end(ctx context.Context, b *batch) {
	err := b.broken
	if err == nil {
		_, err = b.conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	}
	if err != nil {
		b.err = fmt.Errorf("commit: %w: %w", ErrUnavailable, err)
		_, _ = b.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // it may be done
		w.discard(b)
	} else {
		_ = b.conn.Close() // gives it back
	}
	close(b.over)
}

// drop ends a batch of which nothing is kept, and gives the turn on.
func (w *writer) drop(ctx context.Context) {
	b := w.batch
	w.batch = nil
	if _, err := b.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err != nil {
		w.discard(b)
	} else {
		_ = b.conn.Close() // gives it back
	}
	close(b.over)
	w.queue.give()
}

// discard closes a connection of which nobody knows how far it is, and with it
// whatever it has not committed.
func (w *writer) discard(b *batch) {
	_ = b.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = b.conn.Close()
	w.fresh = true
}

// ExecContext implements gorm.ConnPool: the statement is a turn of its own.
func (w *writer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	t, err := w.begin(ctx)
	if err != nil {
		return nil, err
	}
	result, err := t.ExecContext(ctx, query, args...)
	if err == nil {
		return result, t.Commit()
	}
	if lost := t.Rollback(); lost != nil {
		return nil, lost
	}
	return nil, err
}

// QueryContext implements gorm.ConnPool. Its rows keep the connection until they
// are closed, so what they change shares its commit with nobody.
func (w *writer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := w.queue.take(ctx, true); err != nil {
		return nil, err
	}
	defer w.queue.give()
	return w.pool.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // whoever asked closes it
}

// QueryRowContext implements gorm.ConnPool, as QueryContext.
func (w *writer) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := w.queue.take(ctx, true); err == nil {
		defer w.queue.give()
	}
	return w.pool.QueryRowContext(ctx, query, args...) // which refuses a context that has ended
}

// PrepareContext implements gorm.ConnPool.
func (w *writer) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := w.queue.take(ctx, true); err != nil {
		return nil, err
	}
	defer w.queue.give()
	return w.pool.PrepareContext(ctx, query) //nolint:sqlclosecheck // whoever asked closes it
}

// stats are the pool's, with those who wait for a turn.
func (w *writer) stats() sql.DBStats {
	stats := w.pool.Stats()
	waits, waited := w.queue.stats()
	stats.WaitCount += waits
	stats.WaitDuration += waited
	return stats
}
