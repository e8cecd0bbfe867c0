package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/command"
	"keymaker/internal/porttest"
)

// besideServer runs the rest of a test in the folder of inQueryFolder, beside a
// server that listens to administrators on the socket s. It returns what reads
// the server's log.
func besideServer(t *testing.T) (log func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "km") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	inQueryFolder(t)
	text, err := os.ReadFile("keymaker.toml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "keymaker.toml", string(text)+"[global.private]\naddress = \"unix:"+dir+"/s\"\n")
	if err := os.Symlink(dir, "run"); err != nil {
		t.Fatal(err)
	}
	var out, errs watched
	ended := make(chan int, 1)
	go func() {
		env := []string{fmt.Sprintf("KEYMAKER_GLOBAL__PORT=%d", porttest.Free(t))}
		ended <- command.Main([]string{"serve"}, &command.Streams{Out: &out, Err: &errs, Env: env})
	}()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(errs.String(), "listening to administrators"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no answer: %s", errs.String())
		}
	}
	t.Cleanup(func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if status := <-ended; status != 0 {
			t.Errorf("the server ended with %d: %s", status, errs.String())
		}
		if _, err := os.Lstat(dir + "/s"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
	return errs.String
}

func TestAdminThroughTheServer(t *testing.T) {
	besideServer(t)
	t.Run("only the owner can open the socket", func(t *testing.T) {
		info, err := os.Lstat("run/s")
		if err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("it is %v, error %v", info, err)
		}
	})
	for _, line := range []string{"list-providers", "show-provider keycloak", "list-users --limit 2", "show-user eve", "list-sessions", "show-session 01SESSION1",
		"list-devices --oidc", "list-associations", "list-users --json", "show-session 01SESSION3 --json"} {
		t.Run("the answer is the same: "+line, func(t *testing.T) {
			direct := query(t, line)
			if through := query(t, line+" --server"); through != direct {
				t.Errorf("through the server:\n%s\ndirectly:\n%s", through, direct)
			}
			if through := query(t, line+" --socket run/s"); through != direct {
				t.Errorf("through the socket:\n%s\ndirectly:\n%s", through, direct)
			}
		})
	}
	t.Run("an error is the same", func(t *testing.T) {
		for _, line := range []string{"show-session nothing", "list-users --limit 0", "show-user @alice:other.example", "associate kc1 sub=s-alice bob", "associate kc1 = bob"} {
			args := append([]string{"query", "oauth"}, strings.Fields(line)...)
			status, out, errs := administer("", args...)
			status2, out2, errs2 := administer("", append(args, "--server")...)
			if status != status2 || out != out2 || errs != errs2 {
				t.Errorf("%s: directly %d %s%s, through the server %d %s%s", line, status, out, errs, status2, out2, errs2)
			}
		}
	})
	t.Run("a mail is sent by the server, which has no mail server here", func(t *testing.T) {
		if status, _, errs := administer("", "mail", "test", "bob@example.org", "--server"); status != 1 || !strings.Contains(errs, "the configuration has no [global.smtp]") {
			t.Errorf("exit status %d: %s", status, errs)
		}
	})
	t.Run("what is changed is changed, once it is confirmed", func(t *testing.T) {
		if status, _, errs := administer("", "user", "end-sessions", "alice", "--server"); status != 1 || !strings.Contains(errs, "nothing was changed") {
			t.Errorf("exit status %d: %s", status, errs)
		}
		for _, line := range []string{"user end-sessions alice --yes", "user lock bob", "user set-displayname bob Bobby", "user allow-reset eve --yes",
			"user unlink eve --provider old --last --yes", "query oauth associate kc1 sub=9 bob", "query oauth delete 01SESSION3 --yes"} {
			if status, _, errs := administer("", append(strings.Fields(line), "--server")...); status != 0 {
				t.Errorf("%s: exit status %d: %s", line, status, errs)
			}
		}
		if out := query(t, "show-user bob"); !strings.Contains(out, "locked") || !strings.Contains(out, "Bobby") {
			t.Errorf("bob is shown as:\n%s", out)
		}
		if out := query(t, "list-devices"); strings.Contains(out, "ALICEPHONE") || strings.Contains(out, "EVE/PHONE") {
			t.Errorf("the devices are:\n%s", out)
		}
		if _, out, _ := administer("", "audit", "--server"); strings.Count(out, "ended_by_admin") < 2 || !strings.Contains(out, "user_associated") ||
			!strings.Contains(out, "reset_approved") || !strings.Contains(out, "user_unlinked") {
			t.Errorf("the audit log is:\n%s", out)
		}
	})
	t.Run("a token is looked at", func(t *testing.T) {
		if status, out, errs := administer("kma_c2VjcmV0\n", "query", "oauth", "token-info", "--server"); status != 0 || !strings.Contains(out, "cut or mistyped") {
			t.Errorf("exit status %d: %s%s", status, out, errs)
		}
	})
}

func TestPrivateSocketRefuses(t *testing.T) {
	besideServer(t)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", "run/s")
	}}}
	t.Cleanup(client.CloseIdleConnections)
	tests := []struct {
		name, method, path, media, body string
		status                          int
		says                            string
	}{
		{"another path", "POST", "/", "application/json", "{}", 404, ""},
		{"a GET", "GET", "/admin/v1/list-users", "application/json", "", 405, ""},
		{"an operation that is not there", "POST", "/admin/v1/nothing", "application/json", "{}", 400, "there is no operation nothing"},
		{"a form, as a page in a browser sends it", "POST", "/admin/v1/lock-user", "text/plain", `"alice"`, 415, "must be application/json"},
		{"what is no JSON", "POST", "/admin/v1/lock-user", "application/json", "alice", 400, "cannot be read"},
		{"another shape", "POST", "/admin/v1/lock-user", "application/json", `{"user":"alice"}`, 400, "cannot be read"},
		{"a member that is not known", "POST", "/admin/v1/list-users", "application/json", `{"limit":1,"all":true}`, 400, "cannot be read"},
		{"two questions", "POST", "/admin/v1/lock-user", "application/json", `"alice""bob"`, 400, "more than one"},
		{"a question beyond all measure", "POST", "/admin/v1/lock-user", "application/json", `"` + strings.Repeat("a", 65<<10) + `"`, 413, "too long"},
		{"nobody's user", "POST", "/admin/v1/lock-user", "application/json", `"carol"`, 409, "there is no user @carol:example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://keymaker.invalid"+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", tt.media)
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.status || !bytes.Contains(body, []byte(tt.says)) {
				t.Errorf("status %d, want %d: %s", response.StatusCode, tt.status, body)
			}
		})
	}
	if out := query(t, "show-user alice"); !strings.Contains(out, "active") {
		t.Errorf("alice is shown as:\n%s", out)
	}
}

func TestAdminWithoutAServer(t *testing.T) {
	inQueryFolder(t)
	tests := []struct {
		name, flags string
		status      int
		says        string
	}{
		{"no server at the socket of the configuration", "--server", 1, "no server answers on"},
		{"no socket in the configuration", "--config none.toml --server", 1, "[global.private] names no address"},
		{"nobody at the socket", "--socket nothing", 1, "no server answers on"},
	}
	write(t, "none.toml", "[global]\nserver_name = \"example.com\"\n[global.private]\naddress = \"none\"\n")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := administer("", append([]string{"query", "oauth", "list-users"}, strings.Fields(tt.flags)...)...)
			if status != tt.status || !strings.Contains(errs, tt.says) {
				t.Errorf("exit status %d: %s%s", status, out, errs)
			}
		})
	}
}
