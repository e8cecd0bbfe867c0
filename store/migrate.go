package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the database to the newest version this program knows, and
// refuses one that is newer still. On PostgreSQL a row in a table makes servers
// that start together wait for each other: unlike a session's advisory lock, it
// works through a pooler.
func (s *Store) migrate(ctx context.Context) error {
	db, err := pool(s.writer)
	if err != nil {
		return err
	}
	scripts, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{}
	if s.postgres {
		locker, err := lock.NewPostgresTableLocker(lock.WithTableLogger(s.log))
		if err != nil {
			return fmt.Errorf("prepare the migration lock: %w", err)
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db, scripts, options...)
	if err != nil {
		return fmt.Errorf("prepare the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the database's version: %w", err)
	}
	if current > known {
		return fmt.Errorf("%w: it has version %d, this program knows %d", ErrNewerDatabase, current, known)
	}
	return nil
}
