package command_test

import (
	"bytes"
	"database/sql"
	"strings"
	"testing"

	"keymaker/internal/command"
	"keymaker/store"
)

// behind is the database in the current folder behind everybody's back.
func behind(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open(store.SQLiteDriver, "keymaker.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// An administrator who has put a new program in place looks around first: the
// tables are the server's to change.
func TestCommandsLeaveAnOlderDatabaseAsItIs(t *testing.T) {
	withProvider(t, "")
	write(t, "keymaker.secret", strings.Repeat("k", 32))
	db := behind(t)
	version := func() (v int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), "SELECT max(version_id) FROM goose_db_version").Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if _, err := db.ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id = ?", version()); err != nil {
		t.Fatal(err)
	}
	before := version()
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"admin", "user", "show", "alice"}, "start the server of this version"},
		{[]string{"keys", "list"}, "start the server of this version"},
		{[]string{"provider", "test", "keymaker"}, "start the server of this version"},
		{[]string{"doctor"}, "written by an older version"},
	} {
		var out bytes.Buffer
		if status := command.Main(tt.args, &command.Streams{Out: &out, Err: &out}); status == 0 || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%q: exit status %d: %s", tt.args, status, out.String())
		}
	}
	if version() != before {
		t.Errorf("the database has version %d, had %d", version(), before)
	}
}
