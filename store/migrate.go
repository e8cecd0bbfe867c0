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
	provider, err := s.migrator()
	if err != nil {
		return fmt.Errorf("prepare the migrations: %w", err)
	}
	if err := migrateUp(ctx, provider); err != nil {
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

// migrator knows the migrations. On PostgreSQL a row in a table makes servers
// that start together wait for each other: unlike a session's advisory lock, it
// works through a pooler.
func (s *Store) migrator() (*goose.Provider, error) {
	db, err := pool(s.writer)
	if err != nil {
		return nil, err
	}
	scripts, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if !s.postgres {
		return goose.NewProvider(goose.DialectSQLite3, db, scripts)
	}
	locker, err := lock.NewPostgresTableLocker(lock.WithTableLogger(s.log), lock.WithTableLockTimeout(lockRetry, lockRetries))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, forPostgres{scripts}, goose.WithLocker(locker))
}

// migrateUp applies what is missing. A failure that leaves the database newer
// than it was is the work of another process on the same SQLite file: each
// migration is one transaction, so what that process has done is done, and the
// rest is tried again.
func migrateUp(ctx context.Context, provider *goose.Provider) error {
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
