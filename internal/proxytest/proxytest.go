// Package proxytest runs real reverse proxies in tests: nginx, Caddy and HAProxy,
// with a part of a configuration that is made whole.
//
// The tests that need them run where KEYMAKER_TEST_PROXIES is set.
package proxytest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/certtest"
)

// Variable says that the proxies are installed.
const Variable = "KEYMAKER_TEST_PROXIES"

// Wanted tells whether the tests of this run have proxies.
func Wanted() bool { return os.Getenv(Variable) != "" }

// Run is a TestMain that says when the tests with proxies are left out.
func Run(m interface{ Run() int }, what string) int {
	if !Wanted() {
		fmt.Printf("With real proxies %s were not tested: %s is not set\n", what, Variable)
	}
	return m.Run()
}

// whole is the configuration of a proxy with the part that is printed in it, and
// the commands that check it and run it.
type whole struct {
	file       string
	text       func(folder, part string) string
	check, run []string
}

var wholes = map[string]whole{
	"nginx": {
		"nginx.conf",
		func(folder, part string) string {
			user := ""
			if os.Getuid() == 0 {
				user = "user root;\n"
			}
			temporary := ""
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temporary += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, folder, kind)
			}
			return user + "daemon off;\npid " + folder + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + temporary + part + "}\n"
		},
		[]string{"nginx", "-t", "-p", ".", "-c", "nginx.conf", "-e", "stderr"}, []string{"nginx", "-p", ".", "-c", "nginx.conf", "-e", "stderr"},
	},
	"caddy": {
		"Caddyfile",
		// It would listen on port 80 too, to send browsers to https.
		func(_, part string) string { return "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + part },
		[]string{"caddy", "validate", "--adapter", "caddyfile", "--config", "Caddyfile"}, []string{"caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"},
	},
	"haproxy": {
		"haproxy.cfg",
		func(_, part string) string { return part },
		[]string{"haproxy", "-c", "-f", "haproxy.cfg"}, []string{"haproxy", "-db", "-f", "haproxy.cfg"},
	},
}

// certificate writes a certificate and its key, in one file and in two.
func certificate(t testing.TB, folder string) {
	t.Helper()
	one, two := certtest.New(t).Issue(time.Now().Add(time.Hour), "matrix.example.com", "example.com")
	for name, text := range map[string][]byte{"fullchain.pem": one, "privkey.pem": two, "matrix.example.com.pem": append(bytes.Clone(one), two...), "example.com.pem": append(bytes.Clone(one), two...)} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// install writes the configuration of a proxy into a new folder, and returns a
// command that runs in it.
func install(t testing.TB, proxy, part string) func(args []string) *exec.Cmd {
	t.Helper()
	folder := t.TempDir()
	certificate(t, folder)
	for _, there := range []string{"/etc/letsencrypt/live/matrix.example.com/", "/etc/letsencrypt/live/example.com/", "/etc/haproxy/certs/"} {
		part = strings.ReplaceAll(part, there, folder+"/")
	}
	w := wholes[proxy]
	if err := os.WriteFile(filepath.Join(folder, w.file), []byte(w.text(folder, part)), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(args []string) *exec.Cmd {
		cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
		cmd.Dir = folder
		cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + folder, "XDG_DATA_HOME=" + folder, "XDG_CONFIG_HOME=" + folder}
		return cmd
	}
}

// Check wants a proxy to take a part of a configuration. The certificates of
// matrix.example.com and example.com are where the part says, or so it seems.
func Check(t testing.TB, proxy, part string) {
	t.Helper()
	if out, err := install(t, proxy, part)(wholes[proxy].check).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Start runs a proxy with a part of a configuration until the test ends, or until
// what it returns is called. It listens on address.
func Start(t testing.TB, proxy, part, address string) (stop func()) {
	t.Helper()
	return begin(t, install(t, proxy, part)(wholes[proxy].run), address)
}

// begin runs a proxy until the test ends.
func begin(t testing.TB, cmd *exec.Cmd, address string) (stop func()) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(func() {
		if stop(); t.Failed() {
			t.Logf("it said: %s", out.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return stop
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not listen")
		}
	}
}
