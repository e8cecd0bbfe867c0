package handlers_test

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/harness"
)

// queued is how many requests to the servers of this process wait for their turn
// to write to SQLite.
func queued() int {
	stacks := make([]byte, 16<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "store.(*queue).take(")
}

// What keeps a session going writes before a crowd that came first.
func TestSessionsWriteFirst(t *testing.T) {
	e := harness.Start(t)
	if onPostgres(e) {
		t.Skip("there nobody waits for the others")
	}
	refreshed, revoked := e.LogIn("alice", "DEVICE"), e.LogIn("bob", "DEVICE")
	db := database(e)
	for _, statement := range []string{
		"CREATE TABLE written (at INTEGER PRIMARY KEY, what TEXT)",
		"CREATE TRIGGER registered AFTER INSERT ON clients BEGIN INSERT INTO written (what) VALUES ('registration'); END",
		"CREATE TRIGGER refreshed AFTER INSERT ON access_tokens BEGIN INSERT INTO written (what) VALUES ('refresh'); END",
		"CREATE TRIGGER revoked AFTER UPDATE OF ended_at ON sessions BEGIN INSERT INTO written (what) VALUES ('revocation'); END",
		"BEGIN IMMEDIATE", // the first that comes waits for this
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	var all sync.WaitGroup
	send := func(path, kind, body string, already int) {
		all.Go(func() {
			e.Do(http.MethodPost, path, map[string]string{"Content-Type": kind}, body)
		})
		for queued() < already && t.Context().Err() == nil {
			runtime.Gosched()
		}
	}
	const form = "application/x-www-form-urlencoded"
	for i := range 4 {
		send("/_tuwunel/oidc/registration", "application/json", `{"redirect_uris":["https://app.example.com/`+string(rune('a'+i))+`"],"client_uri":"https://app.example.com/"}`, i)
	}
	send("/_tuwunel/oidc/token", form, "grant_type=refresh_token&refresh_token="+refreshed.Refresh+"&client_id="+refreshed.ClientID, 4)
	send("/_tuwunel/oidc/revoke", form, "token="+revoked.Access+"&client_id="+revoked.ClientID, 5)
	if _, err := db.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	rows, err := db.QueryContext(t.Context(), "SELECT what FROM written ORDER BY at")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var got []string
	for rows.Next() {
		var what string
		if err := rows.Scan(&what); err != nil {
			t.Fatal(err)
		}
		got = append(got, what)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"registration", "refresh", "revocation", "registration", "registration", "registration"}; !slices.Equal(got, want) {
		t.Errorf("written are %q, want %q", got, want)
	}
}
