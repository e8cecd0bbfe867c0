package command_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/command"
	"keymaker/internal/porttest"
)

// repository is the folder of the module.
var repository, _ = filepath.Abs("../..")

// serve runs the server with the configuration in the current folder, on a free
// port, until it answers; then it is told to stop, and must end in order.
func serve(t *testing.T) {
	t.Helper()
	port := porttest.Free(t)
	var out, errs watched
	ended := make(chan int, 1)
	go func() {
		env := []string{fmt.Sprintf("KEYMAKER_GLOBAL__PORT=%d", port)}
		ended <- command.Main([]string{"serve"}, &command.Streams{Out: &out, Err: &errs, Env: env})
	}()
	ready := func() bool {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
	deadline := time.Now().Add(20 * time.Second)
	for !ready() {
		select {
		case status := <-ended:
			t.Fatalf("exit status %d before it answered: %s", status, errs.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer: %s", errs.String())
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := <-ended; status != 0 {
		t.Errorf("exit status %d: %s", status, errs.String())
	}
	if !strings.Contains(errs.String(), "stopped") {
		t.Errorf("the log does not say that the server stopped:\n%s", errs.String())
	}
}

func TestServeEndsInOrderOnSIGTERM(t *testing.T) {
	inFolder(t)
	write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n")
	serve(t)
}

func TestServeRefusesWithTheRightStatus(t *testing.T) {
	tests := []struct {
		name, config string
		status       int
		says         string
	}{
		{"a configuration that is wrong: 2, with the line", "[global]\nserver_name = \"example.com\"\nprot = 1\n", 2, "keymaker.toml:3"},
		{"a database that cannot be opened: 1", "[global]\nserver_name = \"example.com\"\n[global.database]\nurl = \"sqlite:missing/folder/x.db\"\n", 1, "missing/folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inFolder(t)
			write(t, "keymaker.toml", tt.config)
			var out, errs watched
			if status := command.Main([]string{"serve"}, &command.Streams{Out: &out, Err: &errs}); status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			if !strings.Contains(errs.String(), tt.says) {
				t.Errorf("%q does not say %q", errs.String(), tt.says)
			}
		})
	}
}

func TestASecondServerOnOneSQLiteFileIsRefused(t *testing.T) {
	inFolder(t)
	write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n[global.database]\nurl = \"sqlite:keymaker.db\"\n")
	held, err := os.OpenFile("keymaker.db.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	var out, errs watched
	if status := command.Main([]string{"serve"}, &command.Streams{Out: &out, Err: &errs}); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if !strings.Contains(errs.String(), "another server is running on this database") {
		t.Errorf("it says only %q", errs.String())
	}
}
