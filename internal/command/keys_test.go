package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/command"
	"keymaker/internal/config"
	"keymaker/internal/server"
	"keymaker/store/storetest"
)

// keysIn prepares the current folder as a server leaves it that has run.
func keysIn(t *testing.T, d storetest.Database) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "keycloak_secret", "secret")
	text := "[global]\nserver_name = \"example.com\"\nsecret_file = \"" + storetest.SecretFile(t) + "\"\n" +
		"[global.well_known]\nclient = \"https://matrix.example.com\"\n[global.database]\nurl = \"" + d.URL(t) + "\"\n" +
		"[[global.identity_provider]]\nbrand = \"Keycloak\"\nclient_id = \"keymaker\"\nclient_secret_file = \"keycloak_secret\"\nissuer_url = \"https://sso.example.com\"\n"
	write(t, "keymaker.toml", text)
	start(t)
}

// start runs a server for as long as it takes to make keys.
func start(t *testing.T) {
	t.Helper()
	cfg, err := config.Load(config.Options{Path: "keymaker.toml"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.TurnKeys(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// keymaker runs a command that must end with a status, and returns all it says.
func keymaker(t *testing.T, status int, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	if got := command.Main(args, &command.Streams{Out: &out, Err: &errs}); got != status {
		t.Fatalf("%v: exit status %d, want %d: %s%s", args, got, status, out.String(), errs.String())
	}
	return out.String() + errs.String()
}

type keyRow struct {
	KID         string     `json:"kid"`
	Alg         string     `json:"alg"`
	State       string     `json:"state"`
	Published   time.Time  `json:"published"`
	NotBefore   time.Time  `json:"not_before"`
	RetireAfter *time.Time `json:"retire_after"`
}

func listKeys(t *testing.T) []keyRow {
	t.Helper()
	var rows []keyRow
	if err := json.Unmarshal([]byte(keymaker(t, 0, "keys", "list", "--json")), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func keyStates(t *testing.T) []string {
	t.Helper()
	var states []string
	for _, k := range listKeys(t) {
		states = append(states, k.Alg+" "+k.State)
	}
	slices.Sort(states)
	return states
}

func wantKeys(t *testing.T, want ...string) {
	t.Helper()
	if got := keyStates(t); !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
}

func says(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
}

func TestKeysListRotateRetire(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		keysIn(t, d)
		wantKeys(t, "ES256 active", "RS256 active")
		first := listKeys(t)[0]
		says(t, keymaker(t, 0, "keys", "list"), "REMOVED AFTER", first.KID, "active")

		says(t, keymaker(t, 0, "keys", "rotate"), "is published and does not sign yet", "--now")
		wantKeys(t, "ES256 active", "ES256 next", "RS256 active", "RS256 next")
		says(t, keymaker(t, 0, "keys", "rotate", "--now"), "signs from now on. "+first.KID+" stays published until")
		wantKeys(t, "ES256 active", "ES256 retiring", "RS256 active", "RS256 retiring")
		for _, k := range listKeys(t) {
			if (k.RetireAfter != nil) != (k.State == "retiring") || k.Published.IsZero() || k.NotBefore.IsZero() {
				t.Errorf("times of the %s key: %+v", k.State, k)
			}
		}

		says(t, keymaker(t, 2, "keys", "retire", first.KID), "--yes")
		wantKeys(t, "ES256 active", "ES256 retiring", "RS256 active", "RS256 retiring")
		keymaker(t, 0, "keys", "retire", first.KID, "--yes")
		says(t, keymaker(t, 1, "keys", "retire", first.KID, "--yes"), "there is no key", "keys list")
		for _, k := range listKeys(t) {
			if k.State == "active" {
				says(t, keymaker(t, 1, "keys", "retire", k.KID, "--yes"), "this key signs: rotate first")
			}
		}
	})
}

func TestKeysReseal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		keysIn(t, d)
		before := listKeys(t)
		says(t, keymaker(t, 2, "keys", "reseal"), "--new-secret-file")
		says(t, keymaker(t, 0, "keys", "reseal", "--new-secret-file", "new.secret"), "Restart every server", "new.secret", "3 values")
		if info, err := os.Stat("new.secret"); err != nil || info.Size() != 32 || info.Mode().Perm() != 0o600 {
			t.Errorf("the new secret file: %v, %v", info, err)
		}
		says(t, keymaker(t, 1, "keys", "list"), "is not the one that the database was sealed with")
		says(t, keymaker(t, 1, "keys", "rotate", "--now"), "is not the one that the database was sealed with")

		text, err := os.ReadFile("keymaker.toml")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		lines[2] = `secret_file = "new.secret"`
		write(t, "keymaker.toml", strings.Join(lines, "\n"))
		if after := listKeys(t); len(after) != len(before) || after[0] != before[0] {
			t.Errorf("keys were %+v, are %+v", before, after)
		}
		start(t)
		says(t, keymaker(t, 2, "keys", "reseal", "--new-secret-file", "new.secret"), "the same bytes")
		write(t, "short.secret", "too short")
		says(t, keymaker(t, 1, "keys", "reseal", "--new-secret-file", "short.secret"), "want 32 random bytes")
		if len(listKeys(t)) != len(before) {
			t.Error("a refused command changed the keys")
		}
	})
}

func TestKeysMakeNoSecretFile(t *testing.T) {
	inFolder(t)
	write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n")
	says(t, keymaker(t, 1, "keys", "list"), "there is no secret file keymaker.secret yet")
	if made, err := filepath.Glob("keymaker.[ds]*"); err != nil || len(made) > 0 {
		t.Errorf("it made %v, error %v", made, err)
	}
}
