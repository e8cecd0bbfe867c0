package proxyconf_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/config"
	"keymaker/internal/proxyconf"
)

var update = flag.Bool("update", false, "write what is expected")

// configuration has a private socket, which no proxy may be told of.
func configuration(t *testing.T, serverName, issuer, port, homeserver string) *config.Config {
	t.Helper()
	text := fmt.Sprintf("[global]\nserver_name = %q\nport = %s\n[global.well_known]\nclient = %q\n[global.private]\naddress = \"unix:/run/keymaker/admin.sock\"\n", serverName, port, issuer)
	if homeserver != "" {
		text += fmt.Sprintf("[global.homeserver]\nkind = \"synapse\"\nendpoint = %q\nsecret = \"x\"\n", homeserver)
	}
	c, err := config.Parse("keymaker.toml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSnippets(t *testing.T) {
	for name, c := range map[string]*config.Config{
		"synapse":  configuration(t, "example.com", "https://matrix.example.com", "8080", "http://localhost:8008"),
		"far":      configuration(t, "matrix.example.com", "https://matrix.example.com:8443/", "8080", "https://synapse.example.net/"),
		"embedded": configuration(t, "example.com", "https://example.com", "8080", ""),
		"local":    configuration(t, "localhost", "http://localhost:7000", "8080", "http://[::1]:8008"),
	} {
		for _, proxy := range proxyconf.Proxies {
			t.Run(proxy+" "+name, func(t *testing.T) {
				got, err := proxyconf.For(proxy, c, proxyconf.Certificate{})
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(got, "admin.sock") {
					t.Error("the socket for administrators is in it")
				}
				path := filepath.Join("testdata", proxy+"-"+name+".txt")
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if diff := cmp.Diff(string(want), got); diff != "" || err != nil {
					t.Errorf("%v: %s (-update writes it)", err, diff)
				}
			})
		}
	}
}

// own is a certificate that the administrator names.
var own, none = proxyconf.Certificate{File: "/srv/tls/chain.pem", Key: "/srv/tls/key.pem"}, proxyconf.Certificate{}

func nothing(*config.Config) {}

func TestACertificateIsNamed(t *testing.T) {
	c := configuration(t, "example.com", "https://matrix.example.com", "8080", "")
	for proxy, want := range map[string]string{
		"nginx":   "    ssl_certificate /srv/tls/chain.pem;\n    ssl_certificate_key /srv/tls/key.pem;\n",
		"caddy":   "\nmatrix.example.com {\n\ttls /srv/tls/chain.pem /srv/tls/key.pem\n\n",
		"haproxy": "ssl crt /srv/tls/chain.pem alpn",
	} {
		certificate := own
		if proxy == "haproxy" {
			certificate.Key = ""
		}
		got, err := proxyconf.For(proxy, c, certificate)
		if err != nil || !strings.Contains(got, want) || strings.Contains(got, "/etc/") && proxy != "nginx" {
			t.Errorf("%s: %v\n%s", proxy, err, got)
		}
	}
}

func TestWhatCannotBeProxiedIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name, proxy string
		certificate proxyconf.Certificate
		change      func(*config.Config)
		says        string
	}{
		{"no issuer", "nginx", none, func(c *config.Config) { c.WellKnown.Client = "" }, "global.well_known.client is missing"},
		{"a homeserver below a path", "nginx", none, func(c *config.Config) { c.Homeserver.Endpoint += "/synapse" }, "has a path"},
		{"another proxy", "apache", none, nothing, `nothing for the proxy "apache"`},
		{"a certificate without TLS", "nginx", own, func(c *config.Config) { c.WellKnown.Client = "http://localhost:7000" }, "plain http"},
		{"a certificate without its key", "nginx", proxyconf.Certificate{File: "/c.pem"}, nothing, "name the key"},
		{"a key without its certificate", "caddy", proxyconf.Certificate{Key: "/k.pem"}, nothing, "name the certificate"},
		{"a key for HAProxy", "haproxy", own, nothing, "HAProxy reads the key from"},
		{"a certificate whose name is a directive", "nginx", proxyconf.Certificate{File: "/c.pem;\nroot /", Key: "/k.pem"}, nothing, "plain letters"},
		{"a certificate whose name is a variable", "nginx", proxyconf.Certificate{File: "/$host", Key: "/k.pem"}, nothing, "plain letters"},
		{"a key whose name is a block", "caddy", proxyconf.Certificate{File: "/c.pem", Key: "/k {"}, nothing, "plain letters"},
		{"a certificate that is nowhere", "haproxy", proxyconf.Certificate{File: "c.pem"}, nothing, "plain letters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := configuration(t, "example.com", "https://matrix.example.com", "8080", "http://localhost:8008")
			tt.change(c)
			if _, err := proxyconf.For(tt.proxy, c, tt.certificate); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAServerOnAllAddressesIsReachedOnThisMachine(t *testing.T) {
	c := configuration(t, "example.com", "https://matrix.example.com", "8080", "")
	for address, want := range map[string]string{"0.0.0.0": "http://127.0.0.1:8080;", "::": "http://[::1]:8080;", "10.0.0.7": "http://10.0.0.7:8080;"} {
		c.Address = []string{address}
		if got, err := proxyconf.For("nginx", c, proxyconf.Certificate{}); err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: no %s, error %v", address, want, err)
		}
	}
}
