package realclients_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/proxytest"
	"keymaker/internal/realclients"
	"keymaker/internal/secret"
	"keymaker/internal/synapsetest"
)

// TestBehindSynapse runs the scripts of testdata/clients/matrix-js-sdk/synapse with
// a real Synapse, a real identity provider and real proxies, which init and
// snippet have configured. When all is done, doctor is asked, and asked again
// where either side has a wrong secret.
func TestBehindSynapse(t *testing.T) {
	if os.Getenv(variable) == "" || !synapsetest.Wanted() || !proxytest.Wanted() {
		return
	}
	s := newStack(t, build(t))
	person := httptest.NewServer(&realclients.Person{Transport: s.transport()})
	t.Cleanup(person.Close)
	machine := httptest.NewServer(http.HandlerFunc(s.serveMachine))
	t.Cleanup(machine.Close)
	scripts, err := filepath.Glob(filepath.Join(clients, "matrix-js-sdk", "synapse", "*.mjs"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, proxy := range []string{"nginx", "caddy"} {
		t.Run(proxy, func(t *testing.T) {
			s.behind(proxy)
			for _, script := range scripts {
				t.Run(strings.TrimSuffix(filepath.Base(script), ".mjs"), func(t *testing.T) {
					s.keymaker.run(t, script, person.URL, "MACHINE="+machine.URL, "RUN="+secret.Letters(6))
				})
			}
			s.keepsCookies(t)
			s.examine(t)
		})
	}
	t.Run("a wrong secret is named", s.wrongSecrets)
}

// keepsCookies wants the cookies of the pages to be for this host and TLS alone.
func (s *stack) keepsCookies(t *testing.T) {
	t.Helper()
	response, err := s.transport().RoundTrip(httptest.NewRequest(http.MethodGet, s.keymaker.url+"/_tuwunel/oidc/account", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	cookies := response.Cookies()
	for _, c := range cookies {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || c.Path != "/" || c.Domain != "" {
			t.Errorf("the cookie is %v", c)
		}
	}
	if len(cookies) == 0 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("status %d, %v", response.StatusCode, response.Header)
	}
}

// wrongSecrets gives either side another secret, one after the other.
func (s *stack) wrongSecrets(t *testing.T) {
	right := filepath.Join(filepath.Dir(s.keymaker.config), "homeserver_secret")
	wrong := filepath.Join(t.TempDir(), "another_secret")
	if err := os.WriteFile(wrong, []byte(secret.Token()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, side := range []struct {
		name, file string
		restart    func()
	}{
		{"at Keymaker", s.keymaker.config, func() { s.keymaker.stop(t); s.keymaker.start(t, s.direct) }},
		{"at Synapse", s.synapse.Config, func() { s.synapse.Stop(); s.synapse.Start() }},
	} {
		t.Run(side.name, func(t *testing.T) {
			replace(t, side.file, right, wrong)
			side.restart()
			_, failed := s.doctor(t)
			var names []string
			for _, c := range failed {
				names = append(names, c.Check)
				if !strings.Contains(c.Change, "secret") || !strings.Contains(c.Change, "matrix_authentication_service") {
					t.Errorf("doctor does not name the secret: %+v", c)
				}
			}
			if !slices.Equal(names, []string{"secret.to_homeserver", "secret.from_homeserver"}) {
				t.Errorf("failed are %+v", failed)
			}
			replace(t, side.file, wrong, right)
			side.restart()
			s.examine(t)
		})
	}
}
