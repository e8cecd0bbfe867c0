// Package store owns the database: its tables, its migrations, the fosite
// session type, and every statement that is sent to it. SQLite and PostgreSQL
// behave alike.
//
// Every method returns ErrNotFound, ErrExists, a domain error that its comment
// names, or an error that wraps ErrUnavailable.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/internal/tracing"
)

// Options says which database to open and with what.
type Options struct {
	// URL is sqlite:PATH or postgres://….
	URL secret.Text
	// ServerName makes Matrix user IDs of localparts.
	ServerName string
	Clock      clock.Clock
	Sealer     *secret.Sealer
	Logger     *slog.Logger
	// Exclusive takes the lock that only one server may hold on a SQLite file.
	// It has no meaning on PostgreSQL, which any number of servers share.
	Exclusive bool
	// AsItIs leaves the tables of an older version alone: it is refused
	// (ErrOlderDatabase).
	AsItIs bool
	// Outbox leaves jobs for a homeserver that is another program wherever users
	// and devices change (JobHomeserver).
	Outbox bool
	// NoPictures takes no picture of a user, as it is with Outbox.
	NoPictures bool
	// Notices leaves mails for people wherever something happens to their
	// accounts that they should know of (JobNotice), and keeps their language.
	Notices bool
	// Observe is told how long a statement ("read", "write") or a transaction
	// took; nil for nobody.
	Observe func(operation string, took time.Duration)
	// Tracer traces statements and transactions; nil for nobody.
	Tracer *tracing.Tracer
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	reader, writer *gorm.DB
	turns          *writer // below the GORM that writes to SQLite; nil on PostgreSQL
	path           string  // the file; "" on PostgreSQL
	// sessionByHash is the statement of that name as the database wants it.
	sessionByHash string
	closers       []func() error
	serverName    string
	clock         clock.Clock
	sealer        *secret.Sealer
	log           *slog.Logger
	postgres      bool
	statements    atomic.Int64
	transactions  atomic.Int64
	observe       func(operation string, took time.Duration)
	tracer        *tracing.Tracer
	events        atomic.Uint32
	usage         usage
	jobs          chan struct{}
	prompt        func(ctx context.Context, lanes []string) // see Prompt
	outbox        bool
	// Follow changes them.
	noPictures, notices atomic.Bool
	// configured are the clients of the configuration file, by id.
	configured atomic.Pointer[map[string]*Client]
}

// Open opens the database, applies the migrations that it lacks unless it is to
// stay AsItIs, and refuses one that is too new for this program
// (ErrNewerDatabase), one that a copy has not filled yet (ErrHalfCopied) or, with
// Exclusive, one that another server holds (ErrLocked).
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{serverName: o.ServerName, clock: o.Clock, sealer: o.Sealer, log: o.Logger, outbox: o.Outbox, observe: o.Observe, tracer: o.Tracer, jobs: make(chan struct{}, 1)}
	s.Follow(o.Notices, o.NoPictures)
	s.configured.Store(&map[string]*Client{})
	var err error
	if path, ok := SQLitePath(o.URL); ok {
		err = s.openSQLite(ctx, path, o.Exclusive)
	} else {
		err = s.openPostgres(ctx, o.URL)
	}
	switch {
	case err != nil:
	case o.AsItIs:
		err = s.unchanged(ctx)
	default:
		err = s.migrate(ctx)
	}
	if err == nil {
		s.sessionByHash = fixed(s.reader, sessionByHash, 2)
		err = s.complete(ctx)
	}
	if err == nil && o.Exclusive && !s.postgres {
		err = s.freeJobs(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close writes what is still to be written and closes every connection.
func (s *Store) Close() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.FlushUsage(context.Background()))
	}
	return errors.Join(append(errs, s.closeAll())...)
}

// closeAll closes every connection, and lets go of the lock.
func (s *Store) closeAll() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Follow takes over from a configuration that was read again what Options say of
// Notices and NoPictures.
func (s *Store) Follow(notices, noPictures bool) {
	s.notices.Store(notices)
	s.noPictures.Store(noPictures || s.outbox)
}

// Ping checks that the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return fault("ping", s.read(ctx).Raw("SELECT 1").Scan(&one).Error)
}

// Writable tells whether the database takes changes. It makes none: no row is
// like that.
func (s *Store) Writable(ctx context.Context) error {
	return fault("write", s.write(ctx).Exec("UPDATE users SET localpart = localpart WHERE 1 = 0").Error)
}

// Counts are how many SQL statements (BEGIN and COMMIT excluded) and
// transactions were sent since the start.
type Counts struct {
	Statements, Transactions int64
}

// Counts returns the totals since the start.
func (s *Store) Counts() Counts {
	return Counts{Statements: s.statements.Load(), Transactions: s.transactions.Load()}
}

// use wraps a connection pool in GORM with the settings that were measured to
// be the fast ones, and counts what goes through it.
func (s *Store) use(dialector gorm.Dialector, prepare bool) (*gorm.DB, error) {
	db, err := gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true,
		PrepareStmt:            prepare,
		DisableAutomaticPing:   true,
		TranslateError:         false,
		Logger:                 logger.Discard,
	})
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return db, s.noteStatements(db)
}

// now is the current time as it is stored.
func (s *Store) now() int64 { return s.clock.Now().UnixMilli() }

// read is the transaction in ctx or else the readers' pool.
func (s *Store) read(ctx context.Context) *gorm.DB {
	if tx := txFrom(ctx); tx != nil {
		return tx.db.WithContext(ctx)
	}
	return s.reader.WithContext(ctx)
}

// readByKey is read for a statement that finds its rows by key.
func (s *Store) readByKey(ctx context.Context) *gorm.DB { return s.read(s.toTheEnd(ctx)) }

// toTheEnd is ctx for a statement that finds its rows by key. On SQLite it is over
// before anybody could call it off, and database/sql and the driver would each have
// somebody wait for that.
func (s *Store) toTheEnd(ctx context.Context) context.Context {
	if !s.postgres && ctx.Err() == nil {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// write is the transaction in ctx or else the writers' pool.
func (s *Store) write(ctx context.Context) *gorm.DB {
	if tx := txFrom(ctx); tx != nil {
		return tx.db.WithContext(ctx)
	}
	return s.writer.WithContext(ctx)
}

// pool returns what database/sql knows of db.
func pool(db *gorm.DB) (*sql.DB, error) {
	p, err := db.DB()
	if err != nil {
		return nil, fmt.Errorf("database pool: %w", err)
	}
	return p, nil
}
