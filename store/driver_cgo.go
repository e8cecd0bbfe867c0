//go:build cgo

package store

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/mattn/go-sqlite3"
)

// SQLiteDriver is the name by which database/sql knows the driver of this build.
const SQLiteDriver = "sqlite3"

// statementCache is how many prepared statements a connection keeps.
const statementCache = 100

// sqliteDSN puts the busy timeout first: switching to WAL can already meet a
// lock.
func sqliteDSN(path string, p purpose) string {
	dsn := fmt.Sprintf("file:%s?_busy_timeout=%d&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=%t&_cache_size=%d&_stmt_cache_size=%d",
		(&url.URL{Path: path}).EscapedPath(), busyTimeout, p != migrating, p.cacheSize(), statementCache)
	if p == reading {
		return dsn + "&_query_only=true"
	}
	return dsn + "&_txlock=immediate"
}

// isSQLiteDuplicate leaves this driver's errors to GORM's translation.
func isSQLiteDuplicate(error) bool { return false }

// isSQLiteBusy knows SQLITE_BUSY and its kinds.
func isSQLiteBusy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrBusy
}
