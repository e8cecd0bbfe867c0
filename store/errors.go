package store

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

// What a caller can tell apart.
var (
	// ErrNotFound: there is no such row, or none that is still valid.
	ErrNotFound = errors.New("not found")
	// ErrExists: a unique key is taken.
	ErrExists = errors.New("exists already")
	// ErrConflict: what must happen once has happened already.
	ErrConflict = errors.New("done already")
	// ErrTooMany: there are as many as there may be.
	ErrTooMany = errors.New("too many")
	// ErrNotApproved: cross-signing keys would be replaced, and the person has
	// not said that this session may.
	ErrNotApproved = errors.New("the person has not approved it")
	// ErrIsKey: a device would be called like a cross-signing key of its user, and
	// what one signs could be taken for the other's.
	ErrIsKey = errors.New("the device id is a cross-signing key of the user")
	// ErrUnavailable: the database did not answer as it should. Nothing is
	// known about what was asked: never to be answered with a 4xx.
	ErrUnavailable = errors.New("database unavailable")
	// ErrOlderDatabase: an older version of this program has written it, and it was
	// to stay as it is.
	ErrOlderDatabase = errors.New("the database was written by an older version")
	// ErrNewerDatabase: a newer version of this program has written it, and this
	// one cannot run on it.
	ErrNewerDatabase = errors.New("the database was written by a newer version")
	// ErrLocked: another server holds the SQLite file.
	ErrLocked = errors.New("another server is running on this database")
)

// fault names what failed and sorts a driver's error into ours.
func fault(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gorm.ErrRecordNotFound), hasCode(err, impossibleText):
		return fmt.Errorf("%s: %w", doing, ErrNotFound)
	case isDuplicate(err):
		return fmt.Errorf("%s: %w", doing, ErrExists)
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrExists), errors.Is(err, ErrConflict), errors.Is(err, ErrUnavailable):
		return err
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

// Codes of PostgreSQL.
const (
	uniqueViolation = "23505"
	// impossibleText: a text with a NUL, or one that is not UTF-8. Whoever looks
	// for it finds nothing, as on SQLite.
	impossibleText = "22021"
)

func hasCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

func isDuplicate(err error) bool {
	return hasCode(err, uniqueViolation) || isSQLiteDuplicate(err) || errors.Is(sqlite.Dialector{}.Translate(err), gorm.ErrDuplicatedKey)
}

// one turns an update that met no row into otherwise.
func one(doing string, db *gorm.DB, otherwise error) error {
	if db.Error == nil && db.RowsAffected == 0 {
		return fmt.Errorf("%s: %w", doing, otherwise)
	}
	return fault(doing, db.Error)
}
