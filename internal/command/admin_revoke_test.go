package command_test

import (
	"bytes"
	"strings"
	"testing"

	"keymaker/internal/command"
)

func TestAdminRevokeAndDelete(t *testing.T) {
	tests := []struct {
		name, line string
		says       string
		ended      bool // the session of alice
		device     bool // of alice is still there
		linked     bool // alice is
	}{
		{"revoke a session", "revoke 01SESSION1 --yes", "Sessions of @alice:example.com ended: 1. The devices stay.", true, true, true},
		{"revoke a user", "revoke alice --yes", "Sessions of @alice:example.com ended: 1.", true, true, true},
		{"revoke another user", "revoke @bob:example.com --yes", "Sessions of @bob:example.com ended: 1.", false, true, true},
		{"delete a session", "delete 01SESSION1 --yes", "Session 01SESSION1 of @alice:example.com is over", true, false, true},
		{"delete a user", "delete @alice:example.com --yes", "Removed of @alice:example.com: identities: 1, associations: 1, sessions: 1, devices: 1.", true, false, false},
		{"delete another user", "delete bob --yes", "Removed of @bob:example.com: identities: 1, associations: 0, sessions: 1, devices: 2.", false, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inQueryFolder(t)
			query(t, "associate gh1 sub=77 alice")
			if out := query(t, tt.line); !strings.Contains(out, tt.says) {
				t.Errorf("%q is not said: %s", tt.says, out)
			}
			if out := query(t, "show-session 01SESSION1"); strings.Contains(out, "ended_by_admin by admin") != tt.ended {
				t.Errorf("the session is shown as:\n%s", out)
			}
			if out := query(t, "list-devices --user alice"); strings.Contains(out, "ALICEPHONE") != tt.device {
				t.Errorf("the devices are:\n%s", out)
			}
			if out := query(t, "list-users --provider kc1"); strings.Contains(out, "@alice:example.com") != tt.linked {
				t.Errorf("linked are:\n%s", out)
			}
		})
	}
	t.Run("a session that is over is over", func(t *testing.T) {
		inQueryFolder(t)
		query(t, "revoke 01SESSION1 --yes")
		if out := query(t, "revoke 01SESSION1 --yes --json"); !strings.Contains(out, `"sessions_ended": 0`) {
			t.Errorf("the second time says %s", out)
		}
		if out := query(t, "delete 01SESSION1 --yes"); strings.Contains(query(t, "list-devices"), "ALICEPHONE") {
			t.Errorf("its device is still there: %s", out)
		}
	})
	t.Run("somebody who is deleted can be associated again", func(t *testing.T) {
		inQueryFolder(t)
		query(t, "delete alice --yes")
		if out := query(t, "associate kc1 sub=s-alice alice"); !strings.Contains(out, "becomes @alice:example.com") {
			t.Errorf("it says %s", out)
		}
	})
}

func TestAdminRevokeAndDeleteAsk(t *testing.T) {
	for _, line := range []string{"revoke 01SESSION1", "revoke alice", "delete 01SESSION1", "delete alice"} {
		for _, tt := range []struct {
			name, in string
			status   int
		}{{"nobody is at a terminal", "", 1}, {"no", "no\n", 1}, {"yes", "yes\n", 0}} {
			t.Run(line+": "+tt.name, func(t *testing.T) {
				inQueryFolder(t)
				status, out, errs := administer(tt.in, append([]string{"query", "oauth"}, strings.Fields(line)...)...)
				if status != tt.status {
					t.Errorf("exit status %d: %s%s", status, out, errs)
				}
				if ended := strings.Contains(query(t, "show-session 01SESSION1"), "ended_by_admin"); ended != (tt.status == 0) {
					t.Errorf("the session has ended: %v; it said %s%s", ended, out, errs)
				}
				if tt.in != "" && !strings.Contains(errs, "@alice:example.com") {
					t.Errorf("the question does not name whose it is: %s", errs)
				}
			})
		}
	}
	t.Run("yes in a pipe is nobody's answer", func(t *testing.T) {
		inQueryFolder(t)
		var out, errs bytes.Buffer
		status := command.Main([]string{"admin", "query", "oauth", "delete", "alice"}, &command.Streams{In: strings.NewReader("yes\n"), Out: &out, Err: &errs})
		if status != 1 || !strings.Contains(errs.String(), "--yes confirms") {
			t.Errorf("exit status %d: %s%s", status, out.String(), errs.String())
		}
	})
	t.Run("what is not there is told before anything is asked", func(t *testing.T) {
		inQueryFolder(t)
		for target, says := range map[string]string{"nothing": "there is no session and no user nothing", "@carol:example.com": "there is no user @carol:example.com"} {
			if status, _, errs := administer("yes\n", "query", "oauth", "delete", target); status != 1 || !strings.Contains(errs, says) || strings.Contains(errs, "Type yes") {
				t.Errorf("exit status %d: %s", status, errs)
			}
		}
	})
}

func TestAdminSetDisplayName(t *testing.T) {
	inQueryFolder(t)
	tests := []struct {
		name, to string
		status   int
		says     string
	}{
		{"another name", "Alice Ж", 0, "@alice:example.com is called Alice Ж."},
		{"the same name", "Alice Ж", 0, "@alice:example.com was called Alice Ж already."},
		{"no name", "", 0, "@alice:example.com is called -."},
		{"a name that a terminal obeys", "Al\x1b[2Jice", 2, "can be no display name"},
		{"a name that turns the text around it", "Al\u202eice", 2, "can be no display name"},
		{"a name of two lines", "Al\nice", 2, "can be no display name"},
		{"a name with space around it", " Alice", 2, "can be no display name"},
		{"a name beyond all measure", strings.Repeat("x", 257), 2, "can be no display name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := administer("", "user", "set-displayname", "alice", tt.to)
			if status != tt.status || !strings.Contains(out+errs, tt.says) || strings.ContainsAny(out+errs, "\x1b\u202e") {
				t.Errorf("exit status %d, want %d: %q does not say %q", status, tt.status, out+errs, tt.says)
			}
		})
	}
	if _, out, _ := administer("", "audit", "--user", "alice"); strings.Count(out, "display_name_changed") != 2 {
		t.Errorf("the audit log is:\n%s", out)
	}
	t.Run("of nobody, and of somebody who has left", func(t *testing.T) {
		administer("", "user", "deactivate", "bob", "--yes")
		for user, says := range map[string]string{"carol": "there is no user", "bob": "is deactivated"} {
			if status, _, errs := administer("", "user", "set-displayname", user, "New"); status != 1 || !strings.Contains(errs, says) {
				t.Errorf("exit status %d: %s", status, errs)
			}
		}
	})
}

func TestAdminTokenInfoReads(t *testing.T) {
	inQueryFolder(t)
	const token = "kma_c2VjcmV0"
	write(t, "token", token+"\n")
	write(t, "empty", " \n")
	write(t, "long", strings.Repeat("x", 9000))
	tests := []struct {
		name, in string
		args     []string
		status   int
		says     string
	}{
		{"from a file", "", []string{"--file", "token"}, 0, "cut or mistyped"},
		{"from a person", token + "\n", nil, 0, "cut or mistyped"},
		{"from nobody", "", nil, 1, "no token on standard input"},
		{"from an empty file", "", []string{"--file", "empty"}, 1, "there is no token to look at"},
		{"from a file beyond all measure", "", []string{"--file", "long"}, 1, "more than 8192 bytes"},
		{"from a file that is not there", "", []string{"--file", "nothing"}, 1, "no such file"},
		{"never from the command line", "", []string{token}, 2, "never from the command line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := administer(tt.in, append([]string{"query", "oauth", "token-info"}, tt.args...)...)
			if status != tt.status || !strings.Contains(out+errs, tt.says) {
				t.Errorf("exit status %d, want %d: %s%s", status, tt.status, out, errs)
			}
			if strings.Contains(out+errs, token) {
				t.Errorf("the token is repeated: %s%s", out, errs)
			}
		})
	}
}
