//go:build !cgo

package store

import (
	"errors"
	"fmt"
	"net/url"

	"modernc.org/sqlite"
)

// SQLiteDriver is the name by which database/sql knows the driver of this build.
const SQLiteDriver = "sqlite"

// sqliteDSN puts the busy timeout first: switching to WAL can already meet a
// lock.
func sqliteDSN(path string, p purpose) string {
	dsn := fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(%t)&_pragma=cache_size(%d)",
		(&url.URL{Path: path}).EscapedPath(), busyTimeout, p != migrating, p.cacheSize())
	if p == reading {
		return dsn + "&_pragma=query_only(1)"
	}
	return dsn + "&_txlock=immediate"
}

// isSQLiteDuplicate knows SQLITE_CONSTRAINT_PRIMARYKEY and _UNIQUE, which
// GORM's translation does not see in this driver's errors.
func isSQLiteDuplicate(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == 1555 || e.Code() == 2067)
}

// isSQLiteBusy knows SQLITE_BUSY and its kinds.
func isSQLiteBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == 5
}
