package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

// allowed finds the values that a column is checked against.
var allowed = regexp.MustCompile(`CHECK \((\w+) IN \('([^']+)'`)

// fill writes rows into every table that the SQLite database has, whatever it is
// called: a table that a copy forgets is one that stays empty there. It returns
// the names.
func fill(t *testing.T, conn *sql.DB, count int) []string {
	t.Helper()
	tables := texts(t, conn, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name <> 'goose_db_version'")
	if _, err := conn.Exec("PRAGMA foreign_keys = OFF"); err != nil {
		t.Fatal(err)
	}
	for _, name := range tables {
		fillTable(t, conn, name, count)
	}
	// What refers to a row has the same number as the row, so that nothing is lost.
	if orphans := texts(t, conn, `SELECT "table" FROM pragma_foreign_key_check`); len(orphans) > 0 {
		t.Fatalf("rows of %v refer to nothing", orphans)
	}
	return tables
}

func fillTable(t *testing.T, conn *sql.DB, table string, count int) {
	t.Helper()
	checks := map[string]string{}
	for _, m := range allowed.FindAllStringSubmatch(texts(t, conn, "SELECT sql FROM sqlite_master WHERE name = '"+table+"'")[0], -1) {
		checks[m[1]] = m[2]
	}
	columns := texts(t, conn, "SELECT name || ' ' || type || ' ' || \"notnull\" FROM pragma_table_info('"+table+"')")
	var names, marks []string
	for _, column := range columns {
		names, marks = append(names, `"`+strings.Fields(column)[0]+`"`), append(marks, "?")
	}
	tx, err := conn.Begin()
	if err != nil {
		t.Fatal(err)
	}
	insert := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
	for i := range count {
		var values []any
		for _, column := range columns {
			part := strings.Fields(column)
			values = append(values, sample(part[1], part[2] == "0" && i%3 == 1, checks[part[0]], i))
		}
		if _, err := tx.Exec(insert, values...); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// sample is a value of a type; the same number gives the same value everywhere.
func sample(kind string, null bool, fixed string, i int) any {
	switch {
	case fixed != "":
		return fixed
	case null:
		return nil
	case kind == "TEXT":
		return fmt.Sprintf("%05d ü 'q\" \\ \n 漢", i)
	case kind == "BIGINT":
		return int64(i) - 1 + int64(i)<<40
	case i == 0:
		return []byte{}
	}
	return append([]byte{0, 0xff, '\'', byte(i >> 8)}, byte(i))
}

func texts(t *testing.T, conn *sql.DB, query string) []string {
	t.Helper()
	rows, err := conn.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// copied is a filled SQLite database and an empty PostgreSQL.
type copied struct {
	store.CopyOptions
	sqlite, postgres secret.Text
	tables           []string
}

func toCopy(t *testing.T, rows int) *copied {
	t.Helper()
	for _, d := range storetest.Databases() {
		if d.Name != "postgres" {
			continue
		}
		c := &copied{sqlite: secret.Text(storetest.SQLite(t)), postgres: secret.Text(d.Empty(t))}
		o := storetest.Options(t, c.sqlite.Reveal())
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		writer, _ := s.SQL(t)
		c.tables = fill(t, writer, rows)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c.CopyOptions = store.CopyOptions{Options: o, From: c.sqlite, To: c.postgres}
		return c
	}
	t.Skip("PostgreSQL was not tested: " + storetest.Variable + " is not set")
	return nil
}

// expectSame tells that a copy has every table, with so many rows.
func (c *copied) expectSame(t *testing.T, done []store.CopiedTable, rows int64) {
	t.Helper()
	got := map[string]int64{}
	for _, d := range done {
		got[d.Name] = d.Rows
	}
	want := map[string]int64{}
	for _, name := range c.tables {
		want[name] = rows
	}
	if !maps.Equal(got, want) {
		t.Errorf("copied %v, want %v", got, want)
	}
}

// opens tells whether a server starts on a database.
func (c *copied) opens(t *testing.T, address secret.Text) error {
	t.Helper()
	o := c.Options
	o.URL = address
	s, err := store.Open(t.Context(), o)
	if err != nil {
		return err
	}
	return s.Close()
}

func TestCopy(t *testing.T) {
	const rows = 7
	c := toCopy(t, rows)
	done, err := store.Copy(t.Context(), c.CopyOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("every table of the schema is there, with every row", func(t *testing.T) {
		c.expectSame(t, done, rows)
		o := c.Options
		o.URL = c.postgres
		_, conn := storetest.Open(t, o).SQL(t)
		for _, name := range c.tables {
			if got := texts(t, conn, "SELECT count(*)::text FROM "+name); got[0] != fmt.Sprint(rows) {
				t.Errorf("%s has %s rows in PostgreSQL, want %d", name, got[0], rows)
			}
		}
	})
	t.Run("and back it is the same again", func(t *testing.T) {
		back := secret.Text("sqlite:" + filepath.Join(t.TempDir(), "back.db"))
		o := c.CopyOptions
		o.From, o.To = c.postgres, back
		again, err := store.Copy(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(again, done) {
			t.Errorf("%v\nwant\n%v", again, done)
		}
		if err := c.opens(t, back); err != nil {
			t.Error(err)
		}
	})
	t.Run("a second copy meets a target that is not empty", func(t *testing.T) {
		if _, err := store.Copy(t.Context(), c.CopyOptions); !errors.Is(err, store.ErrNotEmpty) {
			t.Errorf("error %v, want ErrNotEmpty", err)
		}
	})
}

func TestCopyGoesOnWhereItWasStopped(t *testing.T) {
	const rows = 1100 // two batches of every table
	c := toCopy(t, rows)
	stops := 0
	for stopAt := 1; ; stopAt += 17 {
		ctx, cancel := context.WithCancel(t.Context())
		o := c.CopyOptions
		batches := 0
		o.Progress = func(string, int64) {
			if batches++; batches == stopAt {
				cancel()
			}
		}
		done, err := store.Copy(ctx, o)
		cancel()
		if err == nil {
			c.expectSame(t, done, rows)
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		stops++
		if err := c.opens(t, c.postgres); !errors.Is(err, store.ErrHalfCopied) {
			t.Fatalf("a server starts on half a copy: %v", err)
		}
	}
	if stops < 3 {
		t.Errorf("it was stopped %d times only", stops)
	}
	if err := c.opens(t, c.postgres); err != nil {
		t.Error(err)
	}
}

// A copy that was killed leaves PostgreSQL with what it had sent: the next one
// looks only when that is done.
func TestCopyWaitsForWhatAKilledOneLeft(t *testing.T) {
	const rows = 2
	for _, one := range []struct {
		name string
		sent string // by the copy that was killed
		want error
	}{
		{"the end of the copy", "DROP TABLE " + store.CopyTable, store.ErrNotEmpty},
		{"nothing more", "SELECT 1", nil},
	} {
		t.Run(one.name, func(t *testing.T) {
			c := toCopy(t, rows)
			c.stopAfterOne(t)
			conn, err := sql.Open("pgx", c.postgres.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			left, err := conn.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range []string{store.TakeTurn, one.sent} {
				if _, err := left.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			var pid int
			if err := left.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				_, err := store.Copy(t.Context(), c.CopyOptions)
				ended <- err
			}()
			for waiting := false; !waiting; {
				if len(ended) > 0 {
					t.Fatalf("it did not wait: error %v", <-ended)
				}
				if err := conn.QueryRowContext(t.Context(), "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))", pid).Scan(&waiting); err != nil {
					t.Fatal(err)
				}
			}
			if err := left.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; !errors.Is(err, one.want) {
				t.Errorf("error %v, want %v", err, one.want)
			}
		})
	}
}

// stopAfterOne copies until the first batch is written.
func (c *copied) stopAfterOne(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := c.CopyOptions
	o.Progress = func(string, int64) { cancel() }
	if _, err := store.Copy(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func (c *copied) change(t *testing.T, statement string) {
	t.Helper()
	o := c.Options
	s := storetest.Open(t, o)
	if err := s.Writer(t.Context()).Exec(statement).Error; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCopyRefuses(t *testing.T) {
	t.Run("a source on which a server runs", func(t *testing.T) {
		c := toCopy(t, 1)
		o := c.Options
		o.Exclusive = true
		storetest.Open(t, o)
		if _, err := store.Copy(t.Context(), c.CopyOptions); !errors.Is(err, store.ErrLocked) {
			t.Errorf("error %v, want ErrLocked", err)
		}
	})
	t.Run("half a copy of another database", func(t *testing.T) {
		c, other := toCopy(t, 2), toCopy(t, 3)
		c.stopAfterOne(t)
		o := c.CopyOptions
		o.From = other.sqlite
		for _, o.Again = range []bool{false, true} {
			if _, err := store.Copy(t.Context(), o); !errors.Is(err, store.ErrNotEmpty) {
				t.Errorf("error %v, want ErrNotEmpty", err)
			}
		}
	})
	t.Run("a source of another version", func(t *testing.T) {
		c := toCopy(t, 1)
		c.change(t, "DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)")
		if _, err := store.Copy(t.Context(), c.CopyOptions); err == nil {
			t.Error("it was copied")
		}
	})
	t.Run("two databases of one kind", func(t *testing.T) {
		c := toCopy(t, 1)
		o := c.CopyOptions
		o.To = secret.Text(storetest.SQLite(t))
		if _, err := store.Copy(t.Context(), o); !errors.Is(err, store.ErrKinds) {
			t.Errorf("error %v, want ErrKinds", err)
		}
	})
	t.Run("to end when the source has changed since it began, and begins anew when told so", func(t *testing.T) {
		c := toCopy(t, 2)
		c.stopAfterOne(t)
		c.change(t, "UPDATE audit_events SET at = 5") // the first table
		_, err := store.Copy(t.Context(), c.CopyOptions)
		if !errors.Is(err, store.ErrDiffers) || !strings.Contains(err.Error(), "(2 rows, 2 in the copy)") {
			t.Fatalf("error %v, want ErrDiffers", err)
		}
		if err := c.opens(t, c.postgres); !errors.Is(err, store.ErrHalfCopied) {
			t.Errorf("a server starts on it: %v", err)
		}
		o := c.CopyOptions
		o.Again = true
		done, err := store.Copy(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		c.expectSame(t, done, 2)
	})
}
