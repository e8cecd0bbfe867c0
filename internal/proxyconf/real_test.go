package proxyconf_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/certtest"
	"keymaker/internal/config"
	"keymaker/internal/porttest"
	"keymaker/internal/proxyconf"
	"keymaker/internal/proxytest"
)

func TestMain(m *testing.M) { os.Exit(proxytest.Run(m, "the configurations for them")) }

// part is what is printed for a proxy.
func part(t *testing.T, proxy string, c *config.Config) string {
	t.Helper()
	text, err := proxyconf.For(proxy, c, proxyconf.Certificate{})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRealProxiesTakeTheirConfigurations(t *testing.T) {
	if !proxytest.Wanted() {
		return
	}
	for name, c := range map[string]*config.Config{
		"synapse":  configuration(t, "example.com", fmt.Sprintf("https://matrix.example.com:%d", porttest.Free(t)), "8080", "http://localhost:8008"),
		"far":      configuration(t, "matrix.example.com", fmt.Sprintf("https://matrix.example.com:%d", porttest.Free(t)), "8080", "https://localhost:8448"),
		"embedded": configuration(t, "example.com", fmt.Sprintf("https://example.com:%d", porttest.Free(t)), "8080", ""),
	} {
		for _, proxy := range proxyconf.Proxies {
			t.Run(proxy+" "+name, func(t *testing.T) { proxytest.Check(t, proxy, part(t, proxy, c)) })
		}
	}
}

func TestRealProxiesShowTheirCertificate(t *testing.T) {
	if !proxytest.Wanted() {
		return
	}
	server := behind(t, "keymaker")
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	authority := certtest.New(t)
	one, two := authority.Issue(time.Now().Add(time.Hour), "localhost")
	folder := t.TempDir()
	for name, text := range map[string][]byte{"chain.pem": one, "key.pem": two, "both.pem": append(bytes.Clone(one), two...)} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12}}}
	for _, proxy := range proxyconf.Proxies {
		t.Run(proxy, func(t *testing.T) {
			certificate := proxyconf.Certificate{File: filepath.Join(folder, "chain.pem"), Key: filepath.Join(folder, "key.pem")}
			if proxy == "haproxy" {
				certificate = proxyconf.Certificate{File: filepath.Join(folder, "both.pem")}
			}
			address := fmt.Sprintf("localhost:%d", porttest.Free(t))
			text, err := proxyconf.For(proxy, configuration(t, "localhost", "https://"+address, u.Port(), ""), certificate)
			if err != nil {
				t.Fatal(err)
			}
			proxytest.Start(t, proxy, text, address)
			response, err := client.Get("https://" + address + "/x")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), " proto=https ") {
				t.Errorf("%s, %v", body, err)
			}
		})
	}
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

func TestRealProxiesSendRequestsWhereTheyBelong(t *testing.T) {
	if !proxytest.Wanted() {
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
	for _, proxy := range proxyconf.Proxies {
		t.Run(proxy, func(t *testing.T) {
			address := fmt.Sprintf("127.0.0.1:%d", porttest.Free(t))
			c := configuration(t, "localhost", "http://"+address, u.Port(), synapse.URL)
			proxytest.Start(t, proxy, part(t, proxy, c), address)
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
