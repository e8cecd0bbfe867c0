package command_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/store"
)

// postgresServer is a PostgreSQL that the test may break.
type postgresServer struct {
	t        *testing.T
	dir, url string
}

func startPostgres(t *testing.T) *postgresServer {
	t.Helper()
	if os.Getenv("KEYMAKER_TEST_POSTGRES") == "" {
		t.Skip("A restart of PostgreSQL was not tested: KEYMAKER_TEST_POSTGRES is not set")
	}
	script, err := filepath.Abs("../../.ci/postgres")
	if err != nil {
		t.Fatal(err)
	}
	p := &postgresServer{t: t, dir: "/tmp/keymaker-pg-" + secret.Letters(8)}
	cmd := exec.Command(script, "start", p.dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(script, "stop", p.dir).CombinedOutput(); err != nil {
			t.Errorf("stop PostgreSQL: %v: %s", err, out)
		}
	})
	p.url = strings.TrimSpace(string(out))
	return p
}

// crash ends it at once, as a machine would that fails.
func (p *postgresServer) crash() {
	p.t.Helper()
	text, err := os.ReadFile(p.dir + "/data/postmaster.pid")
	if err != nil {
		p.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGQUIT)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); syscall.Kill(pid, 0) == nil && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// again starts it as it was started.
func (p *postgresServer) again() {
	p.t.Helper()
	options, err := os.ReadFile(p.dir + "/data/postmaster.opts")
	if err != nil {
		p.t.Fatal(err)
	}
	program := strings.Fields(string(options))[0]
	line := "cd / && " + filepath.Dir(program) + "/pg_ctl --pgdata=" + p.dir + "/data --log=" + p.dir + "/server.log --wait --silent start"
	port := slices.IndexFunc(strings.Fields(string(options)), func(s string) bool { return strings.Trim(s, `"`) == "-p" })
	if port < 0 {
		p.t.Fatalf("no port in %s", options)
	}
	line += " -o \"-p " + strings.Trim(strings.Fields(string(options))[port+1], `"`) + " -c listen_addresses=127.0.0.1 -c unix_socket_directories=" + p.dir + " -c max_connections=300\""
	args := []string{"sh", "-c", line}
	if os.Geteuid() == 0 {
		args = append([]string{"runuser", "-u", "postgres", "--"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...) // whose outputs the server would keep open
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("start PostgreSQL again: %v", err)
	}
}

// rounds is how often something happens that takes seconds.
func rounds(t *testing.T) int {
	t.Helper()
	return max(kills(t)/25, 1)
}

// trouble is something that happens to the database of a server, and ends.
type trouble struct {
	name string
	// server starts one, to which it may happen.
	server func(t *testing.T) *process
	// happens begins it, and returns what ends it.
	happens func(t *testing.T, p *process) (end func())
	// ready: the server says meanwhile that it can work.
	ready bool
	// unsure is that of the witnesses.
	unsure bool
}

// TestWhatWasAnsweredSurvivesOutages has the database go away in every way, under
// clients that remember every answer.
func TestWhatWasAnsweredSurvivesOutages(t *testing.T) {
	t.Parallel()
	for _, o := range []trouble{
		{name: "PostgreSQL is killed and restarted", server: onItsOwnPostgres, happens: killPostgres, unsure: true},
		{name: "another program locks SQLite", server: func(t *testing.T) *process { return startProcess(t, unlimited) }, happens: lockSQLite, ready: true},
		{name: "the disk of SQLite is full", server: onSmallDisk, happens: fillDisk, ready: true},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			p := o.server(t)
			w, wait := watch(t, p.Env, func(w *witnesses) { w.unsure = o.unsure })
			for range rounds(t) {
				time.Sleep(500 * time.Millisecond)
				w.epoch.Add(1)
				before := w.unavailable.Load()
				end := o.happens(t, p)
				for deadline := time.Now().Add(90 * time.Second); w.unavailable.Load() == before && time.Now().Before(deadline); {
					time.Sleep(10 * time.Millisecond)
				}
				if a := p.Get("/readyz"); (a.Status == http.StatusOK) != o.ready {
					t.Errorf("readyz: status %d", a.Status)
				}
				if w.unavailable.Load() == before {
					t.Error("nobody was told of it")
				}
				end()
				p.awaitReady()
				w.epoch.Add(1)
			}
			time.Sleep(500 * time.Millisecond)
			wait()
			if w.lost.Load() > 0 {
				t.Errorf("%d requests were not answered", w.lost.Load())
			}
		})
	}
}

func onItsOwnPostgres(t *testing.T) *process {
	database := startPostgres(t)
	p := startProcess(t, unlimited)
	p.onPostgres(database.url)
	p.postgres = database
	return p
}

func killPostgres(_ *testing.T, p *process) (end func()) {
	p.postgres.crash()
	return p.postgres.again
}

// lockSQLite holds the lock for longer than the server waits for it, as a tool of
// an administrator might.
func lockSQLite(t *testing.T, p *process) (end func()) {
	db, err := sql.Open(store.SQLiteDriver, p.file())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err = db.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := db.ExecContext(t.Context(), "COMMIT"); err != nil {
			t.Error(err)
		}
		_ = db.Close()
	}
}

// onSmallDisk has the database on a file system of 128 megabytes: the log of SQLite
// grows to 40 before it is emptied.
func onSmallDisk(t *testing.T) *process {
	small := mountSmall(t, "128m")
	p := startProcess(t, unlimited)
	p.kill()
	p.moveTo("sqlite:" + filepath.Join(small, "keymaker.db"))
	p.start()
	return p
}

// fillDisk writes to the disk of the database until nothing more goes.
func fillDisk(t *testing.T, p *process) (end func()) {
	filler := filepath.Join(filepath.Dir(p.file()), "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var filling sync.WaitGroup
	filling.Go(func() { // what the server gives back is filled as well
		for ctx.Err() == nil {
			if _, err := f.Write(make([]byte, 4096)); err != nil {
				time.Sleep(time.Millisecond)
			}
		}
	})
	return func() {
		stop()
		filling.Wait()
		if err := errors.Join(f.Close(), os.Remove(filler)); err != nil {
			t.Error(err)
		}
	}
}

// awaitReady waits until the server says that it can work.
func (p *process) awaitReady() {
	p.T.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if a, err := p.Try(http.MethodGet, "/readyz", nil, ""); err == nil && a.Status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			p.T.Fatal("the server is not ready again")
		}
	}
}

func TestALockedDatabaseIsAnOutageAndNoRefusal(t *testing.T) {
	t.Parallel()
	p := startProcess(t)
	tokens := p.LogIn("alice", "LOCKED")
	unlock := lockSQLite(t, p)
	begun := time.Now()
	expectUnavailable(t, p.Refresh(tokens.ClientID, tokens.Refresh))
	if took := time.Since(begun); took < 5*time.Second {
		t.Errorf("it gave up after %v", took)
	}
	if a := p.WhoAmI(tokens.Access); a.Status != http.StatusOK {
		t.Errorf("what only reads: status %d, want 200", a.Status)
	}
	unlock()
	next := p.MustRefresh(tokens.ClientID, tokens.Refresh)
	if a := p.WhoAmI(next.Access); a.Status != http.StatusOK {
		t.Errorf("after that: status %d", a.Status)
	}
}

// expectUnavailable expects an answer that tells a client to try again.
func expectUnavailable(t *testing.T, a harness.Answer) {
	t.Helper()
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q: %s, want 503", a.Status, a.Header.Get("Retry-After"), a.Body)
	}
}

// TestAFullDiskIsAnOutageAndNoRefusal has the database on a file system of three
// megabytes, which something else fills.
func TestAFullDiskIsAnOutageAndNoRefusal(t *testing.T) {
	t.Parallel()
	small := mountSmall(t, "3m")
	p := startProcess(t, unlimited)
	p.kill()
	p.moveTo("sqlite:" + filepath.Join(small, "keymaker.db"))
	p.start()
	tokens, quiet := p.LogIn("alice", "FULL"), p.LogIn("alice", "QUIET")
	filler := filepath.Join(small, "filler")
	_ = os.WriteFile(filler, make([]byte, 3<<20), 0o600) // as far as it goes

	refused := false
	for range 2000 { // until what the log has of room is written
		a := p.Refresh(tokens.ClientID, tokens.Refresh)
		if a.Status != http.StatusOK {
			refused = true
			expectUnavailable(t, a)
			break
		}
		tokens.Access, tokens.Refresh = a.Text("access_token"), a.Text("refresh_token")
	}
	if !refused {
		t.Fatal("the disk was never full")
	}
	expectUnavailable(t, p.Form("/_tuwunel/oidc/revoke", url.Values{"token": {quiet.Refresh}, "client_id": {quiet.ClientID}}))
	for _, s := range []harness.Tokens{tokens, quiet} {
		if a := p.WhoAmI(s.Access); a.Status != http.StatusOK {
			t.Errorf("what only reads: status %d, want 200", a.Status)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	next := p.MustRefresh(tokens.ClientID, tokens.Refresh)
	if a := p.WhoAmI(next.Access); a.Status != http.StatusOK {
		t.Errorf("with room again: status %d", a.Status)
	}
	p.kill()
	p.start()
	p.MustRefresh(tokens.ClientID, next.Refresh)
	p.MustRefresh(quiet.ClientID, quiet.Refresh)
}

// mountSmall mounts a file system of so much.
func mountSmall(t *testing.T, size string) (folder string) {
	t.Helper()
	small := t.TempDir()
	mount := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "none", small)
	if os.Geteuid() != 0 {
		mount = exec.Command("sudo", append([]string{"-n"}, mount.Args...)...)
	}
	if out, err := mount.CombinedOutput(); err != nil {
		t.Skipf("a full disk is tried by an account that may mount one: %v: %s", err, out)
	}
	unmount := exec.Command("umount", "--lazy", small)
	if os.Geteuid() != 0 {
		unmount = exec.Command("sudo", append([]string{"-n"}, unmount.Args...)...)
	}
	t.Cleanup(func() { _ = unmount.Run() })
	return small
}
