package command_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keymaker/store"
	"keymaker/store/storetest"
)

// moveTo writes another database into the configuration of a server.
func (p *process) moveTo(address string) {
	p.T.Helper()
	text, err := os.ReadFile(p.config)
	if err != nil {
		p.T.Fatal(err)
	}
	if err := os.WriteFile(p.config, []byte(strings.Replace(string(text), setting(string(text), "url"), address, 1)), 0o600); err != nil {
		p.T.Fatal(err)
	}
}

// TestAServerMovesToPostgreSQLAndBack kills the copy at other moments until it
// comes to its end, and then goes on with the sessions of before.
func TestAServerMovesToPostgreSQLAndBack(t *testing.T) {
	there := emptyPostgres(t)
	// Tables that are there already: a migration that is killed keeps the next one
	// waiting for its lease.
	if err := storetest.Open(t, storetest.Options(t, there)).Close(); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t)
	tokens := p.LogIn("alice", "MOVES")
	folder := filepath.Dir(p.config)
	from, back := "sqlite:"+filepath.Join(folder, "keymaker.db"), "sqlite:"+filepath.Join(folder, "back.db")

	says(t, keymaker(t, 1, "db", "copy", "--from", from, "--to", there), "another server is running", "stop it first")
	p.kill()
	killed := 0
	for wait := 20 * time.Millisecond; ; wait += 10 * time.Millisecond {
		if copyAndKill(t, from, there, wait) {
			break
		}
		killed++
		untilAlone(t, there)
		if copied(t, there) {
			break // it was killed when all was done
		}
	}
	if killed == 0 {
		t.Error("the copy was never killed")
	}
	t.Logf("killed %d times", killed)
	goOn := func(address string) {
		t.Helper()
		p.moveTo(address)
		text, err := os.ReadFile(p.config)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("secret_file")) {
			write(t, p.config, strings.Replace(string(text), "[global]\n", "[global]\nsecret_file = \""+filepath.Join(folder, "keymaker.secret")+"\"\n", 1))
		}
		p.start()
		if me := p.WhoAmI(tokens.Access); me.Status != http.StatusOK {
			t.Fatalf("status %d: %s", me.Status, me.Body)
		}
		next := p.MustRefresh(tokens.ClientID, tokens.Refresh)
		tokens.Access, tokens.Refresh = next.Access, next.Refresh
		p.kill()
	}
	goOn(there)
	says(t, keymaker(t, 1, "db", "copy", "--from", from, "--to", there), "is not empty", "nothing was written")
	says(t, keymaker(t, 0, "db", "copy", "--from", there, "--to", back), "sessions", "access_tokens", "Both sides hold the same", "secret_file")
	goOn(back)
}

// copyAndKill runs the copy in a process of its own, and kills that after a while
// if it has not ended. It tells whether it had.
func copyAndKill(t *testing.T, from, to string, after time.Duration) bool {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), commandVariable+"=db copy --from "+from+" --to "+to)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	err := cmd.Wait()
	if err != nil && cmd.ProcessState.Exited() {
		t.Fatalf("the copy: %v: %s", err, said.String())
	}
	return err == nil
}

// untilAlone waits until PostgreSQL has done what a killed copy had sent to it.
func untilAlone(t *testing.T, address string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for others := 1; others > 0; {
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'").Scan(&others); err != nil {
			t.Fatal(err)
		}
	}
}

// copied tells whether a database is a whole copy, in which alice is.
func copied(t *testing.T, address string) bool {
	t.Helper()
	s, err := store.Open(t.Context(), storetest.Options(t, address))
	if err != nil {
		return false
	}
	_, err = s.User(t.Context(), "alice")
	return errors.Join(err, s.Close()) == nil
}

func TestDBCopyRefuses(t *testing.T) {
	one := "sqlite:" + filepath.Join(t.TempDir(), "one.db")
	says(t, keymaker(t, 2, "db", "copy", "--from", one, "--to", one+"2"), "from SQLite to PostgreSQL or back", "keymaker backup")
	said := keymaker(t, 1, "db", "copy", "--from", one, "--to", "postgres://u:hunter2@127.0.0.1:1/db?connect_timeout=1")
	says(t, said, "there is no database")
	write(t, strings.TrimPrefix(one, "sqlite:"), "")
	said = keymaker(t, 1, "db", "copy", "--from", one, "--to", "postgres://u:hunter2@127.0.0.1:1/db?connect_timeout=1")
	says(t, said, "another version than this program", "start a server")
	if strings.Contains(said, "hunter2") {
		t.Errorf("a password is shown: %s", said)
	}
}
