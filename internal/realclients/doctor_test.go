package realclients_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/secret"
)

// examined is a check of doctor.
type examined struct{ Check, State, Saw, Change string }

// doctor asks doctor, whose exit status must say whether something has failed.
func (s *stack) doctor(t *testing.T) (checks, failed []examined) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.keymaker.binary, "doctor", "--json", "--config", s.keymaker.config)
	cmd.Env = s.keymaker.env(t)
	said, status := cmd.Output()
	if err := json.Unmarshal(said, &checks); err != nil {
		t.Fatalf("doctor: %v: %s", err, said)
	}
	for _, c := range checks {
		if c.State == "failed" {
			failed = append(failed, c)
		}
	}
	if (status != nil) != (len(failed) > 0) {
		t.Errorf("doctor: %v, and %d checks have failed", status, len(failed))
	}
	return checks, failed
}

// examine wants doctor to find nothing wrong.
func (s *stack) examine(t *testing.T) {
	t.Helper()
	checks, _ := s.doctor(t)
	good := map[string]bool{}
	for _, c := range checks {
		if c.State != "ok" {
			t.Errorf("doctor: %s: %s: %s", c.Check, c.State, c.Saw)
		}
		good[c.Check] = true
	}
	for _, check := range []string{"issuer.tls", "proxy.forwarded", "proxy.address", "proxy.direct", "client.wellknown", "secret.to_homeserver", "secret.from_homeserver"} {
		if !good[check] {
			t.Errorf("doctor does not look at %s", check)
		}
	}
}

// finds wants doctor to find what is wrong, and to name what is to be changed.
func (s *stack) finds(t *testing.T, names string, checks ...string) {
	t.Helper()
	_, failed := s.doctor(t)
	var found []string
	for _, c := range failed {
		found = append(found, c.Check)
		if !strings.Contains(c.Change, names) {
			t.Errorf("doctor does not name the %s: %+v", names, c)
		}
	}
	if !slices.Equal(found, checks) {
		t.Errorf("failed are %+v", failed)
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
			s.finds(t, "secret", "secret.to_homeserver", "secret.from_homeserver")
			replace(t, side.file, wrong, right)
			side.restart()
			s.examine(t)
		})
	}
}

// wrongProxies puts a proxy before it that is not as snippet printed, or has
// another certificate.
func (s *stack) wrongProxies(t *testing.T) {
	const says = "X-Forwarded-For $remote_addr;"
	good := time.Now().AddDate(0, 2, 0)
	for _, tt := range []struct {
		name         string
		ends         time.Time
		host, said   string
		names, check string
	}{
		{"that passes on what clients say", good, "localhost", "X-Forwarded-For $http_x_forwarded_for;", "X-Forwarded-For", "proxy.forwarded"},
		{"that adds to what clients say", good, "localhost", "X-Forwarded-For $proxy_add_x_forwarded_for;", "X-Forwarded-For", "proxy.forwarded"},
		{"that does not say who the client is", good, "localhost", "X-Forwarded-For \"\";", "X-Forwarded-For", "proxy.forwarded"},
		{"whose certificate has ended", time.Now().Add(-time.Minute), "localhost", says, "Renew the certificate", "issuer.tls"},
		{"whose certificate is for another name", good, "example.org", says, "certificate for this name", "issuer.tls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.issue(tt.ends, tt.host)
			s.behind("nginx", says, tt.said)
			s.finds(t, tt.names, tt.check)
		})
	}
	s.issue(good, "localhost")
	s.behind("nginx")
	s.examine(t)
}
