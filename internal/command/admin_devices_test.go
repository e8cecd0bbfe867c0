package command_test

import (
	"os"
	"strings"
	"testing"

	"keymaker/store"
)

func TestAdminSyncDevices(t *testing.T) {
	s := inQueryFolder(t)
	if status, _, errs := administer("", "user", "sync-devices", "alice"); status != 1 || !strings.Contains(errs, "nobody else knows of devices") {
		t.Errorf("the embedded homeserver: exit status %d: %s", status, errs)
	}
	f, err := os.OpenFile("keymaker.toml", os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\n[global.homeserver]\nkind = \"synapse\"\nendpoint = \"http://localhost:8008\"\nsecret = \"s\"\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := administer("", "user", "sync-devices", "nobody"); status != 1 || !strings.Contains(errs, "there is no user @nobody:example.com") {
		t.Errorf("nobody: exit status %d: %s", status, errs)
	}
	status, out, errs := administer("", "user", "sync-devices", "@alice:example.com", "--json")
	if status != 0 || !strings.Contains(out, `"@alice:example.com"`) {
		t.Errorf("exit status %d: %s%s", status, out, errs)
	}
	jobs, err := s.Jobs(t.Context(), []store.JobState{store.JobWaiting}, 10)
	if err != nil || len(jobs) != 1 || jobs[0].Kind != store.JobHomeserver || !strings.Contains(string(jobs[0].Payload), `"change":"devices"`) {
		t.Errorf("the jobs are %+v, error %v", jobs, err)
	}
}
