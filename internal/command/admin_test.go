package command_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"

	"keymaker/internal/clock"
	"keymaker/internal/command"
	"keymaker/store"
)

// withAlice makes the database of the configuration in the current folder, with
// a user alice, who signs in with two identities.
func withAlice(t *testing.T) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:keymaker.db", ServerName: "example.com", Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Link(t.Context(), store.NewLink{ProviderID: "keymaker", Issuer: "https://sso.example.com", Subject: "1234", Localpart: "alice",
		CreateUser: true, DisplayName: "Alice\x1b[2J", Email: "alice@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddLink(t.Context(), store.NewLink{ProviderID: "keymaker", Issuer: "https://sso.example.com", Subject: "7788", Localpart: "alice"}); err != nil {
		t.Fatal(err)
	}
	login := store.Login{Localpart: "alice", ProviderID: "keymaker", UpstreamIssuer: "https://sso.example.com", UpstreamSubject: "1234"}
	err = s.StartSession(t.Context(), store.NewSession{Session: store.Session{ID: "SESSION", DeviceID: "DEVICE", ClientID: "app", Kind: store.OAuth, Scope: "openid", Login: login}, DeviceName: "Phone"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// inAdminFolder runs the rest of a test beside a database with a user alice.
func inAdminFolder(t *testing.T) {
	t.Helper()
	inFolder(t)
	write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n[global.database]\nurl = \"sqlite:keymaker.db\"\n")
	withAlice(t)
}

func administer(in string, args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	var answers io.Reader
	if in != "" {
		answers = strings.NewReader(in)
	}
	status = command.Main(append([]string{"admin"}, args...), &command.Streams{In: answers, Terminal: in != "", Out: &o, Err: &e})
	return status, o.String(), e.String()
}

// administerWith runs a command in an environment.
func administerWith(env []string, args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = command.Main(append([]string{"admin"}, args...), &command.Streams{Out: &o, Err: &e, Env: env})
	return status, o.String(), e.String()
}

func TestAdminUserStates(t *testing.T) {
	tests := []struct{ command, says, again, state string }{
		{"lock", "@alice:example.com is locked.", "@alice:example.com was locked already.", "locked"},
		{"unlock", "@alice:example.com is unlocked.", "@alice:example.com was not locked.", "active"},
		{"suspend", "@alice:example.com is suspended.", "@alice:example.com was suspended already.", "suspended"},
		{"unsuspend", "@alice:example.com is no longer suspended.", "@alice:example.com was not suspended.", "active"},
		{"deactivate --yes", "@alice:example.com is deactivated.", "@alice:example.com was deactivated already.", "deactivated"},
		{"reactivate", "@alice:example.com is reactivated.", "@alice:example.com was not deactivated.", "active"},
	}
	inAdminFolder(t)
	for _, tt := range tests {
		t.Run(tt.command, func(t *testing.T) {
			args := append(append([]string{"user"}, strings.Fields(tt.command)...), "alice")
			for _, want := range []string{tt.says, tt.again} {
				if status, out, errs := administer("", args...); status != 0 || strings.TrimSpace(out) != want || errs != "" {
					t.Errorf("exit status %d, %q, %q, want %q", status, out, errs, want)
				}
			}
			if _, out, _ := administer("", "user", "show", "@alice:example.com"); !strings.Contains(out, "State         "+tt.state+"\n") {
				t.Errorf("the account is shown without the state %q:\n%s", tt.state, out)
			}
		})
	}
}

func TestAdminUserShow(t *testing.T) {
	inAdminFolder(t)
	t.Run("text says it all, and nothing that a terminal obeys", func(t *testing.T) {
		status, out, errs := administer("", "user", "show", "alice")
		if status != 0 {
			t.Fatalf("exit status %d: %s", status, errs)
		}
		for _, want := range []string{"@alice:example.com", `"Alice\x1b[2J"`, "alice@example.com", "https://sso.example.com", "1234", "SESSION", "DEVICE", "Phone", "Sessions: 1", "Devices: 1"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not shown:\n%s", want, out)
			}
		}
		if strings.Contains(out, "\x1b") {
			t.Errorf("an escape sequence gets through: %q", out)
		}
	})
	t.Run("JSON has every list, empty or not", func(t *testing.T) {
		var shown struct {
			UserID     string                 `json:"user_id"`
			State      map[string]bool        `json:"state"`
			Identities []map[string]any       `json:"identities"`
			Sessions   []map[string]any       `json:"sessions"`
			Devices    []struct{ OIDC *bool } `json:"devices"`
		}
		if _, out, errs := administer("", "user", "show", "alice", "--json"); json.Unmarshal([]byte(out), &shown) != nil {
			t.Fatalf("no JSON: %s%s", out, errs)
		}
		if shown.UserID != "@alice:example.com" || shown.State["locked"] || len(shown.Identities) != 2 || len(shown.Sessions) != 1 ||
			shown.Sessions[0]["session_id"] != "SESSION" || len(shown.Devices) != 1 || shown.Devices[0].OIDC == nil || !*shown.Devices[0].OIDC {
			t.Errorf("shown is %+v", shown)
		}
		if _, out, _ := administer("", "user", "deactivate", "alice", "--yes", "--json"); !strings.Contains(out, `"deactivated": true`) {
			t.Errorf("the deactivation answers %s", out)
		}
		if _, out, _ := administer("", "user", "show", "alice", "--json"); !strings.Contains(out, `"sessions": []`) || !strings.Contains(out, `"devices": []`) {
			t.Errorf("the deactivated account is shown as %s", out)
		}
	})
}

func TestAdminAsksBeforeItDestroys(t *testing.T) {
	tests := []struct {
		name, in string
		args     []string
		status   int
		sessions string // afterwards
	}{
		{"nobody answers", "", []string{"deactivate", "alice"}, 1, "Sessions: 1"},
		{"the answer is no", "no\n", []string{"deactivate", "alice"}, 1, "Sessions: 1"},
		{"the answer is empty", "\n", []string{"end-sessions", "alice"}, 1, "Sessions: 1"},
		{"the answer is yes", "yes\n", []string{"end-sessions", "alice"}, 0, "Sessions: 0"},
		{"the answer is yes without the end of a line", "yes", []string{"deactivate", "alice"}, 0, "Sessions: 0"},
		{"nobody is at a terminal", "", []string{"end-sessions", "alice"}, 1, "Sessions: 1"},
		{"it is not to ask", "", []string{"end-sessions", "alice", "--yes"}, 0, "Sessions: 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inAdminFolder(t)
			status, out, errs := administer(tt.in, append([]string{"user"}, tt.args...)...)
			if status != tt.status || tt.status != 0 && !strings.Contains(errs, "nothing was changed") {
				t.Errorf("exit status %d, want %d: %s%s", status, tt.status, out, errs)
			}
			if _, out, _ := administer("", "user", "show", "alice"); !strings.Contains(out, tt.sessions) {
				t.Errorf("the account has not %q:\n%s", tt.sessions, out)
			}
		})
	}
}

func TestAdminAudit(t *testing.T) {
	inAdminFolder(t)
	administer("", "user", "lock", "alice")
	t.Run("the newest event first, and who did it", func(t *testing.T) {
		_, out, errs := administer("", "audit", "--user", "alice", "--limit", "2")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 3 || !strings.Contains(lines[1], "user_locked") || !strings.Contains(lines[1], "admin") || !strings.Contains(lines[2], "session_started") {
			t.Errorf("%s%s", out, errs)
		}
	})
	t.Run("JSON, of everybody", func(t *testing.T) {
		var events []map[string]any
		if _, out, errs := administer("", "audit", "--json"); json.Unmarshal([]byte(out), &events) != nil {
			t.Fatalf("no JSON: %s%s", out, errs)
		}
		if len(events) != 5 || events[0]["action"] != "user_locked" || events[0]["user_id"] != "@alice:example.com" || events[0]["actor"] != "admin" {
			t.Errorf("the events are %v", events)
		}
	})
}

func TestAdminRefusesClearly(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"a user that does not exist", []string{"user", "lock", "bob"}, 1, "there is no user @bob:example.com"},
		{"a user that does not exist, of whom events are asked", []string{"audit", "--user", "bob"}, 1, "there is no user @bob:example.com"},
		{"a user that does not exist, before it asks", []string{"user", "deactivate", "bob"}, 1, "there is no user @bob:example.com"},
		{"a user of another server", []string{"user", "lock", "@alice:other.example"}, 2, "no user of this server, whose name is example.com"},
		{"what is no user", []string{"user", "lock", "@alice"}, 2, "write alice or @alice:example.com"},
		{"no limit", []string{"audit", "--limit", "0"}, 2, "--limit 0"},
		{"no user at all", []string{"user", "lock"}, 2, "<user>"},
	}
	inAdminFolder(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, out, errs := administer("", tt.args...); status != tt.status || !strings.Contains(errs, tt.says) {
				t.Errorf("exit status %d, want %d: %s%q does not say %q", status, tt.status, out, errs, tt.says)
			}
		})
	}
	t.Run("a database that does not exist is not made", func(t *testing.T) {
		inFolder(t)
		write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n")
		for range 2 {
			if status, _, errs := administer("", "user", "show", "alice"); status != 1 || !strings.Contains(errs, "there is no database") {
				t.Errorf("exit status %d: %s", status, errs)
			}
		}
	})
}
