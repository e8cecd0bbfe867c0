package store_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"keymaker/store"
	"keymaker/store/storetest"
)

// What a server was at when it was killed need not wait for the end of its lease
// where no other server can be at it.
func TestSQLiteJobsOfAServerThatIsGone(t *testing.T) {
	o := storetest.Options(t, "sqlite:"+filepath.Join(t.TempDir(), "keymaker.db"))
	o.Exclusive = true
	s := storetest.Open(t, o)
	if _, err := s.AddJob(t.Context(), store.NewJob{Kind: "k", Lane: "a"}); err != nil {
		t.Fatal(err)
	}
	first, err := s.TakeJob(t.Context(), []string{"k"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	beside := o
	beside.Exclusive = false
	if _, err := storetest.Open(t, beside).TakeJob(t.Context(), []string{"k"}, time.Hour); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a command beside the server: error %v, want ErrNotFound", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := storetest.Open(t, o).TakeJob(t.Context(), []string{"k"}, time.Hour)
	if err != nil || again.ID != first.ID || again.Attempts != 2 {
		t.Errorf("the next server takes %+v, error %v", again, err)
	}
}
