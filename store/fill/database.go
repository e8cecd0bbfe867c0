// Package fill makes a database as large as that of a server which has been in
// use for long, and makes the changes of a refresh by hand: the load program
// measures the server on the one, and against the other.
package fill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"keymaker/internal/secret"
	"keymaker/store"
)

// ErrInUse is returned for a database that has users.
var ErrInUse = errors.New("the database is in use: name one without users")

// Database is a migrated database, beside the server's own connections to it.
type Database struct {
	db       *sql.DB
	postgres bool
}

// Open opens a database that the server has migrated: sqlite:PATH or
// postgres://….
func Open(ctx context.Context, url secret.Text) (*Database, error) {
	path, isSQLite := store.SQLitePath(url)
	d := &Database{postgres: !isSQLite}
	driver, source := "pgx", url.Reveal()
	if isSQLite {
		driver, source = store.SQLiteDriver, path
	}
	var err error
	if d.db, err = sql.Open(driver, source); err != nil {
		return nil, errors.New("the database URL is neither sqlite:PATH nor a PostgreSQL URL")
	}
	if isSQLite {
		d.db.SetMaxOpenConns(1) // what a PRAGMA sets is its connection's
	}
	if err := d.exec(ctx, "PRAGMA busy_timeout = 10000", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
		"PRAGMA foreign_keys = ON", "PRAGMA cache_size = -16000", "PRAGMA wal_autocheckpoint = 10000"); err != nil {
		return nil, errors.Join(err, d.db.Close())
	}
	return d, nil
}

// Close closes the connections.
func (d *Database) Close() error { return d.db.Close() }

// Unused returns ErrInUse unless the database has no users.
func (d *Database) Unused(ctx context.Context) error {
	var users int
	if err := d.db.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM users LIMIT 1) AS u").Scan(&users); err != nil {
		return fmt.Errorf("count the users: %w", err)
	}
	if users > 0 {
		return ErrInUse
	}
	return nil
}

// exec sets what is SQLite's alone.
func (d *Database) exec(ctx context.Context, pragmas ...string) error {
	if d.postgres {
		return nil
	}
	for _, p := range pragmas {
		if _, err := d.db.ExecContext(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// bind writes the placeholders of a statement as the database wants them.
func (d *Database) bind(statement string) string {
	if !d.postgres {
		return statement
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(statement, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}
