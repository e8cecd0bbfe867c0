package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"gorm.io/gorm"

	"keymaker/internal/secret"
)

// copyTable says in the target how far a copy is. It is made before the first row
// and dropped after the last comparison: no server starts while it is there.
const copyTable = "database_copy"

// Why a database cannot be copied.
var (
	// ErrHalfCopied: a copy into the database has begun and not ended.
	ErrHalfCopied = errors.New("a copy into this database has not ended")
	// ErrNotEmpty: the target holds something that is not this copy's.
	ErrNotEmpty = errors.New("the database to copy to is not empty")
	// ErrOtherVersion: the source does not have the tables of this program.
	ErrOtherVersion = errors.New("the database to copy from has another version than this program")
	// ErrDiffers: the two sides are not the same after the copy.
	ErrDiffers = errors.New("the copy differs from its source")
	// ErrKinds: one side must be SQLite and the other PostgreSQL.
	ErrKinds = errors.New("a copy goes from SQLite to PostgreSQL or back")
)

// CopyOptions say what to copy.
type CopyOptions struct {
	Options
	// From and To are the URLs of the databases. Options.URL is not looked at.
	From, To secret.Text
	// Again empties a half-done copy and begins anew.
	Again bool
	// Progress is told of every batch: the table and its rows so far.
	Progress func(table string, rows int64)
}

// CopiedTable is a table that is the same on both sides.
type CopiedTable struct {
	Name string
	Rows int64
	// Sum is a checksum of all rows in any order, in hex.
	Sum string
}

// Copy copies every table, in batches of constant size, and compares both sides
// at the end. What is sealed stays sealed. It can be stopped at any moment and
// called again: each batch is one transaction with the note of how far it is. It
// locks the SQLite side; nobody may change the PostgreSQL side meanwhile, and a
// change that happens is found by the comparison (ErrDiffers). The error also
// wraps ErrLocked, ErrNotEmpty, ErrOtherVersion or ErrKinds.
func Copy(ctx context.Context, o CopyOptions) (done []CopiedTable, err error) {
	c := &copying{progress: o.Progress}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.open(ctx, o); err != nil {
		return nil, err
	}
	if err := c.begin(ctx, o.Again); err != nil {
		return nil, err
	}
	for _, t := range c.tables {
		if err := c.table(ctx, t); err != nil {
			return nil, err
		}
	}
	if done, err = c.compare(ctx); err != nil {
		return nil, err
	}
	err = c.inTarget(ctx, func(tx *sql.Tx) error { return execute(ctx, tx, "DROP TABLE "+copyTable) })
	if err != nil {
		return nil, fmt.Errorf("end the copy: %w", err)
	}
	return done, nil
}

// copying is a copy that runs.
type copying struct {
	from, to *side
	tables   []*copiedTable
	source   string // what tells this source from another
	progress func(table string, rows int64)
}

func (c *copying) close() error {
	var errs []error
	for _, s := range []*side{c.to, c.from} {
		if s != nil {
			errs = append(errs, s.closeAll())
		}
	}
	return errors.Join(errs...)
}

// open opens both sides, the target with its tables made.
func (c *copying) open(ctx context.Context, o CopyOptions) (err error) {
	path, fromSQLite := SQLitePath(o.From)
	if _, toSQLite := SQLitePath(o.To); fromSQLite == toSQLite {
		return ErrKinds
	}
	if fromSQLite {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no database %s", path)
		}
	}
	if c.from, err = openSide(ctx, o.Options, o.From); err != nil {
		return fmt.Errorf("the database to copy from: %w", err)
	}
	if err := c.from.sameVersion(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrOtherVersion, err)
	}
	if c.to, err = openSide(ctx, o.Options, o.To); err != nil {
		return fmt.Errorf("the database to copy to: %w", err)
	}
	if err := c.to.migrate(ctx); err != nil {
		return fmt.Errorf("the database to copy to: %w", err)
	}
	sqlite, postgres := c.from, c.to
	if !fromSQLite {
		sqlite, postgres = c.to, c.from
	}
	if c.tables, err = copiedTables(ctx, sqlite.conn); err != nil {
		return err
	}
	return sameInPostgres(ctx, postgres.conn, c.tables)
}

// openSide opens a database as it is. A SQLite file is locked.
func openSide(ctx context.Context, o Options, address secret.Text) (*side, error) {
	s := &side{Store: &Store{serverName: o.ServerName, clock: o.Clock, log: o.Logger}}
	var err error
	if path, ok := SQLitePath(address); ok {
		err = s.openSQLite(ctx, path, true)
	} else {
		err = s.openPostgres(ctx, address)
	}
	if err == nil {
		s.conn, err = pool(s.writer)
	}
	if err != nil {
		return nil, errors.Join(err, s.closeAll())
	}
	return s, nil
}

// begin makes sure that the target is empty, or this copy's from earlier.
func (c *copying) begin(ctx context.Context, again bool) error {
	secrets := &copiedTable{name: "server_secrets", columns: []copiedColumn{{"purpose", kindText}, {"value_sealed", kindBytes}}}
	_, sum, err := c.from.sum(ctx, secrets)
	if err != nil {
		return err
	}
	c.source = hex.EncodeToString(sum[:])
	return c.inTarget(ctx, func(tx *sql.Tx) error {
		begun, err := c.to.halfCopied(ctx, tx)
		if err != nil {
			return err
		}
		if begun {
			if err := c.ours(ctx, tx); err != nil || !again {
				return err
			}
			if err := c.clear(ctx, tx); err != nil {
				return err
			}
		} else if err := c.empty(ctx, tx); err != nil {
			return err
		}
		return c.note(ctx, tx)
	})
}

// ours tells that a copy that has begun is of the same source.
func (c *copying) ours(ctx context.Context, tx *sql.Tx) error {
	var others int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+copyTable+" WHERE source <> "+c.to.mark(1), c.source).Scan(&others)
	if err != nil {
		return fmt.Errorf("read how far the copy is: %w", err)
	}
	if others > 0 {
		return fmt.Errorf("%w: it is a half-done copy of another database", ErrNotEmpty)
	}
	return nil
}

// empty tells that no table has a row.
func (c *copying) empty(ctx context.Context, tx *sql.Tx) error {
	for _, t := range c.tables {
		var one int
		switch err := tx.QueryRowContext(ctx, "SELECT 1 FROM "+t.name+" LIMIT 1").Scan(&one); {
		case err == nil:
			return fmt.Errorf("%w: %s has rows", ErrNotEmpty, t.name)
		case !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("look into %s: %w", t.name, err)
		}
	}
	return nil
}

// clear removes a half-done copy.
func (c *copying) clear(ctx context.Context, tx *sql.Tx) error {
	for i := len(c.tables) - 1; i >= 0; i-- {
		if err := execute(ctx, tx, "DELETE FROM "+c.tables[i].name); err != nil {
			return fmt.Errorf("empty %s: %w", c.tables[i].name, err)
		}
	}
	if err := execute(ctx, tx, "DROP TABLE "+copyTable); err != nil {
		return fmt.Errorf("empty the copy: %w", err)
	}
	return nil
}

// note makes the table of how far the copy is: nowhere.
func (c *copying) note(ctx context.Context, tx *sql.Tx) error {
	err := execute(ctx, tx, "CREATE TABLE "+copyTable+" (name TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, last_key TEXT NOT NULL, copied BIGINT NOT NULL)")
	if err != nil {
		return fmt.Errorf("begin the copy: %w", err)
	}
	for _, t := range c.tables {
		if err := execute(ctx, tx, "INSERT INTO "+copyTable+" (name, source, last_key, copied) VALUES "+c.to.marks(1, 4), t.name, c.source, "", 0); err != nil {
			return fmt.Errorf("begin the copy: %w", err)
		}
	}
	return nil
}

// table copies what is missing of a table.
func (c *copying) table(ctx context.Context, t *copiedTable) error {
	var last string
	var copied int64
	if err := c.to.row(ctx, "SELECT last_key, copied FROM "+copyTable+" WHERE name = "+c.to.mark(1), t.name).Scan(&last, &copied); err != nil {
		return fmt.Errorf("read how far %s is: %w", t.name, err)
	}
	after, err := t.decodeKey(last)
	if err != nil {
		return err
	}
	for {
		rows, err := c.from.page(ctx, t, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		after, copied = t.keyOf(rows[len(rows)-1]), copied+int64(len(rows))
		if err := c.batch(ctx, t, rows, after, copied); err != nil {
			return err
		}
		if c.progress != nil {
			c.progress(t.name, copied)
		}
	}
}

// batch writes rows, and that they are there, in one transaction.
func (c *copying) batch(ctx context.Context, t *copiedTable, rows [][]any, last []any, copied int64) error {
	key, err := encodeKey(last)
	if err != nil {
		return err
	}
	return c.inTarget(ctx, func(tx *sql.Tx) error {
		if err := c.to.insert(ctx, tx, t, rows); err != nil {
			return err
		}
		update := fmt.Sprintf("UPDATE %s SET last_key = %s, copied = %s WHERE name = %s", copyTable, c.to.mark(1), c.to.mark(2), c.to.mark(3))
		if err := execute(ctx, tx, update, key, copied, t.name); err != nil {
			return fmt.Errorf("note how far %s is: %w", t.name, err)
		}
		return nil
	})
}

// inTarget does it in one transaction, after those of an earlier copy: one that was
// killed may leave a transaction in PostgreSQL that has yet to end. A SQLite file is
// locked as a whole.
func (c *copying) inTarget(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := c.to.conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if c.to.postgres {
		if err := execute(ctx, tx, takeTurn); err != nil {
			return errors.Join(fmt.Errorf("wait for an earlier copy: %w", err), tx.Rollback())
		}
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// compare reads both sides again.
func (c *copying) compare(ctx context.Context) ([]CopiedTable, error) {
	var done []CopiedTable
	var wrong []string
	for _, t := range c.tables {
		rows, sum, err := c.from.sum(ctx, t)
		if err != nil {
			return nil, err
		}
		there, other, err := c.to.sum(ctx, t)
		if err != nil {
			return nil, err
		}
		if rows != there || sum != other {
			wrong = append(wrong, fmt.Sprintf("%s (%d rows, %d in the copy)", t.name, rows, there))
		}
		done = append(done, CopiedTable{Name: t.name, Rows: rows, Sum: hex.EncodeToString(sum[:sha256.Size/2])})
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrDiffers, strings.Join(wrong, ", "))
	}
	return done, nil
}

// halfCopied tells whether a copy into the database has begun and not ended.
func (s *Store) halfCopied(ctx context.Context, in gorm.ConnPool) (bool, error) {
	query := "SELECT count(*) FROM sqlite_master WHERE name = ?"
	if s.postgres {
		query = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
	}
	var found int
	err := in.QueryRowContext(ctx, query, copyTable).Scan(&found)
	return found > 0, fault("look for a copy", err)
}

// complete returns ErrHalfCopied for a database that is only partly there.
func (s *Store) complete(ctx context.Context) error {
	half, err := s.halfCopied(ctx, s.writer.ConnPool)
	if err == nil && half {
		err = ErrHalfCopied
	}
	return err
}
