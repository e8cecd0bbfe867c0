package handlers

import (
	"regexp"
	"strings"
	"testing"

	"keymaker/internal/config"
	"keymaker/internal/proxyconf"
	"keymaker/templates"
	"keymaker/upstream"
)

// unproxied are the paths that nobody outside asks for.
var unproxied = map[string]bool{"/livez": true, "/readyz": true, "/oauth2/introspect": true}

// What a client asks must come here though a homeserver answers beside it.
func TestProxiesSendEveryRouteHere(t *testing.T) {
	c, err := config.Parse("k.toml", []byte(`[global]
server_name = "example.com"
[global.well_known]
client = "https://matrix.example.com"
[global.homeserver]
kind = "synapse"
endpoint = "http://localhost:8008"
secret = "s"
[[global.identity_provider]]
brand = "Keycloak"
client_id = "keymaker"
issuer_url = "https://sso.example.com"
client_secret = "s"
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := templates.New(templates.Options{ServerName: c.ServerName})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Options: Options{Config: c, Pages: pages, Upstreams: []*upstream.Provider{nil}}}
	ours, variable := regexp.MustCompile(proxyconf.Paths), regexp.MustCompile(`{[^}:]*}`)
	routes := s.routes()
	if len(routes) < 30 {
		t.Fatalf("only %d routes", len(routes))
	}
	for _, r := range routes {
		path := strings.Replace(r.path, client, "/_matrix/client/v3", 1)
		path = variable.ReplaceAllString(path, "x")
		if ours.MatchString(path) == unproxied[path] {
			t.Errorf("%s: proxies send it here: %t", path, !unproxied[path])
		}
	}
}
