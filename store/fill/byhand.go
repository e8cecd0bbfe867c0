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
	ids            []string
}

// Refresher prepares the changes on so many sessions.
func (d *Database) Refresher(ctx context.Context, sessions int) (*Refresher, error) {
	ids, err := d.someSessions(ctx, sessions)
	if err != nil {
		return nil, err
	}
	r := &Refresher{db: d.db, ids: ids}
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

func (d *Database) someSessions(ctx context.Context, n int) ([]string, error) {
	rows, err := d.db.QueryContext(ctx, d.bind("SELECT id FROM sessions ORDER BY id LIMIT ?"), n)
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read sessions: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Refresh changes the rows of one refresh of the session of that number, in one
// transaction. It is safe for concurrent use.
func (r *Refresher) Refresh(ctx context.Context, i int) error {
	now := time.Now()
	id := r.ids[i%len(r.ids)]
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
