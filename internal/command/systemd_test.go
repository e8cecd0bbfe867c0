package command_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manager plays the service manager.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
	cmd    *exec.Cmd
	errs   *watched
	ended  chan error
}

// startManaged runs a server as systemd would, with a socket that systemd has
// opened.
func startManaged(t *testing.T, config string, listeners ...*net.TCPListener) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "km") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	write(t, dir+"/keymaker.toml", config)
	m := &manager{t: t, errs: &watched{}, ended: make(chan error, 1)}
	if m.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/notify", Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.socket.Close() })
	// Only the process itself knows its number.
	m.cmd = exec.CommandContext(context.Background(), "sh", "-c", `WATCHDOG_PID=$$ LISTEN_PID=$$ exec "$0"`, os.Args[0])
	m.cmd.Dir, m.cmd.Stderr = dir, m.errs
	m.cmd.Env = append(os.Environ(), serveVariable+"="+dir+"/keymaker.toml", "NOTIFY_SOCKET="+dir+"/notify", "WATCHDOG_USEC=400000", fmt.Sprintf("LISTEN_FDS=%d", len(listeners)), "LISTEN_FDNAMES=public")
	for _, l := range listeners {
		file, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, file)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { m.ended <- m.cmd.Wait() }()
	t.Cleanup(func() { _ = m.cmd.Process.Kill() })
	return m
}

// told waits until the server says something that has the line, and returns all
// that it said then.
func (m *manager) told(line string) []string {
	m.t.Helper()
	buffer := make([]byte, 4096)
	if err := m.socket.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	for {
		n, err := m.socket.Read(buffer)
		if err != nil {
			m.t.Fatalf("never told %s: %v\n%s", line, err, m.errs.String())
		}
		said := strings.Split(string(buffer[:n]), "\n")
		for _, s := range said {
			if s == line {
				return said
			}
		}
	}
}

func (m *manager) signal(s syscall.Signal) {
	m.t.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		m.t.Fatal(err)
	}
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

func TestServeUnderAServiceManager(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	// The port of the configuration is taken: only the socket of the manager works.
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	m := startManaged(t, "[global]\nserver_name = \"example.com\"\nport = "+port+"\n", l)
	m.told("READY=1")
	response, err := http.Get("http://" + l.Addr().String() + "/readyz")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the socket of the manager is not answered: %v %v", response, err)
	}
	_ = response.Body.Close()
	for range 3 {
		m.told("WATCHDOG=1")
	}
	before := monotonic(t)
	m.signal(syscall.SIGHUP)
	said := strings.Join(m.told("RELOADING=1"), "\n")
	at := regexp.MustCompile(`(?m)^MONOTONIC_USEC=(\d+)$`).FindStringSubmatch(said)
	if at == nil {
		t.Fatalf("the reload has no time: %s", said)
	}
	if micros, err := strconv.ParseInt(at[1], 10, 64); err != nil || micros < before || micros > monotonic(t) {
		t.Errorf("the time of the reload is %s, and it began after %d", at[1], before)
	}
	m.told("READY=1")
	m.signal(syscall.SIGTERM)
	m.told("STOPPING=1")
	if err := <-m.ended; err != nil {
		t.Errorf("it ended with %v: %s", err, m.errs.String())
	}
}

func TestAServerThatHangsGivesNoSignOfLife(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	m := startManaged(t, "[global]\nserver_name = \"example.com\"\n", l)
	m.told("WATCHDOG=1")
	m.signal(syscall.SIGSTOP)
	defer m.signal(syscall.SIGCONT)
	_ = m.socket.SetReadDeadline(time.Now().Add(time.Second))
	for {
		if _, err := m.socket.Read(make([]byte, 100)); err != nil {
			break // nothing for long enough
		}
	}
	_ = m.socket.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if n, err := m.socket.Read(make([]byte, 100)); err == nil {
		t.Errorf("it said %d bytes", n)
	}
}

// systemd says of the units what is wrong with them, where it is installed.
func TestTheUnitsAreGoodAndTight(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("the units were not verified: there is no systemd-analyze")
		return
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "keymaker")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var units []string
	for _, name := range []string{"keymaker.service", "keymaker.socket"} {
		text, err := os.ReadFile(filepath.Join(repository, "docs/deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(dir, name)
		write(t, unit, strings.NewReplacer("/usr/bin/keymaker", program, "User=keymaker", "User=daemon", "Group=keymaker", "Group=daemon").Replace(string(text)))
		units = append(units, unit)
	}
	out, err := exec.CommandContext(t.Context(), tool, append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "keymaker.") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
	if err != nil {
		t.Logf("systemd-analyze verify: %v: %s", err, out)
	}
	// The exposure is from 0, nothing, to 10.
	out, err = exec.CommandContext(t.Context(), tool, "security", "--offline=true", "--threshold=20", "--no-pager", units[0]).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "OK") {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	scanner := bufio.NewScanner(strings.NewReader(string(out)))
	for scanner.Scan() {
		if strings.Contains(scanner.Text(), "Overall exposure") {
			t.Log(scanner.Text())
		}
	}
}
