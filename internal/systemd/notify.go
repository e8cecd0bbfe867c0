// Package systemd speaks with the service manager that has started the server:
// it is told how the server does, and hands over the sockets that it has opened.
// Where there is none, nothing happens.
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager, as the environment describes it (sd_notify(3),
// sd_watchdog_enabled(3), sd_listen_fds(3)).
type Manager struct {
	env func(string) string
}

// New returns the manager that an environment describes.
func New(env func(string) string) *Manager { return &Manager{env: env} }

// Notify tells the manager states such as READY=1; with nobody to tell it does
// nothing.
func (m *Manager) Notify(ctx context.Context, states ...string) error {
	path := m.env("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	// An abstract name begins with @, which the net package knows as well.
	conn, err := new(net.Dialer).DialContext(ctx, "unixgram", path)
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// Reloading is what the manager is told when a reload begins. The clock is the
// machine's monotonic one, as systemd compares it with its own.
func Reloading() []string {
	states := []string{"RELOADING=1"}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		states = append(states, "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/int64(time.Microsecond), 10))
	}
	return states
}

// Watchdog is how often the manager wants to hear that the server is alive; 0 if
// it does not.
func (m *Manager) Watchdog() time.Duration {
	micros, err := strconv.ParseInt(m.env("WATCHDOG_USEC"), 10, 64)
	if err != nil || micros <= 0 || !m.forUs("WATCHDOG_PID", true) {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

// forUs tells whether a variable names this process. It may be missing where
// optional.
func (m *Manager) forUs(name string, optional bool) bool {
	pid := m.env(name)
	return pid == strconv.Itoa(os.Getpid()) || pid == "" && optional
}
