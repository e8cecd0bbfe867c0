package command_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/store/storetest"
)

const tokenPath = "/_tuwunel/oidc/token"

var formHeader = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

// refreshing refreshes sessions one after the other, in as many goroutines, until
// stop is called, which returns how often that was.
func refreshing(p *process, sessions ...harness.Tokens) (stop func() int64) {
	var done atomic.Bool
	var count atomic.Int64
	var group sync.WaitGroup
	for _, s := range sessions {
		group.Go(func() {
			for !done.Load() {
				form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.Refresh}, "client_id": {s.ClientID}}
				a, err := p.Try(http.MethodPost, tokenPath, formHeader, form.Encode())
				if err != nil || a.Status != http.StatusOK {
					p.T.Errorf("a refresh: %v, status %d: %s", err, a.Status, a.Body)
					return
				}
				s.Refresh = a.Text("refresh_token")
				count.Add(1)
			}
		})
	}
	return func() int64 { done.Store(true); group.Wait(); return count.Load() }
}

func TestABackupOfAServerUnderLoadHoldsWhatWasAcknowledged(t *testing.T) {
	t.Setenv("KEYMAKER_GLOBAL__OIDC_RC_PER_SECOND", "0")
	p := startProcess(t)
	var busy, quiet []harness.Tokens
	for i := range 4 {
		busy = append(busy, p.LogIn("bob", fmt.Sprintf("BUSY%d", i)))
		quiet = append(quiet, p.LogIn("alice", fmt.Sprintf("QUIET%d", i)))
	}
	stop := refreshing(p, busy...)
	for range 20 {
		next := p.MustRefresh(quiet[0].ClientID, quiet[0].Refresh)
		quiet[0].Access, quiet[0].Refresh = next.Access, next.Refresh
	}
	folder := filepath.Dir(p.config)
	file := filepath.Join(folder, "kept", "keymaker.backup")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	says(t, keymaker(t, 0, "backup", "--config", p.config, "--with-secret", file), "all of it read again", file+".secret", "guard them")
	if n := stop(); n < 4 {
		t.Errorf("only %d refreshes: there was no load", n)
	}
	says(t, keymaker(t, 1, "restore", "--config", p.config, "--overwrite", file), "another server is running", "stop it first")
	p.kill()

	says(t, keymaker(t, 2, "restore", "--config", p.config, file), "keymaker.db is there already", "--overwrite")
	for _, name := range []string{"keymaker.db", "keymaker.db-wal", "keymaker.db-shm", "keymaker.secret"} {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	says(t, keymaker(t, 0, "restore", "--config", p.config, file), "is what "+file+" holds", "is the secret file of the backup")
	for _, name := range []string{"keymaker.db", "keymaker.secret"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	p.start()
	for i, tokens := range quiet {
		if me := p.WhoAmI(tokens.Access); me.Status != http.StatusOK {
			t.Errorf("the access token of session %d: status %d: %s", i, me.Status, me.Body)
		}
		for range 3 {
			tokens.Refresh = p.MustRefresh(tokens.ClientID, tokens.Refresh).Refresh
		}
	}
}

// setting is the first value of a name in a configuration.
func setting(text, name string) string {
	return strings.SplitN(strings.SplitN(text, "\n"+name+" = \"", 2)[1], "\"", 2)[0]
}

func TestBackupRefuses(t *testing.T) {
	keysIn(t, storetest.Databases()[0])
	cfg, err := os.ReadFile("keymaker.toml")
	if err != nil {
		t.Fatal(err)
	}
	key, database := setting(string(cfg), "secret_file"), strings.TrimPrefix(setting(string(cfg), "url"), "sqlite:")

	t.Run("a file that is there, without being told", func(t *testing.T) {
		write(t, "kept", "of before")
		says(t, keymaker(t, 2, "backup", "kept"), "kept is there already", "--overwrite")
		if text, err := os.ReadFile("kept"); err != nil || string(text) != "of before" {
			t.Errorf("%q, %v", text, err)
		}
		says(t, keymaker(t, 0, "backup", "--overwrite", "kept"), "of no use without secret_file "+key)
		if _, err := os.Stat("kept.secret"); err == nil {
			t.Error("the secret file is there, and nobody has asked for it")
		}
	})
	t.Run("a secret file that is there, without being told", func(t *testing.T) {
		write(t, "other.secret", "of before")
		says(t, keymaker(t, 2, "backup", "--with-secret", "other"), "other.secret is there already")
	})
	t.Run("the files of the server", func(t *testing.T) {
		says(t, keymaker(t, 1, "backup", "--overwrite", database), "is a file of the server itself")
		says(t, keymaker(t, 1, "backup", "--overwrite", key), "is a file of the server itself")
	})
	t.Run("a secret file that does not open the database", func(t *testing.T) {
		write(t, "keymaker.toml", strings.ReplaceAll(string(cfg), key, storetest.SecretFile(t)))
		defer write(t, "keymaker.toml", string(cfg))
		says(t, keymaker(t, 1, "backup", "spoiled"), "is not the one that the database was sealed with")
		if _, err := os.Stat("spoiled"); err == nil {
			t.Error("a backup was made")
		}
	})
	t.Run("PostgreSQL, and says what to use", func(t *testing.T) {
		write(t, "keymaker.toml", strings.ReplaceAll(string(cfg), "sqlite:"+database, "postgres://keymaker@localhost/keymaker"))
		defer write(t, "keymaker.toml", string(cfg))
		says(t, keymaker(t, 2, "backup", "pg"), "pg_dump", "docs/backup.md", key)
		says(t, keymaker(t, 2, "restore", "kept"), "pg_restore")
	})
	if left, err := filepath.Glob(".*.*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	keysIn(t, storetest.Databases()[0])
	cfg, err := os.ReadFile("keymaker.toml")
	if err != nil {
		t.Fatal(err)
	}
	keymaker(t, 0, "backup", "kept")
	key := setting(string(cfg), "secret_file")
	elsewhere := func(secretFile string) {
		t.Helper()
		text := strings.ReplaceAll(string(cfg), setting(string(cfg), "url"), "sqlite:"+filepath.Join(t.TempDir(), "keymaker.db"))
		write(t, "keymaker.toml", strings.ReplaceAll(text, key, secretFile))
	}
	missing := filepath.Join(t.TempDir(), "missing.secret")

	t.Run("a backup that no secret file opens", func(t *testing.T) {
		elsewhere(missing)
		says(t, keymaker(t, 1, "restore", "kept"), "no secret file opens this backup", "--secret-file")
		elsewhere(storetest.SecretFile(t))
		says(t, keymaker(t, 1, "restore", "kept"), "no secret file opens this backup")
		says(t, keymaker(t, 1, "restore", "--secret-file", storetest.SecretFile(t), "kept"), "no secret file opens this backup")
	})
	t.Run("to replace another secret file without being told", func(t *testing.T) {
		other := storetest.SecretFile(t)
		elsewhere(other)
		says(t, keymaker(t, 2, "restore", "--secret-file", key, "kept"), other+" is there already", "--overwrite")
		says(t, keymaker(t, 0, "restore", "--secret-file", key, "--overwrite", "kept"), "What was there before is "+other+".before-")
		if got, _ := secret.ReadKey(other); string(got) == "" {
			t.Error("the secret file is gone")
		}
		start(t)
	})
	t.Run("a damaged backup, and leaves the database as it is", func(t *testing.T) {
		write(t, "keymaker.toml", string(cfg))
		write(t, "damaged", "nothing")
		says(t, keymaker(t, 1, "restore", "--overwrite", "damaged"), "no database of Keymaker")
		start(t)
	})
	t.Run("a database that was copied under a server", func(t *testing.T) {
		write(t, "copied", "x")
		write(t, "copied-wal", "x")
		says(t, keymaker(t, 1, "restore", "--overwrite", "copied"), "no backup")
	})
}

// TestRestoreKeepsWhatItReplaces is about an administrator who restores the
// wrong file.
func TestRestoreKeepsWhatItReplaces(t *testing.T) {
	keysIn(t, storetest.Databases()[0])
	keymaker(t, 0, "backup", "kept")
	before := listKeys(t)
	keymaker(t, 0, "keys", "rotate", "--now")
	said := keymaker(t, 0, "restore", "--overwrite", "kept")
	says(t, said, "What was there before is ")
	if now := listKeys(t); len(now) != len(before) {
		t.Errorf("%d keys, want %d", len(now), len(before))
	}
	name := strings.TrimSuffix(strings.Fields(strings.SplitN(said, "What was there before is ", 2)[1])[0], " now.")
	keymaker(t, 0, "restore", "--overwrite", name)
	if now := listKeys(t); len(now) == len(before) {
		t.Error("the rotated keys are gone")
	}
}
