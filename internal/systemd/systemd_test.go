package systemd_test

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"keymaker/internal/systemd"
)

func manager(env map[string]string) *systemd.Manager {
	return systemd.New(func(name string) string { return env[name] })
}

func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "km") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, name := range []string{dir + "/s", "@" + dir + "/abstract"} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		if err := manager(map[string]string{"NOTIFY_SOCKET": name}).Notify(t.Context(), "READY=1", "STATUS=x"); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 100)
		if n, err := l.Read(said); err != nil || string(said[:n]) != "READY=1\nSTATUS=x" {
			t.Errorf("%s: %q, %v", name, said[:n], err)
		}
	}
	if err := manager(nil).Notify(t.Context(), "READY=1"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
	if err := manager(map[string]string{"NOTIFY_SOCKET": dir + "/gone"}).Notify(t.Context(), "READY=1"); err == nil {
		t.Error("no error where nobody listens")
	}
}

func TestReloadingHasTheTime(t *testing.T) {
	if s := strings.Join(systemd.Reloading(), " "); !strings.HasPrefix(s, "RELOADING=1 MONOTONIC_USEC=") {
		t.Errorf("%s", s)
	}
}

func TestWatchdog(t *testing.T) {
	us := strconv.Itoa(os.Getpid())
	tests := []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0},
		{"20000000", "", 20 * time.Second},
		{"20000000", us, 20 * time.Second},
		{"20000000", "1", 0},
		{"-5", us, 0},
		{"soon", us, 0},
	}
	for _, tt := range tests {
		if got := manager(map[string]string{"WATCHDOG_USEC": tt.usec, "WATCHDOG_PID": tt.pid}).Watchdog(); got != tt.want {
			t.Errorf("%q for %q: %v, want %v", tt.usec, tt.pid, got, tt.want)
		}
	}
}

func TestSocketsOfNobody(t *testing.T) {
	us := strconv.Itoa(os.Getpid())
	for _, env := range []map[string]string{nil, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x", "LISTEN_PID": us}, {"LISTEN_FDS": "0", "LISTEN_PID": us}, {"LISTEN_FDS": "100000", "LISTEN_PID": us}} {
		if sockets, err := manager(env).Sockets(); err != nil || sockets != nil {
			t.Errorf("%v: %v, %v", env, sockets, err)
		}
	}
}
