package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestARefreshWritesNoIndex looks at what PostgreSQL counts: an update that found
// room in its page (HOT) writes no index.
func TestARefreshWritesNoIndex(t *testing.T) {
	each(t, func(f *fixture) {
		if !f.postgres {
			return // SQLite writes only the indexes whose columns change
		}
		l, client := f.login("alice"), f.client("App")
		var grants []grant
		for i := range 120 {
			grants = append(grants, f.start(l, fmt.Sprintf("DEVICE%d", i), client.ID))
		}
		for range 5 {
			rand.Shuffle(len(grants), func(i, j int) { grants[i], grants[j] = grants[j], grants[i] })
			for i := range grants {
				grants[i].Refresh, _ = f.rotate(grants[i].Refresh)
			}
		}
		updated, hot := f.updates("sessions", int64(5*len(grants)))
		if share := 100 * hot / updated; share < 98 {
			t.Errorf("%d of %d updates wrote no index: %d %%", hot, updated, share)
		}
	})
}

// updates are how many rows of a table were changed, and how many of them without
// their indexes. PostgreSQL counts late: it waits for so many.
func (f *fixture) updates(table string, want int64) (updated, hot int64) {
	f.t.Helper()
	ask := "SELECT %s FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = '" + table + "'"
	for deadline := time.Now().Add(20 * time.Second); updated < want; time.Sleep(50 * time.Millisecond) {
		if updated = f.number(fmt.Sprintf(ask, "n_tup_upd")); time.Now().After(deadline) {
			f.t.Fatalf("%d of %d updates are counted", updated, want)
		}
	}
	return updated, f.number(fmt.Sprintf(ask, "n_tup_hot_upd"))
}
