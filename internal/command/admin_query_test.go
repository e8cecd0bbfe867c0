package command_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/clock"
	"keymaker/store"
)

// hostile is a name that a terminal would obey, and that would turn what is
// beside it.
const hostile = "Eve\x1b[2J\u009b31m\u202egnp\tx"

// inQueryFolder runs the rest of a test beside a database with the users alice,
// bob and eve, who came through two providers of the configuration and one that
// is gone.
func inQueryFolder(t *testing.T) *store.Store {
	t.Helper()
	inFolder(t)
	write(t, "keymaker.toml", `[global]
server_name = "example.com"
[global.well_known]
client = "https://matrix.example.com"
[global.database]
url = "sqlite:keymaker.db"
[[global.identity_provider]]
brand = "Keycloak"
client_id = "kc1"
client_secret = "topsecretvalue"
issuer_url = "https://sso.example.com/realms/main"
default = true
[[global.identity_provider]]
brand = "GitHub"
client_id = "gh1"
client_secret = "anothersecret"
`)
	s := openHere(t)
	link := func(provider, issuer, subject, localpart, name string) {
		t.Helper()
		if _, err := s.Link(t.Context(), store.NewLink{ProviderID: provider, Issuer: issuer, Subject: subject, Localpart: localpart, CreateUser: true, DisplayName: name}); err != nil {
			t.Fatal(err)
		}
	}
	link("kc1", "https://sso.example.com/realms/main", "s-alice", "alice", "Alice")
	link("gh1", "https://github.com", "42", "bob", "Bob")
	link("old", "https://old.example.com", "7", "eve", hostile)
	startSession(t, s, "01SESSION1", "ALICEPHONE", "Phone", store.Login{Localpart: "alice", ProviderID: "kc1", UpstreamIssuer: "https://sso.example.com/realms/main", UpstreamSubject: "s-alice"})
	startSession(t, s, "01SESSION2", "BOBPHONE", "Phone", store.Login{Localpart: "bob", ProviderID: "gh1", UpstreamIssuer: "https://github.com", UpstreamSubject: "42"})
	startSession(t, s, "01SESSION3", "EVE/PHONE", hostile, store.Login{Localpart: "eve", ProviderID: "old", UpstreamIssuer: "https://old.example.com", UpstreamSubject: "7"})
	if err := s.EnsureDevice(t.Context(), "bob", "BOBLEGACY", "Old client"); err != nil {
		t.Fatal(err)
	}
	return s
}

// openHere opens the database of the current folder until the test ends, as a
// server beside the commands would.
func openHere(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:keymaker.db", ServerName: "example.com", Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a failed test may have left it in any state
	return s
}

func startSession(t *testing.T, s *store.Store, id, device, name string, l store.Login) {
	t.Helper()
	err := s.StartSession(t.Context(), store.NewSession{Session: store.Session{ID: id, DeviceID: device, ClientID: "app", Kind: store.OAuth, Scope: "openid", Login: l}, DeviceName: name})
	if err != nil {
		t.Fatal(err)
	}
}

// query runs a command of admin query oauth, and returns what it says.
func query(t *testing.T, line string) string {
	t.Helper()
	status, out, errs := administer("", append([]string{"query", "oauth"}, strings.Fields(line)...)...)
	if status != 0 {
		t.Fatalf("%s: exit status %d: %s%s", line, status, out, errs)
	}
	return out + errs
}

// spaces are what lines up the columns.
var spaces = regexp.MustCompile(" +")

func TestAdminQueryLists(t *testing.T) {
	inQueryFolder(t)
	tests := []struct {
		name, line string
		says       []string
		not        []string
	}{
		{"every provider, with what came through it, and one that is gone", "list-providers",
			[]string{"kc1 keycloak", "gh1 github", "https://github.com", "old - - - no 1"}, []string{"secret"}},
		{"a provider by its id", "show-provider kc1",
			[]string{"https://sso.example.com/realms/main", "https://matrix.example.com/_matrix/client/unstable/login/sso/callback/kc1", "Client secret yes", "Proves who people are yes", "Users 1"}, []string{"topsecretvalue"}},
		{"a provider by its brand, in any letters", "show-provider GITHUB", []string{"Provider gh1", "https://github.com", "Proves who people are no"}, []string{"anothersecret"}},
		{"every user", "list-users", []string{"@alice:example.com", "@bob:example.com", "@eve:example.com"}, nil},
		{"the users of a provider", "list-users --provider kc1", []string{"@alice:example.com"}, []string{"bob", "eve"}},
		{"the users of a provider that is gone", "list-users --provider old", []string{"@eve:example.com"}, []string{"alice", "bob"}},
		{"one user", "show-user @bob:example.com", []string{"@bob:example.com", "gh1", "01SESSION2", "BOBPHONE", "BOBLEGACY"}, []string{"alice"}},
		{"every session, the newest first", "list-sessions", []string{"01SESSION3", "01SESSION2", "01SESSION1"}, nil},
		{"the sessions of a user", "list-sessions --user alice", []string{"01SESSION1", "ALICEPHONE", "kc1"}, []string{"01SESSION2", "01SESSION3"}},
		{"the sessions of a provider", "list-sessions --provider github", []string{"01SESSION2"}, []string{"01SESSION1"}},
		{"the sessions of a client that has none", "list-sessions --client nobody", []string{"SESSION"}, []string{"01"}},
		{"one session", "show-session 01SESSION1", []string{"@alice:example.com", "ALICEPHONE", "Subject s-alice", "Refresh token none"}, nil},
		{"every device, with the provider that has authenticated it", "list-devices", []string{"BOBLEGACY Old client", "yes gh1 42", "yes kc1 s-alice"}, nil},
		{"OIDC devices alone", "list-devices --oidc", []string{"ALICEPHONE", "BOBPHONE", "EVE/PHONE"}, []string{"BOBLEGACY"}},
		{"the OIDC devices of a user", "list-devices --oidc --user bob", []string{"BOBPHONE"}, []string{"BOBLEGACY", "ALICEPHONE"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := spaces.ReplaceAllString(query(t, tt.line), " ")
			for _, want := range tt.says {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not said:\n%s", want, out)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(out, not) {
					t.Errorf("%q is said:\n%s", not, out)
				}
			}
		})
	}
}

func TestAdminQueryShowsNothingThatATerminalObeys(t *testing.T) {
	inQueryFolder(t)
	for _, line := range []string{"list-users", "show-user eve", "list-sessions", "show-session 01SESSION3", "list-devices"} {
		for _, flag := range []string{"", " --json"} {
			t.Run(line+flag, func(t *testing.T) {
				out := query(t, line+flag)
				if strings.ContainsAny(out, "\x1b\u009b\u202e\t\r") {
					t.Errorf("what a terminal obeys gets through: %q", out)
				}
				if flag != "" && strings.Contains(out, "Eve") && !strings.Contains(asJSON(t, out), hostile) {
					t.Errorf("JSON does not give the name back as it is: %s", out)
				}
			})
		}
	}
	t.Run("nor what the administrator was made to paste", func(t *testing.T) {
		_, out, errs := administer("", "query", "oauth", "show-session", hostile)
		if strings.ContainsAny(out+errs, "\x1b\u009b\u202e") {
			t.Errorf("what a terminal obeys gets through: %q", out+errs)
		}
	})
}

// asJSON is every text of a JSON answer.
func asJSON(t *testing.T, out string) string {
	t.Helper()
	var answer any
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return fmt.Sprint(answer)
}

func TestAdminQueryPages(t *testing.T) {
	inQueryFolder(t)
	tests := []struct {
		line, list, name string
		want             []string
	}{
		{"list-users", "users", "user_id", []string{"@alice:example.com", "@bob:example.com", "@eve:example.com"}},
		{"list-sessions", "sessions", "session_id", []string{"01SESSION3", "01SESSION2", "01SESSION1"}},
		{"list-devices", "devices", "device_id", []string{"ALICEPHONE", "BOBLEGACY", "BOBPHONE", "EVE/PHONE"}},
	}
	for _, tt := range tests {
		for _, limit := range []int{1, 2, 4, 100} {
			t.Run(fmt.Sprintf("%s by %d is all of it, once", tt.line, limit), func(t *testing.T) {
				var got []string
				for after := ""; ; {
					line := fmt.Sprintf("%s --json --limit %d", tt.line, limit)
					if after != "" {
						line += " --after " + after
					}
					var answer map[string]json.RawMessage
					var entries []map[string]any
					if err := json.Unmarshal([]byte(query(t, line)), &answer); err != nil {
						t.Fatal(err)
					}
					if err := json.Unmarshal(answer[tt.list], &entries); err != nil {
						t.Fatal(err)
					}
					if len(entries) > limit {
						t.Fatalf("%d entries, limit %d", len(entries), limit)
					}
					for _, e := range entries {
						got = append(got, fmt.Sprint(e[tt.name]))
					}
					if answer["next"] == nil {
						break
					}
					if err := json.Unmarshal(answer["next"], &after); err != nil {
						t.Fatal(err)
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("the parts make %q, want %q", got, tt.want)
				}
			})
		}
	}
	t.Run("a person is told where the list goes on", func(t *testing.T) {
		if out := query(t, "list-users --limit 2"); !strings.Contains(out, "--after @bob:example.com") {
			t.Errorf("the answer is:\n%s", out)
		}
	})
}

func TestAdminQueryRefusesClearly(t *testing.T) {
	inQueryFolder(t)
	tests := []struct {
		name, line string
		status     int
		says       string
	}{
		{"a session that is not there", "show-session nothing", 1, "there is no session nothing"},
		{"a user that is not there", "show-user carol", 1, "there is no user @carol:example.com"},
		{"the sessions of a user that is not there", "list-sessions --user carol", 1, "there is no user @carol:example.com"},
		{"a provider that is not there", "show-provider nobody", 1, "there is no identity provider nobody in the configuration"},
		{"the devices of a provider that is not there", "list-devices --provider nobody", 1, "there is no identity provider nobody"},
		{"no limit", "list-users --limit 0", 2, "--limit 0"},
		{"a limit beyond all measure", "list-sessions --limit 10001", 2, "from 1 to 10000"},
		{"the devices after what is none", "list-devices --after @alice:example.com", 2, "as @alice:example.com/DEVICE"},
		{"the users after one of another server", "list-users --after @alice:other.example", 2, "no user of this server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := administer("", append([]string{"query", "oauth"}, strings.Fields(tt.line)...)...)
			if status != tt.status || !strings.Contains(errs, tt.says) || out != "" {
				t.Errorf("exit status %d, want %d: %s%q does not say %q", status, tt.status, out, errs, tt.says)
			}
		})
	}
}
