package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keymaker/internal/secret"
)

// What is wrong with a backup.
var (
	// ErrDamaged: a SQLite file is not as one of this program must be.
	ErrDamaged = errors.New("damaged")
	// ErrNoDatabase: a file is no database of this program.
	ErrNoDatabase = errors.New("no database of Keymaker")
)

// BackUp writes what the SQLite file from holds at this moment to the file to,
// which must not exist or be empty and that only the owner can read. Servers may
// run on from, which is neither changed nor migrated. What they have acknowledged
// before the call is in it. The file is on the disk when it returns.
func BackUp(ctx context.Context, from, to string) error {
	if err := createPrivate(to); err != nil {
		return err
	}
	conn, err := sql.Open(SQLiteDriver, sqliteDSN(from, writing))
	if err != nil {
		return fmt.Errorf("open %s: %w", from, err)
	}
	// One read transaction: writers go on beside it.
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", to)
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return SyncFile(to)
}

// Examine reads all of a SQLite file that nobody has open, and returns the
// version of its tables. The error wraps ErrNoDatabase, ErrNewerDatabase, or
// ErrDamaged for what does not hold together.
func Examine(ctx context.Context, path string) (version int64, err error) {
	err = inspect(path, func(conn *sql.DB) error {
		ours, err := column[string](ctx, conn, "SELECT name FROM sqlite_master WHERE name = 'goose_db_version'")
		switch {
		case err != nil && !strings.Contains(err.Error(), "not a database"):
			return fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
		case err != nil || len(ours) == 0:
			return fmt.Errorf("%s: %w", path, ErrNoDatabase)
		}
		if version, err = knownVersion(ctx, path, conn); err != nil {
			return err
		}
		return sound(ctx, path, conn)
	})
	return version, err
}

// knownVersion is the version of the tables, on which this program must be able to
// run.
func knownVersion(ctx context.Context, path string, conn *sql.DB) (int64, error) {
	applied, err := column[int64](ctx, conn, "SELECT version_id FROM goose_db_version WHERE is_applied ORDER BY version_id")
	if err != nil || len(applied) == 0 {
		return 0, errors.Join(fmt.Errorf("%s: %w: its version cannot be read", path, ErrDamaged), err)
	}
	known, err := versions()
	if err != nil {
		return 0, err
	}
	err = tooNew(applied, known, func() (int64, error) {
		oldest, err := column[int64](ctx, conn, oldestProgram)
		return slices.Max(append(oldest, 0)), err
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return slices.Max(applied), nil
}

// sound reads every page, and looks for rows whose owner is missing.
func sound(ctx context.Context, path string, conn *sql.DB) error {
	found, err := column[string](ctx, conn, "PRAGMA integrity_check")
	if err != nil || !slices.Equal(found, []string{"ok"}) {
		return errors.Join(fmt.Errorf("%s: %w: %s", path, ErrDamaged, strings.Join(found, "; ")), err)
	}
	orphans, err := column[string](ctx, conn, `SELECT DISTINCT "table" FROM pragma_foreign_key_check`)
	if err != nil || len(orphans) > 0 {
		return errors.Join(fmt.Errorf("%s: %w: rows of %s belong to nothing", path, ErrDamaged, strings.Join(orphans, ", ")), err)
	}
	return nil
}

// OpensWith returns an error that wraps secret.ErrSealed when the SQLite file,
// which nobody has open, was sealed with another secret file.
func OpensWith(ctx context.Context, path string, sealer *secret.Sealer) error {
	return inspect(path, func(conn *sql.DB) error {
		rows, err := conn.QueryContext(ctx, "SELECT purpose, value_sealed FROM server_secrets")
		if err != nil {
			return fmt.Errorf("read the secrets of %s: %w", path, err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var label string
			var sealed []byte
			if err := rows.Scan(&label, &sealed); err != nil {
				return fmt.Errorf("read the secrets of %s: %w", path, err)
			}
			if _, err := sealer.Open(purposeSecret, label, sealed); err != nil {
				return fmt.Errorf("open %s: %w", path, err)
			}
		}
		return rows.Err()
	})
}

// inspect opens a SQLite file that nobody changes, and leaves no trace beside it.
func inspect(path string, do func(*sql.DB) error) error {
	conn, err := sql.Open(SQLiteDriver, "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&immutable=1")
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return errors.Join(do(conn), conn.Close())
}

// column returns the first column of a query's rows.
func column[T any](ctx context.Context, conn *sql.DB, query string) ([]T, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		var value T
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, rows.Err()
}

// PutInPlace makes the file with the SQLite file at path, which must be locked
// (LockFile). What is at path, with the log beside it, is called kept afterwards.
// The file with must lie in the same folder. A crash leaves one or the other.
func PutInPlace(with, path, kept string) error {
	// The old files get their second names before they lose the first ones, and a
	// log must never lie beside a file that it does not belong to.
	for _, end := range []string{"", "-wal"} {
		if err := os.Link(path+end, kept+end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("keep the database of before: %w", err)
		}
	}
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the log of before: %w", err)
		}
	}
	if err := os.Rename(with, path); err != nil {
		return fmt.Errorf("put the database in place: %w", err)
	}
	return SyncFile(filepath.Dir(path))
}

// SyncFile waits until a file, or the names in a folder, are on the disk.
func SyncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}
