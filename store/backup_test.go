package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

// backedUp is a database with a user in it, and its backup.
func backedUp(t *testing.T) (f *fixture, from, to string) {
	t.Helper()
	f = open(t, storetest.Databases()[0])
	f.login("alice")
	if _, err := f.ServerSecret(f.ctx, "tokens", secret.Bytes(32)); err != nil {
		t.Fatal(err)
	}
	from, to = strings.TrimPrefix(f.options.URL.Reveal(), "sqlite:"), filepath.Join(t.TempDir(), "key?maker #1.backup")
	f.must(store.BackUp(f.ctx, from, to))
	return f, from, to
}

func TestBackUp(t *testing.T) {
	f, from, to := backedUp(t)

	t.Run("only the owner can read it, and nothing lies beside it", func(t *testing.T) {
		if _, err := store.Examine(f.ctx, to); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(filepath.Dir(to))
		f.must(err)
		if len(entries) != 1 {
			t.Errorf("%d files: %v", len(entries), entries)
		}
		if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, error %v", info.Mode(), err)
		}
	})
	t.Run("it holds what was there, and a store opens it", func(t *testing.T) {
		o := f.options
		o.URL = secret.Text("sqlite:" + to)
		s, err := store.Open(f.ctx, o)
		f.must(err)
		if _, err := s.User(f.ctx, "alice"); err != nil {
			t.Error(err)
		}
		f.must(s.Close())
	})
	t.Run("it opens with its own secret file, and with no other", func(t *testing.T) {
		f.must(store.OpensWith(f.ctx, to, f.options.Sealer))
		f.want("another", store.OpensWith(f.ctx, to, storetest.Options(t, "").Sealer), secret.ErrSealed)
	})
	t.Run("nothing is written over another file", func(t *testing.T) {
		if err := store.BackUp(f.ctx, from, to); err == nil {
			t.Error("the first backup was overwritten")
		}
	})
	t.Run("a newer database on which this program can run is not refused", func(t *testing.T) {
		f.becomes(99999, 23)
		newer := filepath.Join(t.TempDir(), "newer")
		f.must(store.BackUp(f.ctx, from, newer))
		if version, err := store.Examine(f.ctx, newer); err != nil || version != 99999 {
			t.Errorf("the backup: version %d, error %v", version, err)
		}
	})
	t.Run("an older database is not migrated", func(t *testing.T) {
		f.exec("DELETE FROM goose_db_version WHERE version_id > 1")
		older := filepath.Join(t.TempDir(), "older")
		f.must(store.BackUp(f.ctx, from, older))
		if version, err := store.Examine(f.ctx, older); err != nil || version != 1 {
			t.Errorf("the backup: version %d, error %v", version, err)
		}
		f.must(f.Close()) // which writes the log into the file
		if version, err := store.Examine(f.ctx, from); err != nil || version != 1 {
			t.Errorf("the database: version %d, error %v", version, err)
		}
	})
}

func TestExamineRefuses(t *testing.T) {
	tests := []struct {
		name  string
		want  error
		spoil func(f *fixture, file string)
	}{
		{"what a newer version has written, on which this program cannot run", store.ErrNewerDatabase, func(f *fixture, _ string) { f.becomes(99999, 99998) }},
		{"another program's database", store.ErrNoDatabase, func(f *fixture, _ string) { f.exec("DROP TABLE goose_db_version") }},
		{"a row that belongs to nothing", store.ErrDamaged, func(f *fixture, _ string) {
			f.pragma("foreign_keys = OFF")
			f.exec("DELETE FROM users")
		}},
		{"pages that something else has written", store.ErrDamaged, func(f *fixture, file string) {
			f.must(f.Close())
			data, err := os.ReadFile(file)
			f.must(err)
			for at := len(data) / 8192 * 4096; at < len(data); at += 4096 {
				copy(data[at:], "spoiled")
			}
			f.must(os.WriteFile(file, data, 0o600))
		}},
		{"a file that is no database", store.ErrNoDatabase, func(f *fixture, file string) {
			f.must(f.Close())
			f.must(os.WriteFile(file, []byte(strings.Repeat("no database ", 1000)), 0o600))
		}},
		{"an empty file", store.ErrNoDatabase, func(f *fixture, file string) {
			f.must(f.Close())
			f.must(os.Truncate(file, 0))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, file, _ := backedUp(t)
			tt.spoil(f, file)
			f.must(f.Close()) // which writes the log into the file
			if _, err := store.Examine(t.Context(), file); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestPutInPlace(t *testing.T) {
	dir := t.TempDir()
	path, kept := filepath.Join(dir, "db"), filepath.Join(dir, "kept")
	files := map[string]string{"db": "old", "db-wal": "old log", "db-shm": "old index", "new": "new"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.PutInPlace(filepath.Join(dir, "new"), path, kept); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"db": "new", "kept": "old", "kept-wal": "old log"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("%v", entries)
	}
}
