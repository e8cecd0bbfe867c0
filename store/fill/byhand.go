package fill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"keymaker/internal/secret"
)

// Refresher makes the changes of a refresh by hand, as the plainest program
// would: two prepared statements in one transaction, and nothing read or
// checked.
type Refresher struct {
	db             *sql.DB
	update, insert *sql.Stmt
}

// Refresher prepares the changes.
func (d *Database) Refresher(ctx context.Context) (*Refresher, error) {
	r := &Refresher{db: d.db}
	var err error
	if r.update, err = d.db.PrepareContext(ctx, d.bind(`UPDATE sessions SET generation = generation + 1, generation_used_at = NULL,
		previous_refresh_hash = refresh_hash, refresh_hash = ?, previous_seed = successor_seed, successor_seed = ?, rotated_at = ?
		WHERE id = ?`)); err != nil {
		return nil, fmt.Errorf("prepare the update of a session: %w", err)
	}
	if r.insert, err = d.db.PrepareContext(ctx, d.bind(`INSERT INTO access_tokens (token_hash, session_id, generation, issued_at, expires_at)
		VALUES (?, ?, 1, ?, ?)`)); err != nil {
		return nil, fmt.Errorf("prepare the insert of an access token: %w", err)
	}
	return r, nil
}

// Refresh changes the rows of one refresh of the session of that id, in one
// transaction. It is safe for concurrent use.
func (r *Refresher) Refresh(ctx context.Context, id string) error {
	now := time.Now()
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	update, insert := tx.StmtContext(ctx, r.update), tx.StmtContext(ctx, r.insert)
	defer func() { _ = errors.Join(update.Close(), insert.Close()) }()
	if _, err = update.ExecContext(ctx, secret.Bytes(32), secret.Bytes(16), now.UnixMilli(), id); err == nil {
		_, err = insert.ExecContext(ctx, secret.Bytes(32), id, now.UnixMilli(), now.Add(time.Hour).UnixMilli())
	}
	if err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("refresh by hand: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
