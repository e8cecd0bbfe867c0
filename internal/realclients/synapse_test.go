package realclients_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
// where something is wrong.
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
	t.Run("doctor finds a wrong secret", s.wrongSecrets)
	t.Run("doctor finds a wrong proxy", s.wrongProxies)
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
