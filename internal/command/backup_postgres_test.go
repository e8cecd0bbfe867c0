package command_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

// emptyPostgres makes a database of its own, which is gone when the test ends,
// and returns its URL.
func emptyPostgres(t *testing.T) string {
	t.Helper()
	base, err := url.Parse(os.Getenv(storetest.Variable))
	if err != nil || base.Host == "" {
		t.Skip("PostgreSQL was not tested: " + storetest.Variable + " is not set")
	}
	name := "test_" + secret.Letters(16)
	on(t, base.String(), "CREATE DATABASE "+name)
	t.Cleanup(func() { on(t, base.String(), "DROP DATABASE "+name+" WITH (FORCE)") })
	made := *base
	made.Path = "/" + name
	return made.String()
}

func on(t *testing.T, address, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestTheDumpOfTheDocumentComesBack executes what docs/backup.md says of
// PostgreSQL: the dump of one database fills another.
func TestTheDumpOfTheDocumentComesBack(t *testing.T) {
	from, to := emptyPostgres(t), emptyPostgres(t)
	o := storetest.Options(t, from)
	s := storetest.Open(t, o)
	value, err := s.ServerSecret(t.Context(), "tokens", secret.Bytes(32))
	if err != nil {
		t.Fatal(err)
	}
	all := blocks(t)
	t.Chdir(t.TempDir())
	ran := 0
	for _, b := range all {
		line := strings.TrimSpace(b.text)
		if b.document != "backup.md" || !strings.HasPrefix(line, "pg_") {
			continue
		}
		address := from
		if ran > 0 {
			address = to
		}
		ran++
		line = strings.ReplaceAll(line, "postgres://keymaker@localhost/keymaker", "'"+address+"'")
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	if ran != 2 {
		t.Fatalf("%d commands for PostgreSQL in docs/backup.md, want 2", ran)
	}
	o.URL = secret.Text(to)
	restored, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := restored.ServerSecret(t.Context(), "tokens", secret.Bytes(32))
	if err != nil || string(got) != string(value) {
		t.Errorf("the secret is another one, error %v", err)
	}
	if err := restored.Close(); err != nil {
		t.Error(err)
	}
}
