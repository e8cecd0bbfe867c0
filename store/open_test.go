package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestMigrations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		t.Run("a second start finds what the first stored", func(t *testing.T) {
			f := open(t, d)
			f.login("alice")
			f.must(f.Close())
			if _, err := f.again().User(t.Context(), "alice"); err != nil {
				t.Error(err)
			}
		})
		t.Run("a database of a newer version is taken where this program can run on it, and is not changed", func(t *testing.T) {
			f := open(t, d)
			f.login("alice")
			f.becomes(99999, 23)
			for _, f.options.AsItIs = range []bool{false, true} {
				if _, err := f.again().User(t.Context(), "alice"); err != nil {
					t.Error(err)
				}
			}
			if version := f.number("SELECT max(version_id) FROM goose_db_version"); version != 99999 {
				t.Errorf("it has version %d now", version)
			}
		})
		t.Run("a database of a newer version is refused where this program cannot run on it", func(t *testing.T) {
			f := open(t, d)
			f.becomes(99999, 99998)
			for _, f.options.AsItIs = range []bool{false, true} {
				_, err := store.Open(t.Context(), f.options)
				f.want("open", err, store.ErrNewerDatabase)
			}
		})
		t.Run("a database of a newer version that does not say who can run on it is not opened", func(t *testing.T) {
			f := open(t, d)
			f.becomes(99999, 23)
			f.exec("DROP VIEW oldest_program")
			if s, err := store.Open(t.Context(), f.options); err == nil {
				t.Error(errors.Join(errors.New("it is opened"), s.Close()))
			}
		})
		t.Run("a database of an older version is refused where it is to stay as it is", func(t *testing.T) {
			f := open(t, d)
			f.options.AsItIs = true
			f.must(f.again().Ping(f.ctx))
			before := f.number("SELECT max(version_id) FROM goose_db_version")
			f.exec("DELETE FROM goose_db_version WHERE version_id = ?", before)
			_, err := store.Open(t.Context(), f.options)
			f.want("open", err, store.ErrOlderDatabase)
			if after := f.number("SELECT max(version_id) FROM goose_db_version"); after >= before {
				t.Errorf("it has version %d now", after)
			}
		})
		t.Run("an empty database is refused where it is to stay as it is", func(t *testing.T) {
			o := storetest.Options(t, d.Empty(t))
			o.AsItIs = true
			if s, err := store.Open(t.Context(), o); err == nil {
				t.Error(errors.Join(errors.New("it is opened"), s.Close()))
			}
		})
		t.Run("servers that start at once end with one schema", func(t *testing.T) {
			o := storetest.Options(t, d.Empty(t))
			stores := make([]*store.Store, 4)
			wantAll(t, together(len(stores), func(i int) (err error) {
				stores[i], err = store.Open(t.Context(), o)
				return err
			}))
			for _, s := range stores {
				if s == nil {
					continue
				}
				if err := errors.Join(s.Ping(t.Context()), s.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	})
}

// becomes makes the database one that a newer version has written, and on which
// programs of version oldest and newer may run.
func (f *fixture) becomes(version, oldest int64) {
	f.t.Helper()
	f.exec(fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, TRUE)", version))
	f.exec("DROP VIEW oldest_program")
	f.exec(fmt.Sprintf("CREATE VIEW oldest_program AS SELECT CAST(%d AS BIGINT) AS version", oldest))
}

func TestWritable(t *testing.T) {
	each(t, func(f *fixture) {
		f.must(f.Writable(f.ctx))
		readOnly := "PRAGMA query_only = ON"
		if f.postgres {
			readOnly = "SET TRANSACTION READ ONLY"
		}
		var refused error
		err := f.InTx(f.ctx, func(ctx context.Context) error {
			f.in(ctx).exec(readOnly)
			refused = f.Writable(ctx)
			return errors.New("back to before")
		})
		if refused == nil || err == nil {
			t.Errorf("a database that takes no changes is writable: %v, %v", refused, err)
		}
		if !f.postgres {
			f.pragma("query_only = OFF")
		}
		f.must(f.Close())
		if f.Writable(f.ctx) == nil {
			t.Error("a closed database is writable")
		}
	})
}

func TestSQLiteFile(t *testing.T) {
	tests := []struct{ name, file string }{
		{"a plain name", "keymaker.db"},
		{"a name that a URL would have to escape", "key maker?mode=memory&x=%41#1.db"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" makes files that only the owner can read", func(t *testing.T) {
			dir := t.TempDir()
			o := storetest.Options(t, "sqlite:"+filepath.Join(dir, tt.file))
			o.Exclusive = true
			storetest.Open(t, o)
			if _, err := os.Stat(filepath.Join(dir, tt.file)); err != nil {
				t.Error(err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				info, err := entry.Info()
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode().Perm() != 0o600 {
					t.Errorf("%s has mode %o, want 600", entry.Name(), info.Mode().Perm())
				}
			}
		})
	}
}

func TestSQLiteExclusive(t *testing.T) {
	o := storetest.Options(t, "sqlite:"+filepath.Join(t.TempDir(), "keymaker.db"))
	exclusive := o
	exclusive.Exclusive = true
	first := storetest.Open(t, exclusive)

	t.Run("a second server is refused", func(t *testing.T) {
		if _, err := store.Open(t.Context(), exclusive); !errors.Is(err, store.ErrLocked) {
			t.Errorf("error %v, want ErrLocked", err)
		}
	})
	t.Run("a second server is refused under another name of the file", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "other.db")
		if err := os.Symlink(strings.TrimPrefix(o.URL.Reveal(), "sqlite:"), link); err != nil {
			t.Fatal(err)
		}
		other := exclusive
		other.URL = secret.Text("sqlite:" + link)
		if _, err := store.Open(t.Context(), other); !errors.Is(err, store.ErrLocked) {
			t.Errorf("error %v, want ErrLocked", err)
		}
	})
	t.Run("a command beside the server is not", func(t *testing.T) {
		if err := storetest.Open(t, o).Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("the lock ends with the server", func(t *testing.T) {
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		storetest.Open(t, exclusive)
	})
}

func TestSQLitePragmas(t *testing.T) {
	s := storetest.Databases()[0].Open(t)
	writer, reader := s.SQL(t)
	pools := []struct {
		name string
		ask  func(pragma string) (string, error)
	}{
		{"writer", func(pragma string) (value string, err error) {
			return value, writer.QueryRow("PRAGMA " + pragma).Scan(&value)
		}},
		{"reader", func(pragma string) (value string, err error) {
			return value, reader.QueryRow("PRAGMA " + pragma).Scan(&value)
		}},
	}
	tests := []struct{ pragma, writer, reader string }{
		{"journal_mode", "wal", "wal"},
		{"synchronous", "2", "2"}, // FULL: what is acknowledged survives a power cut
		{"foreign_keys", "1", "1"},
		{"busy_timeout", "10000", "10000"},
		{"query_only", "0", "1"},
		{"wal_autocheckpoint", "10000", ""},
	}
	for _, tt := range tests {
		for i, want := range []string{tt.writer, tt.reader} {
			got, err := pools[i].ask(tt.pragma)
			if want != "" && (err != nil || got != want) {
				t.Errorf("%s of a %s is %q (error %v), want %q", tt.pragma, pools[i].name, got, err, want)
			}
		}
	}
	if n := writer.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d connections write, want 1", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct{ name, url string }{
		{"a folder that does not exist", "sqlite:" + filepath.Join(t.TempDir(), "missing", "keymaker.db")},
		{"a file that is no database", "sqlite:" + notADatabase(t)},
		{"an unknown kind of database", "mysql://keymaker:swordfish@127.0.0.1:1/keymaker"},
		{"a PostgreSQL that does not answer", "postgres://keymaker:swordfish@127.0.0.1:1/keymaker?connect_timeout=5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			o := storetest.Options(t, tt.url)
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			_, err := store.Open(t.Context(), o)
			if err == nil {
				t.Fatal("it opened")
			}
			if strings.Contains(err.Error()+log.String(), "swordfish") {
				t.Errorf("the password shows in: %v %s", err, log.String())
			}
		})
	}
}

func notADatabase(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "keymaker.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretFileMismatch(t *testing.T) {
	each(t, func(f *fixture) {
		f.must(f.AddSigningKey(f.ctx, signingKey("k1", "ES256", storetest.Start)))
		_, err := f.ServerSecret(f.ctx, "tokens", secret.Bytes(32))
		f.must(err)
		f.must(f.BeginUpstream(f.ctx, "browser", "state", store.UpstreamLogin{ProviderID: "idp"}, storetest.Start.Add(1e12)))

		other := f.options
		other.Sealer = storetest.Options(f.t, "").Sealer
		stranger := storetest.Open(f.t, other)
		tests := []struct {
			name string
			call func(context.Context) error
		}{
			{"signing keys", func(ctx context.Context) error { _, err := stranger.SigningKeys(ctx); return err }},
			{"server secret", func(ctx context.Context) error {
				_, err := stranger.ServerSecret(ctx, "tokens", secret.Bytes(32))
				return err
			}},
			{"upstream login", func(ctx context.Context) error {
				_, err := stranger.TakeUpstream(ctx, "browser", "idp", "state")
				return err
			}},
		}
		for _, tt := range tests {
			f.want(tt.name+" under another secret file", tt.call(f.ctx), secret.ErrSealed)
		}
	})
}
