package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"keymaker/store"
	"keymaker/store/storetest"
)

// contents are the rows of every table that the server has filled.
func contents(t *testing.T, conn *sql.DB, tables []string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range tables {
		columns := texts(t, conn, "SELECT name FROM pragma_table_info('"+table+"') ORDER BY name")
		row := `quote("` + strings.Join(columns, `") || ' ' || quote("`) + `")`
		all[table] = texts(t, conn, fmt.Sprintf("SELECT %s AS line FROM %s ORDER BY line", row, table))
	}
	return all
}

// plan is how SQLite carries out a query.
func plan(t *testing.T, conn *sql.DB, query string, values ...any) (steps []string) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, values...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

func TestTablesThatAreMadeAnewOnSQLite(t *testing.T) {
	o := storetest.Options(t, storetest.Databases()[0].Empty(t))
	path, _ := store.SQLitePath(o.URL)
	if err := store.MigrateSQLiteTo(t.Context(), path, 24); err != nil {
		t.Fatal(err)
	}
	old, err := sql.Open(store.SQLiteDriver, path)
	if err != nil {
		t.Fatal(err)
	}
	const rows = 300
	tables := fill(t, old, rows)
	before := contents(t, old, tables)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	s := storetest.Open(t, o)
	log, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	_, conn := s.SQL(t)
	t.Run("every row of every table is still there", func(t *testing.T) {
		for table, after := range contents(t, conn, tables) {
			if len(after) < rows || !slices.Equal(after, before[table]) {
				t.Errorf("%s: %d rows, and before %d; the same: %t", table, len(after), len(before[table]), slices.Equal(after, before[table]))
			}
		}
	})
	t.Run("what refers to a row finds it, and goes with it", func(t *testing.T) {
		if orphans := texts(t, conn, `SELECT "table" FROM pragma_foreign_key_check`); len(orphans) > 0 {
			t.Errorf("rows of %v refer to nothing", orphans)
		}
		writer, _ := s.SQL(t)
		if _, err := writer.ExecContext(t.Context(), "DELETE FROM devices"); err != nil {
			t.Fatal(err)
		}
		if left := texts(t, conn, "SELECT device_id FROM device_keys"); len(left) > 0 {
			t.Errorf("the keys of %d devices are left", len(left))
		}
	})
	t.Run("an access token is looked up in the tree of the key", func(t *testing.T) {
		plan := strings.Join(plan(t, conn, store.SessionByHash, 0, ""), "\n")
		for _, table := range []string{"t", "u", "d"} {
			if !strings.Contains(plan, "SEARCH "+table+" USING PRIMARY KEY") {
				t.Errorf("%s is read otherwise:\n%s", table, plan)
			}
		}
	})
	t.Run("the log is empty again", func(t *testing.T) {
		if log.Size() > 0 {
			t.Errorf("it has %d bytes", log.Size())
		}
	})
}
