package realclients_test

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/conformance"
)

// modules are the modules of the OpenID Foundation's conformance profiles that
// are listed, each as "PROFILE: MODULE: RESULT", and those that scripts report.
type modules struct {
	listed []string
	// due is how many scripts have not come to their end.
	due int

	mu       sync.Mutex
	reported []string
}

// newModules reads the list. When every script of the test has ended, what they
// have reported must be exactly what is listed, each module once.
func newModules(t *testing.T, scripts int) *modules {
	t.Helper()
	list, err := conformance.Modules(os.DirFS(repository))
	if err != nil {
		t.Fatal(err)
	}
	m := &modules{due: scripts}
	for _, module := range list {
		m.listed = append(m.listed, module.Profile+": "+module.Name+": "+module.Result())
	}
	t.Cleanup(func() { m.compare(t) })
	return m
}

// note takes the modules out of the steps of a script.
func (m *modules) note(t *testing.T, steps []string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.due--
	for _, step := range steps {
		if !strings.Contains(step, " OP: oidcc-") {
			continue
		}
		if slices.Contains(m.reported, step) {
			t.Errorf("%s is reported twice", step)
		}
		m.reported = append(m.reported, step)
	}
}

func (m *modules) compare(t *testing.T) {
	t.Helper()
	for _, module := range m.listed {
		if m.due > 0 {
			break // a script failed, or -run left it out
		}
		if !slices.Contains(m.reported, module) {
			t.Errorf("openid-modules.tsv has %q, and no script reports it", module)
		}
	}
	for _, module := range m.reported {
		if !slices.Contains(m.listed, module) {
			t.Errorf("a script reports %q, and openid-modules.tsv has it not", module)
		}
	}
}
