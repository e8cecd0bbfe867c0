package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"keymaker/internal/secret"
)

const (
	busyTimeout = 10_000 // milliseconds
	// Each connection keeps pages for itself, in KiB as SQLite counts them. What
	// is not there the system has in memory: with a million sessions a reader
	// with sixteen times the pages was no faster. The writer keeps what it has
	// changed until the commit.
	readerCache = -2_000
	writerCache = -8_000
	// setCheckpoint sets, on the connection that writes, how many pages the log
	// grows before it is copied into the file: the DSN cannot. The default of 1,000
	// stalls writers many times a second.
	setCheckpoint = "PRAGMA wal_autocheckpoint=10000"
	// A new file is tried this often, with this pause between.
	walAttempts = 200
	walPause    = 10 * time.Millisecond
)

// purpose is what connections to SQLite are for.
type purpose int

const (
	reading purpose = iota
	writing
	// migrating makes a table anew by taking away the one that was there. With
	// foreign keys that would take along what refers to it.
	migrating
)

// cacheSize is what a connection keeps.
func (p purpose) cacheSize() int {
	if p == reading {
		return readerCache
	}
	return writerCache
}

// SQLitePath is the file of a database that is SQLite: sqlite:PATH.
func SQLitePath(url secret.Text) (path string, ok bool) {
	return strings.CutPrefix(url.Reveal(), "sqlite:")
}

// openSQLite opens one connection that writes (see writer) and a pool that reads.
// More writers would only wait for each other, and a transaction that reads first
// and then writes would fail instead of waiting.
func (s *Store) openSQLite(ctx context.Context, path string, exclusive bool) error {
	if exclusive {
		release, err := LockFile(path)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, release)
	}
	if err := createPrivate(path); err != nil {
		return err
	}
	s.path = path
	conns, err := sqlitePool(ctx, path, writing, 1)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, conns.Close)
	if _, err := conns.ExecContext(ctx, setCheckpoint); err != nil {
		return fault("set the checkpoint interval", err)
	}
	s.turns = newWriter(conns)
	// A batch has its connection for as long as it lasts, and the driver keeps the
	// statements that were prepared on it.
	if s.writer, err = s.use(sqliteOn(s.turns), false); err != nil {
		return err
	}
	if conns, err = sqlitePool(ctx, path, reading, max(4, runtime.NumCPU())); err != nil {
		return err
	}
	s.closers = append(s.closers, conns.Close)
	s.reader, err = s.use(sqliteOn(conns), true)
	return err
}

func sqlitePool(ctx context.Context, path string, p purpose, size int) (*sql.DB, error) {
	conn, err := sql.Open(SQLiteDriver, sqliteDSN(path, p))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	conn.SetMaxOpenConns(size)
	conn.SetMaxIdleConns(size)
	if err := pingSQLite(ctx, conn); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close())
	}
	return conn, nil
}

// pingSQLite opens the first connection. Of processes that switch a new file to
// WAL at once, SQLite refuses all but one without waiting for the busy timeout.
func pingSQLite(ctx context.Context, conn *sql.DB) error {
	for attempt := 1; ; attempt++ {
		err := conn.PingContext(ctx)
		if err == nil || attempt == walAttempts || !isSQLiteBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(walPause):
		}
	}
}

// createPrivate makes the file with mode 0600 before SQLite would make it with
// the umask's. The log and the shared memory file take the mode of the file.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create the database file: %w", err)
	}
	return f.Close()
}
