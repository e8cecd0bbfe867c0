package proxyconf_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/config"
	"keymaker/internal/proxyconf"
)

// variable says that the proxies are installed.
const variable = "KEYMAKER_TEST_PROXIES"

func TestMain(m *testing.M) {
	if os.Getenv(variable) == "" {
		fmt.Printf("With real proxies the configurations for them were not tested: %s is not set\n", variable)
	}
	os.Exit(m.Run())
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
		func(_, part string) string { return "{\n\tadmin off\n}\n" + part },
		[]string{"caddy", "validate", "--adapter", "caddyfile", "--config", "Caddyfile"}, []string{"caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"},
	},
	"haproxy": {
		"haproxy.cfg",
		func(_, part string) string { return part },
		[]string{"haproxy", "-c", "-f", "haproxy.cfg"}, []string{"haproxy", "-db", "-f", "haproxy.cfg"},
	},
}

// certificate writes a certificate and its key, in one file and in two.
func certificate(t *testing.T, folder string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"matrix.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	one := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public})
	two := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for name, text := range map[string][]byte{"fullchain.pem": one, "privkey.pem": two, "matrix.example.com.pem": append(bytes.Clone(one), two...), "example.com.pem": append(bytes.Clone(one), two...)} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// install writes the configuration of a proxy into a new folder, and returns a
// command that runs in it.
func install(t *testing.T, proxy string, c *config.Config) func(args []string) *exec.Cmd {
	t.Helper()
	part, err := proxyconf.For(proxy, c)
	if err != nil {
		t.Fatal(err)
	}
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

func TestRealProxiesTakeTheirConfigurations(t *testing.T) {
	if os.Getenv(variable) == "" {
		return
	}
	for name, c := range map[string]*config.Config{
		"synapse":  configuration(t, "example.com", fmt.Sprintf("https://matrix.example.com:%d", freePort(t)), "8080", "http://localhost:8008"),
		"far":      configuration(t, "matrix.example.com", fmt.Sprintf("https://matrix.example.com:%d", freePort(t)), "8080", "https://localhost:8448"),
		"embedded": configuration(t, "example.com", fmt.Sprintf("https://example.com:%d", freePort(t)), "8080", ""),
	} {
		for proxy, w := range wholes {
			t.Run(proxy+" "+name, func(t *testing.T) {
				if out, err := install(t, proxy, c)(w.check).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	address, is := l.Addr().(*net.TCPAddr)
	if !is {
		t.Fatal("no TCP address")
	}
	return address.Port
}

// behind is a server that says who it is, and what has come to it.
func behind(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s host=%s for=%s forwarded=%s proto=%s size=%d", name, r.Method, r.RequestURI, r.Host,
			strings.Join(r.Header.Values("X-Forwarded-For"), ";"), r.Header.Get("Forwarded"), r.Header.Get("X-Forwarded-Proto"), size)
	}))
	t.Cleanup(s.Close)
	return s
}

// begin runs a proxy until the test ends.
func begin(t *testing.T, cmd *exec.Cmd, address string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("it said: %s", out.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not listen")
		}
	}
}

func TestRealProxiesSendRequestsWhereTheyBelong(t *testing.T) {
	if os.Getenv(variable) == "" {
		return
	}
	own, synapse := behind(t, "keymaker"), behind(t, "synapse")
	u, err := url.Parse(own.URL)
	if err != nil {
		t.Fatal(err)
	}
	const most = 20 << 20
	tests := []struct {
		method, path, want string
		size               int
		status             int
	}{
		{"POST", "/_matrix/client/v3/login", "keymaker", 10, 200},
		{"GET", "/_matrix/client/r0/login/sso/redirect?redirectUrl=https%3A%2F%2Fapp.example%2F", "keymaker", 0, 200},
		{"GET", "/_matrix/client/unstable/login/sso/callback/keymaker?code=x", "keymaker", 0, 200},
		{"POST", "/_matrix/client/v3/logout/all", "keymaker", 0, 200},
		{"POST", "/_matrix/client/v3/refresh", "keymaker", 10, 200},
		{"GET", "/_matrix/client/v1/auth_metadata", "keymaker", 0, 200},
		{"GET", "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer", "keymaker", 0, 200},
		{"GET", "/.well-known/openid-configuration", "keymaker", 0, 200},
		{"GET", "/.well-known/matrix/client", "keymaker", 0, 200},
		{"POST", "/_tuwunel/oidc/token", "keymaker", 100, 200},
		{"POST", "/_tuwunel/oidc/account", "keymaker", most - 1<<20, 200},
		{"POST", "/_tuwunel/oidc/account", "", most + 1<<20, 413},
		{"GET", "/.well-known/matrix/server", "synapse", 0, 200},
		{"GET", "/_matrix/client/v3/sync?timeout=30000", "synapse", 0, 200},
		{"PUT", "/_matrix/client/v3/devices/a%2Fb%20c", "synapse", 0, 200},
		{"GET", "/_matrix/client/v3/loginx", "synapse", 0, 200},
		{"GET", "/_matrix/client/v3/auth/m.oauth/fallback/web?session=x", "synapse", 0, 200},
		{"POST", "/_matrix/media/v3/upload", "synapse", most + 1<<20, 200},
		{"POST", "/_matrix/media/v3/upload", "", 51 << 20, 413},
		{"GET", "/_synapse/admin/v1/server_version", "synapse", 0, 200},
		{"POST", "/oauth2/introspect", "synapse", 0, 200},
	}
	for proxy, w := range wholes {
		t.Run(proxy, func(t *testing.T) {
			address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			c := configuration(t, "localhost", "http://"+address, u.Port(), synapse.URL)
			begin(t, install(t, proxy, c)(w.run), address)
			for _, tt := range tests {
				t.Run(fmt.Sprintf("%s %s %d", tt.method, tt.path, tt.size), func(t *testing.T) {
					r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+address+tt.path, bytes.NewReader(make([]byte, tt.size)))
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("X-Forwarded-For", "203.0.113.6")
					r.Header.Set("Forwarded", "for=203.0.113.6")
					r.Header.Set("Expect", "100-continue") // so that a refusal comes before the body
					response, err := http.DefaultClient.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = response.Body.Close() }()
					body, err := io.ReadAll(response.Body)
					got := response.StatusCode
					if proxy == "caddy" && got == http.StatusBadGateway {
						got = http.StatusRequestEntityTooLarge // what its older versions mean
					}
					if err != nil || got != tt.status {
						t.Fatalf("status %d: %s, %v", response.StatusCode, body, err)
					}
					want := fmt.Sprintf("%s %s %s host=%s for=127.0.0.1 forwarded= proto=http size=%d", tt.want, tt.method, tt.path, address, tt.size)
					if tt.status == http.StatusOK && string(body) != want {
						t.Errorf("what came is\n%s, want\n%s", body, want)
					}
				})
			}
		})
	}
}
