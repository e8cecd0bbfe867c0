package command_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"keymaker/internal/harness"
	"keymaker/internal/porttest"
)

// serveBeside starts a second server with the same configuration at another port,
// which must not start, and returns what it says.
func (p *process) serveBeside() string {
	p.T.Helper()
	cmd := exec.CommandContext(p.T.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), serveVariable+"="+p.config, fmt.Sprintf("KEYMAKER_GLOBAL__PORT=%d", porttest.Free(p.T)))
	said, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		p.T.Fatalf("a second server ended with %v: %s", err, said)
	}
	return string(said)
}

func TestASecondServerOnOneFileDoesNotStart(t *testing.T) {
	p := startProcess(t)
	says(t, p.serveBeside(), "open the database: another server is running on this database", filepath.Join(filepath.Dir(p.config), "keymaker.db.lock"))
	p.kill()
	p.start() // at once: a killed server leaves no lock
	says(t, p.serveBeside(), "another server is running on this database")
}

// TestCommandsWorkBesideAServerUnderLoad expects no refresh to fail meanwhile
// either.
func TestCommandsWorkBesideAServerUnderLoad(t *testing.T) {
	t.Setenv("KEYMAKER_GLOBAL__OIDC_RC_PER_SECOND", "0")
	p := startProcess(t)
	var sessions []harness.Tokens
	for i := range 4 {
		sessions = append(sessions, p.LogIn("alice", fmt.Sprintf("BUSY%d", i)))
	}
	p.LogIn("bob", "LOCKED")
	stop := refreshing(p, sessions...)
	says(t, keymaker(t, 0, "keys", "--config", p.config, "rotate", "--now"), "signs from now on")
	says(t, keymaker(t, 0, "admin", "--config", p.config, "user", "lock", "bob"), "bob")
	says(t, keymaker(t, 0, "admin", "--config", p.config, "user", "unlock", "bob"), "bob")
	says(t, keymaker(t, 0, "backup", "--config", p.config, filepath.Join(t.TempDir(), "kept")), "read again")
	if n := stop(); n < 4 {
		t.Errorf("only %d refreshes: there was no load", n)
	}
}
