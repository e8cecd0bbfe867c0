package command_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/store"
)

// withJob adds a job that a server gave up, and returns its id.
func withJob(t *testing.T) string {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:keymaker.db", ServerName: "example.com", Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.AddJob(t.Context(), store.NewJob{Kind: "notice", Lane: "a", Payload: map[string]string{"to": "app\u0007"}})
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.TakeJob(t.Context(), []string{"notice"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.FailJob(t.Context(), j, "the client answered 400\x1b[2J"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAdminJobs(t *testing.T) {
	inAdminFolder(t)
	id := withJob(t)
	list := func(t *testing.T, args ...string) []map[string]any {
		t.Helper()
		var jobs []map[string]any
		status, out, errs := administer("", append([]string{"jobs", "list", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &jobs); status != 0 || err != nil {
			t.Fatalf("exit status %d, error %v: %s%s", status, err, out, errs)
		}
		return jobs
	}
	t.Run("the list says what failed and why, and nothing that a terminal obeys", func(t *testing.T) {
		status, out, errs := administer("", "jobs", "list")
		if status != 0 || !strings.Contains(out, id) || !strings.Contains(out, "failed") || !strings.Contains(out, "the client answered 400") || strings.ContainsAny(out, "\x1b\x07") {
			t.Errorf("exit status %d: %q %s", status, out, errs)
		}
	})
	t.Run("JSON has the same", func(t *testing.T) {
		jobs := list(t)
		if len(jobs) != 1 || jobs[0]["id"] != id || jobs[0]["state"] != "failed" || jobs[0]["attempts"] != 1.0 || jobs[0]["finished_at"] == nil || jobs[0]["next_attempt_at"] != nil {
			t.Errorf("listed %v", jobs)
		}
	})
	t.Run("a retry makes it wait again, as if it were new", func(t *testing.T) {
		status, out, errs := administer("", "jobs", "retry", id)
		if status != 0 || !strings.Contains(out, id+" is due now") {
			t.Fatalf("exit status %d: %s%s", status, out, errs)
		}
		if jobs := list(t); len(jobs) != 1 || jobs[0]["state"] != "waiting" || jobs[0]["attempts"] != 0.0 || jobs[0]["next_attempt_at"] == nil {
			t.Errorf("listed %v", jobs)
		}
	})
	t.Run("a drop asks first", func(t *testing.T) {
		if status, _, errs := administer("no\n", "jobs", "drop", id); status != 1 || !strings.Contains(errs, "nothing was changed") {
			t.Errorf("exit status %d: %s", status, errs)
		}
		if jobs := list(t); len(jobs) != 1 {
			t.Errorf("listed %v", jobs)
		}
	})
	t.Run("and removes it", func(t *testing.T) {
		if status, out, errs := administer("yes\n", "jobs", "drop", id); status != 0 || !strings.Contains(out, "is dropped") {
			t.Errorf("exit status %d: %s%s", status, out, errs)
		}
		if jobs := list(t, "--all"); len(jobs) != 0 {
			t.Errorf("listed %v", jobs)
		}
	})
	t.Run("what is not there is said to be not there", func(t *testing.T) {
		for _, args := range [][]string{{"retry", id}, {"drop", id, "--yes"}} {
			if status, _, errs := administer("", append([]string{"jobs"}, args...)...); status != 1 || !strings.Contains(errs, "there is no job "+id) {
				t.Errorf("%v: exit status %d: %s", args, status, errs)
			}
		}
		if status, _, errs := administer("", "jobs", "list", "--limit", "0"); status != 2 || !strings.Contains(errs, "--limit") {
			t.Errorf("exit status %d: %s", status, errs)
		}
	})
	t.Run("the audit log says what was done", func(t *testing.T) {
		if _, out, _ := administer("", "audit"); !strings.Contains(out, "job_retried") || !strings.Contains(out, "job_dropped") || !strings.Contains(out, "notice "+id) {
			t.Errorf("audit log:\n%s", out)
		}
	})
}

// An administrator ends sessions without a server. Its client is told by the
// next one, also if it is in the configuration alone.
func TestAdminEndsSessionsOfAConfiguredClient(t *testing.T) {
	inAdminFolder(t)
	write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n[global.database]\nurl = \"sqlite:keymaker.db\"\n"+
		"[[global.oidc_client]]\nclient_id = \"app\"\nredirect_uris = [\"https://app.example.com/\"]\nbackchannel_logout_uri = \"https://app.example.com/logout\"\n")
	if status, out, errs := administer("", "user", "end-sessions", "alice", "--yes"); status != 0 {
		t.Fatalf("exit status %d: %s%s", status, out, errs)
	}
	var jobs []struct {
		Kind    string             `json:"kind"`
		Payload store.LogoutNotice `json:"payload"`
	}
	_, out, _ := administer("", "jobs", "list", "--json")
	if err := json.Unmarshal([]byte(out), &jobs); err != nil {
		t.Fatal(err)
	}
	want := store.LogoutNotice{ClientID: "app", URI: "https://app.example.com/logout", Alg: "ES256", UserID: "@alice:example.com", SessionID: "SESSION", Configured: true}
	if len(jobs) != 1 || jobs[0].Kind != store.JobLogout || jobs[0].Payload != want {
		t.Errorf("listed %s", out)
	}
}
