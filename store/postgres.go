package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"

	"keymaker/internal/secret"
)

// openPostgres opens one pool for reading and writing. pgx prepares and caches
// statements itself; GORM's own cache would prepare them again inside every
// transaction.
func (s *Store) openPostgres(ctx context.Context, url secret.Text) error {
	config, err := pgxpool.ParseConfig(url.Reveal())
	if err != nil {
		// The parser's message can hold the URL, and so the password.
		return errors.New("the database URL is neither sqlite:PATH nor a PostgreSQL URL")
	}
	conns, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open PostgreSQL: %w", err)
	}
	s.closers = append(s.closers, func() error { conns.Close(); return nil })
	conn := stdlib.OpenDBFromPool(conns)
	s.closers = append(s.closers, conn.Close)
	if err := conn.PingContext(ctx); err != nil {
		return fmt.Errorf("open PostgreSQL: %w", err)
	}
	db, err := s.use(postgres.New(postgres.Config{Conn: conn}), false)
	s.reader, s.writer, s.postgres = db, db, true
	return err
}

// takeTurn has the transactions of PostgreSQL that begin with it wait for each other,
// by a row that is always there. An advisory lock is not everywhere what looks like
// PostgreSQL.
const takeTurn = "SELECT id FROM goose_db_version ORDER BY id LIMIT 1 FOR UPDATE"

// lockUser makes the logins of one user wait for each other until the
// transaction ends: of two on one device each would miss the session that the
// other begins. It returns ErrNotFound for a user who was deactivated while it
// waited. SQLite has one writer at a time anyway.
func (s *Store) lockUser(ctx context.Context, localpart string) error {
	if !s.postgres {
		return nil
	}
	var deactivated []bool
	err := s.write(ctx).Raw("SELECT deactivated_at IS NOT NULL FROM users WHERE localpart = ? FOR NO KEY UPDATE", localpart).Scan(&deactivated).Error
	if err == nil && slices.Contains(deactivated, true) {
		err = ErrNotFound
	}
	return fault("lock a user", err)
}
