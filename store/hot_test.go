package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestARefreshWritesNoIndex holds what PostgreSQL asks of an update that writes no
// index (HOT): no index has a column that it changes, and the page has room. That
// it then is one depends on who else reads at that moment, and is not asked.
func TestARefreshWritesNoIndex(t *testing.T) {
	each(t, func(f *fixture) {
		if !f.postgres {
			return // SQLite writes only the indexes whose columns change
		}
		g := f.start(f.login("alice"), "D1", f.client("App").ID)
		before := f.columnsOf(g)
		f.clock.Advance(time.Minute)
		g.Refresh, _ = f.rotate(g.Refresh)
		var changed []string
		for column, value := range f.columnsOf(g) {
			if before[column] != value {
				changed = append(changed, column)
			}
		}
		if !slices.Contains(changed, "refresh_hash") {
			t.Fatalf("a refresh changed %v", changed)
		}
		for _, column := range changed {
			if n := f.number(`SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
				WHERE i.indrelid = 'sessions'::regclass AND a.attname = ?`, column); n != 0 {
				t.Errorf("%d indexes have the column %s, which a refresh changes", n, column)
			}
		}
		if n := f.number("SELECT count(*) FROM pg_class WHERE oid = 'sessions'::regclass AND array_to_string(reloptions, ',') LIKE '%fillfactor=%'"); n != 1 {
			t.Error("the pages of sessions are filled to the end")
		}
	})
}

// columnsOf are the columns of a session, as texts.
func (f *fixture) columnsOf(g grant) map[string]string {
	f.t.Helper()
	var rows []map[string]any
	if err := f.Writer(f.ctx).Raw("SELECT key, value FROM sessions s, jsonb_each_text(to_jsonb(s)) WHERE s.id = ?", g.ID).Scan(&rows).Error; err != nil {
		f.t.Fatal(err)
	}
	columns := map[string]string{}
	for _, r := range rows {
		columns[fmt.Sprint(r["key"])] = fmt.Sprint(r["value"])
	}
	return columns
}
