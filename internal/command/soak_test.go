package command_test

import (
	"context"
	"database/sql"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"keymaker/store"
	"keymaker/store/storetest"
)

// soakVariable is how long TestSoak lasts, as "2m"; without it a moment.
const soakVariable = "KEYMAKER_TEST_SOAK"

// gauges are what must not grow with what a server has done.
var gauges = []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes"}

// measure asks a server for its gauges through its private socket.
func measure(t *testing.T, socket string) map[string]float64 {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Get("http://socket/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, name := range gauges {
		m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("there is no %s", name)
		}
		if found[name], err = strconv.ParseFloat(string(m[1]), 64); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// daysOfSoak is by how much TestSoak moves the clock on, so that whatever expires
// does so within the time: what is kept longest is an ended session, for 30 days.
const daysOfSoak = 3

// loginsOfSoak is how many logins there are before that: as many each time, however
// busy the machine is, so that as many rows are left.
const loginsOfSoak = 20

// logins waits for so many more.
func (w *witnesses) logins(n int64) {
	w.t.Helper()
	want := w.codes.Load() + n
	for deadline := time.Now().Add(2 * time.Minute); w.codes.Load() < want; time.Sleep(10 * time.Millisecond) {
		if w.t.Failed() || time.Now().After(deadline) {
			w.t.Fatalf("there are no more logins")
		}
	}
}

// growing are the tables that keep what they have: the audit log for ever.
var growing = []string{"audit_events", "goose_db_version"}

// TestSoak keeps clients busy, which register, log in, refresh and log out, while
// the days go by, and expects the server to need no more in the last third of the
// time than in the one before, beyond what it varies by: memory, goroutines, file
// handles and connections, rows, and room on the disk. Every answer is checked as in
// TestWhatWasAnsweredSurvivesKills.
func TestSoak(t *testing.T) {
	t.Parallel()
	length := 3 * time.Second
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		t.Parallel()
		socket := filepath.Join(t.TempDir(), "admin.sock")
		p := startProcess(t, unlimited, withClock, func(p *process) { p.env = append(p.env, "KEYMAKER_GLOBAL__PRIVATE__ADDRESS=unix:"+socket) })
		p.on(t, d)
		w, wait := watch(t, p.Env, func(w *witnesses) { w.pause, w.moved = 20*time.Millisecond, true })
		var found []map[string]float64
		for begun, days := time.Now(), 0; time.Since(begun) < length; {
			w.logins(loginsOfSoak)
			w.held.Lock()
			days += daysOfSoak
			p.clock.move(t, time.Duration(days)*24*time.Hour)
			time.Sleep(1200 * time.Millisecond) // in which the server removes what has expired
			found = append(found, p.needs(t, socket, d))
			w.held.Unlock()
		}
		wait()
		level(t, found)
	})
}

// needs is what a server and its database take at the moment.
func (p *process) needs(t *testing.T, socket string, d storetest.Database) map[string]float64 {
	t.Helper()
	found := measure(t, socket)
	driver, address := "pgx", p.database()
	tables, size := "SELECT relname FROM pg_stat_user_tables", "SELECT pg_database_size(current_database())"
	if d.Name == "sqlite" {
		driver, address = store.SQLiteDriver, strings.TrimPrefix(address, "sqlite:")
		tables, size = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
	} else {
		found["connections"] = number(t, driver, address, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
	}
	for _, table := range texts(t, driver, address, tables) {
		rows := number(t, driver, address, "SELECT count(*) FROM "+table)
		if slices.Contains(growing, table) {
			found[table] = rows
			continue
		}
		found["rows"] += rows
	}
	found["bytes"] = number(t, driver, address, size)
	return found
}

// level compares the most that was needed in the last third with that in the one
// before.
func level(t *testing.T, found []map[string]float64) {
	t.Helper()
	most := [3]map[string]float64{{}, {}, {}}
	for i, f := range found {
		third := most[i*3/len(found)]
		for name, value := range f {
			third[name] = max(third[name], value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found[0])) {
		t.Logf("%s: at most %.0f, %.0f and %.0f in the thirds", name, most[0][name], most[1][name], most[2][name])
		room := most[1][name]*1.25 + 10
		switch {
		case name == "audit_events" || len(found) < 3*30/daysOfSoak:
			continue // for ever, and too short to tell
		case name == "bytes":
			room += 1000 * (most[2]["audit_events"] - most[1]["audit_events"])
		}
		if most[2][name] > room {
			t.Errorf("%s grows: %.0f after %.0f", name, most[2][name], most[1][name])
		}
	}
}

// number is the answer to a question of one number, and texts of a column.
func number(t *testing.T, driver, address, question string) (n float64) {
	t.Helper()
	ask(t, driver, address, question, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n
}

func texts(t *testing.T, driver, address, question string) (found []string) {
	t.Helper()
	ask(t, driver, address, question, func(rows *sql.Rows) error {
		var text string
		err := rows.Scan(&text)
		found = append(found, text)
		return err
	})
	return found
}

// ask asks a database on a connection of its own.
func ask(t *testing.T, driver, address, question string, each func(*sql.Rows) error) {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), question)
	if err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := each(rows); err != nil {
			t.Fatalf("%s: %v", question, err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", question, err)
	}
}
