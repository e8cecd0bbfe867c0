package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// A server waits this often and long for another one that migrates the same
// PostgreSQL: five minutes in all.
const (
	lockRetry   = 200 * time.Millisecond
	lockRetries = 1500
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the database to the newest version this program knows. One that
// is newer still stays so, and is refused where this program cannot run on it.
func (s *Store) migrate(ctx context.Context) error {
	applied, known, err := s.migrations(ctx)
	if err == nil && !lacks(applied, known) {
		return s.runsOn(ctx, applied, known)
	}
	if len(applied) > 0 {
		s.log.InfoContext(ctx, "changing the tables to those of this version", "version", slices.Max(applied), "to", slices.Max(known))
	}
	if err := s.migrateUp(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	// Another server may have been faster, and be newer.
	if applied, known, err = s.migrations(ctx); err != nil {
		return fault("read the version of the database", err)
	}
	return s.runsOn(ctx, applied, known)
}

// unchanged refuses a database that an older version has written, and one that is
// too new for this program.
func (s *Store) unchanged(ctx context.Context) error {
	applied, known, err := s.migrations(ctx)
	if err != nil {
		return fault("read the version of the database", err)
	}
	if lacks(applied, known) {
		return otherVersion(applied, known)
	}
	return s.runsOn(ctx, applied, known)
}

// sameVersion refuses a database that an older or a newer version has written.
func (s *Store) sameVersion(ctx context.Context) error {
	applied, known, err := s.migrations(ctx)
	if err != nil {
		return fault("read the version of the database", err)
	}
	if slices.Equal(applied, known) {
		return nil
	}
	return otherVersion(applied, known)
}

// otherVersion says in which direction a database is of another version.
func otherVersion(applied, known []int64) error {
	version, knows, kind := slices.Max(append(applied, 0)), slices.Max(known), ErrOlderDatabase
	if version > knows {
		kind = ErrNewerDatabase
	}
	return fmt.Errorf("%w: it has version %d, this program knows %d", kind, version, knows)
}

// migrations are those that the database has, and those that this program knows:
// reading them all, to find that there is nothing to do, is most of what a start
// costs. An empty database is an error.
func (s *Store) migrations(ctx context.Context) (applied, known []int64, err error) {
	err = s.writer.WithContext(ctx).Raw("SELECT version_id FROM goose_db_version WHERE is_applied AND version_id > 0 ORDER BY version_id").Scan(&applied).Error
	if err == nil {
		known, err = versions()
	}
	return applied, known, err
}

// versions are those of the migrations that this program knows, in their order.
func versions() ([]int64, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var known []int64
	for _, file := range files {
		version, err := goose.NumericComponent(file)
		if err != nil {
			return nil, err
		}
		known = append(known, version)
	}
	return known, nil
}

// migrateUp applies what is missing.
func (s *Store) migrateUp(ctx context.Context) error {
	scripts, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if s.postgres {
		return s.migratePostgres(ctx, scripts)
	}
	return onSQLite(ctx, s.path, scripts, func(p *goose.Provider) error { return up(ctx, p) })
}

// migratePostgres has servers that start together wait for each other by a row in a
// table: unlike a session's advisory lock, it works through a pooler.
func (s *Store) migratePostgres(ctx context.Context, scripts fs.FS) error {
	db, err := pool(s.writer)
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresTableLocker(lock.WithTableLogger(s.log), lock.WithTableLockTimeout(lockRetry, lockRetries))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, forDialect{scripts, postgresOnly}, goose.WithLocker(locker))
	if err != nil {
		return err
	}
	return up(ctx, provider)
}

// onSQLite ends with the log empty, which gets as long as what was changed.
func onSQLite(ctx context.Context, path string, scripts fs.FS, do func(*goose.Provider) error) error {
	db, err := sqlitePool(ctx, path, migrating, 1)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, forDialect{scripts, sqliteOnly})
	if err == nil {
		err = do(provider)
	}
	if err == nil {
		_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return errors.Join(err, db.Close())
}

// up applies what is missing. A failure that leaves the database newer
// than it was is the work of another process on the same SQLite file: each
// migration is one transaction, so what that process has done is done, and the
// rest is tried again.
func up(ctx context.Context, provider *goose.Provider) error {
	before := int64(-1)
	for {
		_, failed := provider.Up(ctx)
		if failed == nil {
			return nil
		}
		current, _, err := provider.GetVersions(ctx)
		if err != nil || current <= before {
			return errors.Join(failed, err)
		}
		before = current
	}
}
