package command_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/command"
	"keymaker/internal/demo/browser"
)

func TestDemoOnce(t *testing.T) {
	t.Run("every step holds, one line each", func(t *testing.T) {
		p := newProxy(t)
		status, out, errs := p.demoOnce()
		if status != 0 || errs != "" {
			t.Fatalf("exit status %d, standard error %q\n%s", status, errs, out)
		}
		steps := regexp.MustCompile(`(?m)^ ?\d+ \S.*$`).FindAllString(out, -1)
		if len(steps) != 18 || !strings.HasSuffix(out, "All 18 steps held.\n") {
			t.Errorf("%d steps:\n%s", len(steps), out)
		}
		if len(p.secrets()) < 12 {
			t.Fatalf("only %d secrets passed the proxy", len(p.secrets()))
		}
		tellsNoSecret(t, p, out)
	})
	t.Run("a data folder can be used again", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		for range 2 {
			var out, errs watched
			if status := command.Main([]string{"demo", "--once", "--dir", dir}, &command.Streams{Out: &out, Err: &errs}); status != 0 {
				t.Fatalf("exit status %d: %s\n%s", status, errs.String(), out.String())
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "keymaker.db")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a temporary folder is removed", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir())
		var out, errs watched
		if status := command.Main([]string{"demo", "--once"}, &command.Streams{Out: &out, Err: &errs}); status != 0 {
			t.Fatalf("exit status %d: %s", status, errs.String())
		}
		if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	t.Run("an issuer that cannot be one is refused", func(t *testing.T) {
		var out, errs watched
		if status := command.Main([]string{"demo", "--once", "--issuer", "http://example.com"}, &command.Streams{Out: &out, Err: &errs}); status == 0 {
			t.Errorf("exit status 0:\n%s", out.String())
		}
	})
}

var openLine = regexp.MustCompile(`(?m)^Open (\S+) `)

// TestDemo sends this process a signal, so it must not run beside others.
func TestDemo(t *testing.T) {
	opened := make(chan string, 1)
	out, errs := &watched{}, &watched{}
	out.line, out.found = openLine, func(address string) { opened <- address }
	exited := make(chan int, 1)
	go func() { exited <- command.Main([]string{"demo"}, &command.Streams{Out: out, Err: errs}) }()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case address := <-opened:
		p, err := browser.New(nil, "").Open(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		if p.Form("username") == nil {
			t.Errorf("opening %s does not lead to the login form but to %s: %s", address, p.URL, p.Text())
		}
	case status := <-exited:
		t.Fatalf("exit status %d: %s", status, errs.String())
	case <-ctx.Done():
		t.Fatalf("nothing to open was printed:\n%s", out.String())
	}
	if lines := strings.Count(out.String(), "\n"); lines > 10 {
		t.Errorf("%d lines were printed:\n%s", lines, out.String())
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case status := <-exited:
		if status != 0 {
			t.Errorf("exit status %d after SIGTERM: %s", status, errs.String())
		}
	case <-ctx.Done():
		t.Error("SIGTERM does not end it")
	}
}
