package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"gorm.io/gorm"

	"keymaker/internal/tracing"
)

// kind is a kind of statements.
type kind struct {
	callback  string // GORM's, which sends them
	operation string // what Options.Observe is told
	span      string // what it is called in a trace
	name      attribute.KeyValue
}

func newKind(callback, operation, traced string) *kind {
	return &kind{callback, operation, "database " + traced, attribute.String("db.operation.name", traced)}
}

// byHand are the statements whose rows are read by hand.
var byHand = newKind("gorm:row", operationRead, "select")

// noted is what is known of a statement that is under way.
type noted struct {
	began time.Time
	span  *tracing.Span // nil where it is not traced
}

// begins counts a statement, and begins to time it, and to trace it where it
// belongs to a trace: which operation on which table it is, and never what it asks
// or writes.
func (s *Store) begins(ctx context.Context, k *kind, table string) (n noted) {
	s.statements.Add(1)
	if s.observe != nil {
		n.began = time.Now() //nolint:forbidigo // a duration, not a point in time
	}
	if s.tracer.On() {
		_, n.span = s.tracer.Start(ctx, k.span, s.system(), k.name, attribute.String("db.collection.name", table))
	}
	return n
}

// ends tells how a statement went that has begun.
func (s *Store) ends(k *kind, n noted, err error) {
	s.took(k.operation, n.began)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = nil // an answer
	}
	n.span.End(err)
}

// notedKey is where a statement of GORM's keeps what is noted of it.
const notedKey = "keymaker:noted"

// noteStatements notes every statement that GORM sends.
func (s *Store) noteStatements(db *gorm.DB) error {
	kinds := []*kind{
		newKind("gorm:create", operationWrite, "insert"), newKind("gorm:query", operationRead, "select"),
		newKind("gorm:update", operationWrite, "update"), newKind("gorm:delete", operationWrite, "delete"),
		byHand, newKind("gorm:raw", operationWrite, "execute"),
	}
	c := db.Callback()
	var errs []error
	for i, p := range list(c.Create(), c.Query(), c.Update(), c.Delete(), c.Row(), c.Raw()) {
		k := kinds[i]
		errs = append(errs, p.Before(k.callback).Register("keymaker:begins", func(db *gorm.DB) {
			if !db.DryRun { // which renders a statement inside of another
				db.Statement.Settings.Store(notedKey, s.begins(db.Statement.Context, k, db.Statement.Table))
			}
		}), p.After(k.callback).Register("keymaker:ends", func(db *gorm.DB) {
			kept, _ := db.Statement.Settings.LoadAndDelete(notedKey)
			if n, ok := kept.(noted); ok {
				s.ends(k, n, db.Error)
			}
		}))
	}
	return errors.Join(errs...)
}

// list makes a slice of values of a type that has no name here.
func list[T any](of ...T) []T { return of }

// fixed is a statement as the database wants it, with ? for its values. GORM would
// write it anew, a byte at a time, whenever it is asked.
func fixed(db *gorm.DB, statement string, values int) string {
	dry := db.Session(&gorm.Session{DryRun: true})
	return dry.Raw(statement, make([]any, values)...).Statement.SQL.String()
}

// readOne reads the columns of the one row that a fixed statement finds by key, or
// returns gorm.ErrRecordNotFound.
func (s *Store) readOne(ctx context.Context, statement string, values, columns []any) error {
	conns := s.reader.ConnPool
	if tx := txFrom(ctx); tx != nil {
		conns = tx.db.Statement.ConnPool
	}
	n := s.begins(ctx, byHand, "")
	rows, err := conns.QueryContext(s.toTheEnd(ctx), statement, values...)
	if err == nil {
		err = scanOne(rows, columns)
	}
	s.ends(byHand, n, err)
	return err
}

func scanOne(rows *sql.Rows, columns []any) error {
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return cmp.Or(rows.Err(), gorm.ErrRecordNotFound)
	}
	if err := rows.Scan(columns...); err != nil {
		return err
	}
	return rows.Close()
}
