package realclients_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keymaker/internal/realclients"
	"keymaker/internal/secret"
	"keymaker/internal/synapsetest"
)

// TestBehindSynapse runs the scripts of testdata/clients/matrix-js-sdk/synapse with
// a real Synapse and a real identity provider.
func TestBehindSynapse(t *testing.T) {
	if os.Getenv(variable) == "" || !synapsetest.Wanted() {
		return
	}
	folder := filepath.Join(clients, "matrix-js-sdk", "synapse")
	s := newStack(t, build(t))
	person := httptest.NewServer(&realclients.Person{})
	t.Cleanup(person.Close)
	scripts, err := filepath.Glob(filepath.Join(folder, "*.mjs"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no script in %s: %v", folder, err)
	}
	machine := httptest.NewServer(http.HandlerFunc(s.serveMachine))
	t.Cleanup(machine.Close)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".mjs"), func(t *testing.T) {
			s.keymaker.run(t, script, person.URL, "MACHINE="+machine.URL, "RUN="+strings.ToLower(secret.Letters(6)))
		})
	}
}
