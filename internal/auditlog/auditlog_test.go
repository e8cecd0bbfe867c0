package auditlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/admin"
	"keymaker/internal/auditlog"
	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// fixture is a database and what is written of its audit log.
type fixture struct {
	*testing.T
	*store.Store
	clock *clock.Manual
	out   strings.Builder
	log   *auditlog.Log
	path  string
}

func each(t *testing.T, test func(f *fixture)) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		f := &fixture{T: t, clock: clock.NewManual(storetest.Start), path: filepath.Join(t.TempDir(), "audit.jsonl")}
		f.Store = d.Open(t, func(o *store.Options) { o.Clock = f.clock })
		f.restart()
		test(f)
	})
}

func (f *fixture) restart() { f.log = auditlog.New(f.Store, &f.out, f.clock) }

func (f *fixture) record(reasons ...string) {
	f.Helper()
	for _, r := range reasons {
		f.clock.Advance(time.Second)
		e := store.Event{Action: store.ActionSessionEnded, Localpart: "alice", ClientID: "app", SessionID: "S", DeviceID: "D", Actor: store.ActorUser, Reason: r}
		if err := f.Record(f.Context(), e); err != nil {
			f.Fatal(err)
		}
	}
}

func (f *fixture) write(destination string) {
	f.Helper()
	if err := f.log.Write(f.Context(), destination); err != nil {
		f.Fatal(err)
	}
}

// reasons are what whole lines of a text tell, in order.
func reasons(t *testing.T, text string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(text) {
		var l auditlog.Line
		if err := json.Unmarshal([]byte(line), &l); err == nil {
			all = append(all, l.Reason)
		}
	}
	return strings.Join(all, " ")
}

func (f *fixture) expect(want string) {
	f.Helper()
	text, err := os.ReadFile(f.path)
	if err != nil && want != "" {
		f.Fatal(err)
	}
	if got := reasons(f.T, string(text)); got != want {
		f.Errorf("the file has %q, want %q", got, want)
	}
}

func TestALineSaysEverything(t *testing.T) {
	each(t, func(f *fixture) {
		f.write(config.AuditStdout)
		f.record("refresh_reused")
		f.write(config.AuditStdout)
		var got map[string]any
		if err := json.Unmarshal([]byte(f.out.String()), &got); err != nil || !strings.HasSuffix(f.out.String(), "}\n") {
			t.Fatalf("%q: %v", f.out.String(), err)
		}
		for key, want := range map[string]string{"action": "session_ended", "outcome": "refused", "user_id": f.UserID("alice"), "client_id": "app",
			"session_id": "S", "device_id": "D", "actor": "user", "reason": "refresh_reused", "at": f.clock.Now().UTC().Format(time.RFC3339)} {
			if value, _ := got[key].(string); !strings.HasPrefix(value, strings.TrimSuffix(want, "Z")) {
				t.Errorf("%s is %v, want %s", key, got[key], want)
			}
		}
	})
}

func TestEachEventIsWrittenOnce(t *testing.T) {
	each(t, func(f *fixture) {
		f.record("before")
		f.clock.Advance(time.Second)
		f.restart()
		f.record("a") // before anything is written
		f.write(f.path)
		f.expect("a")
		f.record("b")
		f.write(f.path)
		f.write(f.path)
		f.record("c")
		f.write(f.path)
		f.expect("a b c")
		f.restart()
		f.record("d")
		f.write(f.path)
		f.write(f.path)
		f.expect("a b c d")
		f.clock.Advance(time.Hour)
		f.record("e")
		f.restart()
		f.record("f")
		f.write(f.path)
		f.expect("a b c d e f")
		if info, err := os.Stat(f.path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file is %v, %v", info, err)
		}
	})
}

func TestManyEventsAreWrittenInParts(t *testing.T) {
	each(t, func(f *fixture) {
		f.write(f.path)
		for range 2500 {
			if err := f.Record(t.Context(), store.Event{Action: store.ActionUserLocked, Localpart: "alice", Actor: store.ActorAdmin, Reason: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		f.write(f.path)
		text, err := os.ReadFile(f.path)
		if err != nil || strings.Count(string(text), "\n") != 2500 {
			t.Errorf("%d lines, %v", strings.Count(string(text), "\n"), err)
		}
	})
}

func TestATransactionThatTookLongIsNotMissed(t *testing.T) {
	each(t, func(f *fixture) {
		f.write(f.path)
		err := f.InTx(t.Context(), func(ctx context.Context) error {
			return f.Record(ctx, store.Event{Action: store.ActionUserLocked, Localpart: "bob", Actor: store.ActorAdmin, Reason: "late"})
		})
		if err != nil {
			t.Fatal(err)
		}
		// Its id is older than what is in the file.
		f.clock.Advance(5 * time.Second)
		line, err := json.Marshal(auditlog.Line{ID: store.FirstEventID(f.clock.Now()), Event: admin.Event{At: f.clock.Now(), Reason: "newer"}})
		if err != nil {
			t.Fatal(err)
		}
		older, err := json.Marshal(auditlog.Line{ID: store.FirstEventID(f.clock.Now().Add(-time.Hour)), Event: admin.Event{At: f.clock.Now().Add(-time.Hour), Reason: "older"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path, []byte(string(older)+"\n"+string(line)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.restart()
		f.write(f.path)
		f.expect("older newer late")
	})
}

func TestAFileThatEndsWithinALine(t *testing.T) {
	each(t, func(f *fixture) {
		f.write(f.path)
		f.record("a", "b")
		f.write(f.path)
		text, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path, text[:len(text)-10], 0o600); err != nil {
			t.Fatal(err)
		}
		f.restart()
		f.write(f.path)
		f.expect("a b")
	})
}

func TestTheFileCanBeMovedAway(t *testing.T) {
	each(t, func(f *fixture) {
		f.write(f.path)
		f.record("a")
		f.write(f.path)
		if err := os.Rename(f.path, f.path+".1"); err != nil {
			t.Fatal(err)
		}
		f.record("b")
		f.write(f.path)
		f.expect("b")
	})
}

func TestWhatCannotBeWrittenIsWrittenLater(t *testing.T) {
	each(t, func(f *fixture) {
		f.write(f.path)
		f.record("a")
		f.write(f.path)
		if err := os.Chmod(filepath.Dir(f.path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(f.path, f.path+".kept"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(f.path, 0o700); err != nil { // nothing can be added to it
			t.Fatal(err)
		}
		f.record("b")
		if err := f.log.Write(t.Context(), f.path); err == nil {
			t.Fatal("no error")
		}
		if err := errors.Join(os.Remove(f.path), os.Rename(f.path+".kept", f.path)); err != nil {
			t.Fatal(err)
		}
		f.write(f.path)
		f.expect("a b")
	})
}

func TestAnotherDestination(t *testing.T) {
	each(t, func(f *fixture) {
		f.write("")
		f.record("a")
		f.clock.Advance(time.Second)
		f.write(config.AuditStdout)
		f.record("b")
		f.write(config.AuditStdout)
		f.clock.Advance(time.Second)
		f.write(f.path)
		f.record("c")
		f.write(f.path)
		f.expect("c")
		if got := reasons(t, f.out.String()); got != "b" {
			t.Errorf("standard output has %q", got)
		}
	})
}
