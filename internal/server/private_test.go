package server_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListenPrivate(t *testing.T) {
	dir, err := os.MkdirTemp("", "km") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	at := func(name string) (path, lines string) {
		path = filepath.Join(dir, name)
		return path, "[global.private]\naddress = \"unix:" + path + "\"\n"
	}

	start := func(t *testing.T, lines string) (net.Listener, error) {
		t.Helper()
		l, err := startAlone(t, lines).ListenPrivate(t.Context())
		if err == nil && l != nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return l, err
	}
	t.Run("nothing without an address", func(t *testing.T) {
		if l, err := start(t, "[global.private]\naddress = \"none\"\n"); l != nil || err != nil {
			t.Errorf("%v, error %v", l, err)
		}
	})
	t.Run("what a crashed server has left is replaced", func(t *testing.T) {
		path, lines := at("left")
		old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		old.SetUnlinkOnClose(false)
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := start(t, lines); err != nil {
			t.Error(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("the socket is %v, error %v", info, err)
		}
	})
	t.Run("a server that answers is not", func(t *testing.T) {
		path, lines := at("taken")
		other, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Close() }()
		if _, err := start(t, lines); err == nil || !strings.Contains(err.Error(), "another server listens on it") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a file is not", func(t *testing.T) {
		path, lines := at("file")
		if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := start(t, lines); err == nil || !strings.Contains(err.Error(), "something else has that name") {
			t.Errorf("error %v", err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "kept" {
			t.Errorf("the file is %q, error %v", text, err)
		}
	})
	t.Run("the server goes on without one that nobody has asked for", func(t *testing.T) {
		t.Chdir(dir)
		s := startAlone(t, "[global.database]\nurl = \"sqlite:own.db\"\n")
		if err := os.WriteFile("own.sock", []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := s.ListenPrivate(t.Context()); l != nil || err != nil {
			t.Errorf("%v, error %v", l, err)
		}
	})
	t.Run("a folder that is not there", func(t *testing.T) {
		_, lines := at("nothing/s")
		if _, err := start(t, lines); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}
