// Package faketuwunel is a Tuwunel for tests, in memory: as far as it goes, it
// takes the provisioning calls and signs people in at an identity provider as the
// source of Tuwunel 1.8 and 1.9 says (src/api/client/admin/mas, src/api/client/session/sso.rs).
// Nothing here was compared with a running one.
package faketuwunel

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Provider is the [[global.identity_provider]] of the configuration.
type Provider struct {
	ClientID, ClientSecret, IssuerURL string
	Scope                             []string
	Trusted, Registration             bool
	UserIDClaims                      []string
}

// Tuwunel is a homeserver. It is safe for concurrent use.
type Tuwunel struct {
	serverName, secret, url string

	mu       sync.Mutex
	provider Provider
	users    map[string]*user
	logins   map[string]login // by their state
}

type user struct {
	displayName, avatar string
	emails              []string
	locked, deactivated bool
	devices             map[string]string // to their names
	resets              int
}

// Start serves a homeserver of that server name until the test ends. Its
// mas_secret is the other one; "" for none.
func Start(t testing.TB, serverName, masSecret string) *Tuwunel {
	t.Helper()
	s := &Tuwunel{serverName: serverName, secret: masSecret, users: map[string]*user{}, logins: map[string]login{}}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

// URL is where it answers, without a slash at the end.
func (s *Tuwunel) URL() string { return s.url }

// Configure sets the identity provider.
func (s *Tuwunel) Configure(p Provider) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.provider = p
}

// Devices are those of a user, in order; nil for a user who does not exist.
func (s *Tuwunel) Devices(localpart string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[localpart] == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.users[localpart].devices))
}

// SignIn gives a user a device of Tuwunel's own, as its login does.
func (s *Tuwunel) SignIn(localpart, device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[localpart].devices[device] = ""
}

// ServeHTTP implements http.Handler.
func (s *Tuwunel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, mas := strings.CutPrefix(r.URL.Path, "/_synapse/mas/")
	switch {
	case mas:
		s.serveCall(w, r, call)
	case r.URL.Path == "/_tuwunel/server_version" && r.Method == http.MethodGet:
		write(w, http.StatusOK, map[string]any{"name": "Tuwunel", "version": "1.8.3"})
	case strings.HasPrefix(r.URL.Path, redirectPath):
		s.redirect(w, r)
	case strings.HasPrefix(r.URL.Path, callbackPath):
		s.callback(w, r)
	default:
		problem(w, http.StatusNotFound, "M_UNRECOGNIZED")
	}
}
