package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"gorm.io/gorm"
)

// errTurnLost is of a turn whose batch SQLite has rolled back.
var errTurnLost = errors.New("the transaction was rolled back by the database")

// turn is a transaction of the writer: GORM's, and whoever calls it has the
// connection until it ends.
type turn struct {
	writer *writer
	batch  *batch
	ctx    context.Context //nolint:containedctx // as sql.Tx has: it ends the turn
	first  bool            // has the transaction itself, and no savepoint
	stop   func() bool     // of what waits for the end of ctx

	mu    sync.Mutex
	ended error // what is answered after the end; nil before
	// doubt: the transaction may be gone, for SQLite rolls all of it back after
	// some errors. Those of rows are seen by whoever reads them.
	doubt bool
}

var (
	_ gorm.ConnPool    = (*turn)(nil)
	_ gorm.TxCommitter = (*turn)(nil)
)

// ExecContext implements gorm.ConnPool.
func (t *turn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	// No context ends a statement: that would roll back what others wrote.
	result, err := t.batch.conn.ExecContext(context.WithoutCancel(ctx), query, args...)
	t.doubt = err != nil
	return result, err
}

// QueryContext implements gorm.ConnPool.
func (t *turn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	t.doubt = true
	return t.batch.conn.QueryContext(context.WithoutCancel(ctx), query, args...) //nolint:sqlclosecheck // whoever asked closes it
}

// QueryRowContext implements gorm.ConnPool.
func (t *turn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.usable(ctx) != nil {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return t.writer.pool.QueryRowContext(ctx, query, args...) // a row that is an error
	}
	t.doubt = true
	return t.batch.conn.QueryRowContext(context.WithoutCancel(ctx), query, args...)
}

// PrepareContext implements gorm.ConnPool.
func (t *turn) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	return t.batch.conn.PrepareContext(context.WithoutCancel(ctx), query) //nolint:sqlclosecheck // whoever asked closes it
}

// usable is why there can be no more statements, or nil.
func (t *turn) usable(ctx context.Context) error {
	if t.ended != nil {
		return t.ended
	}
	if err := errors.Join(t.ctx.Err(), ctx.Err()); err != nil {
		return err
	}
	return t.certain()
}

// certain is an error if the transaction is gone.
func (t *turn) certain() error {
	if !t.doubt || t.batch.broken != nil {
		return t.batch.broken
	}
	// Within a transaction there cannot be another.
	if _, err := t.batch.conn.ExecContext(context.WithoutCancel(t.ctx), "BEGIN"); err == nil {
		t.batch.fail(errTurnLost)
	}
	t.doubt = false
	return t.batch.broken
}

// Commit implements gorm.TxCommitter. It returns when all of the batch is on the
// disk; the error wraps ErrUnavailable if it is not. After the end of the turn's
// context it rolls back, and the error is the context's.
func (t *turn) Commit() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return t.ended
	}
	if err := t.ctx.Err(); err != nil {
		t.undo(err)
		return err
	}
	t.finish(sql.ErrTxDone)
	if err := t.certain(); err == nil && !t.first {
		if err := t.exec("RELEASE " + savepoint); err != nil {
			t.batch.fail(err)
		}
	}
	t.writer.next(t.ctx)
	<-t.batch.over
	return t.batch.err
}

// Rollback implements gorm.TxCommitter. Whoever gives up may do so because of
// what others of the batch wrote. So it returns when it is known whether that is
// on the disk; if it is not, the error wraps ErrUnavailable, and what was read is
// not so.
func (t *turn) Rollback() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return t.ended
	}
	if t.undo(sql.ErrTxDone); t.first {
		return nil
	}
	<-t.batch.over
	if t.batch.err != nil {
		return fmt.Errorf("what was read has not been stored: %w", t.batch.err)
	}
	return nil
}

// abandoned rolls back what nobody has ended before its context.
func (t *turn) abandoned() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.undo(t.ctx.Err())
	}
}

// undo takes back what the turn wrote, and gives it on.
func (t *turn) undo(why error) {
	t.finish(why)
	if t.first { // then nobody has come after it
		t.writer.drop(t.ctx)
		return
	}
	if t.batch.broken == nil {
		if err := t.exec("ROLLBACK TO " + savepoint + "; RELEASE " + savepoint); err != nil {
			t.batch.fail(err)
		}
	}
	t.writer.next(t.ctx)
}

func (t *turn) finish(why error) {
	t.ended = why
	t.stop()
}

func (t *turn) exec(statement string) error {
	_, err := t.batch.conn.ExecContext(context.WithoutCancel(t.ctx), statement)
	return err
}
