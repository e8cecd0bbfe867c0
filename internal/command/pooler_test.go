package command_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/porttest"
)

// TestReplicasBehindATransactionPooler puts PgBouncer between the servers and
// PostgreSQL, which gives each transaction another connection.
func TestReplicasBehindATransactionPooler(t *testing.T) {
	t.Parallel()
	f := startFleet(t, pooled(t, emptyPostgres(t)), "")
	for _, w := range flows {
		if failure := f.try(t, w, "alice"); failure != "" {
			t.Errorf("%s: %s", w.name, failure)
		}
	}
	says(t, keymaker(t, 0, "keys", "--config", f.servers[0].config, "rotate", "--now"), "signs from now on")
}

// pooled starts PgBouncer before a database, and returns its URL there.
func pooled(t *testing.T, database string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("PostgreSQL behind PgBouncer was not tested: it is not installed")
	}
	behind, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	folder, port := t.TempDir(), porttest.Free(t)
	ini := filepath.Join(folder, "pgbouncer.ini")
	write(t, ini, fmt.Sprintf("[databases]\n* = host=%s port=%s user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\n"+
		"pool_mode = transaction\ndefault_pool_size = 8\nmax_client_conn = 500\nlogfile = %s\n", behind.Hostname(), behind.Port(), behind.User.Username(), port, filepath.Join(folder, "log")))
	args := []string{program, ini}
	if os.Geteuid() == 0 { // as which it refuses to run
		if out, err := exec.Command("chown", "-R", "postgres:", folder).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"runuser", "-u", "postgres", "--"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	var said watched
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("PgBouncer does not answer: %s", said.String())
		}
	}
	behind.User, behind.Host = url.User(url.QueryEscape(behind.User.Username())), fmt.Sprintf("127.0.0.1:%d", port)
	query := behind.Query()
	query.Set("default_query_exec_mode", "exec")
	behind.RawQuery = query.Encode()
	return behind.String()
}
