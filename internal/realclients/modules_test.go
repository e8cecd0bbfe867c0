package realclients_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// modulesHeader is the first line of testdata/conformance/openid-modules.tsv.
const modulesHeader = "profile\tmodule\tcheck"

// How a module ends, beside passing; check begins with it, and says why.
var notPassed = []string{"Skipped", "Not passed"}

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
	m := &modules{due: scripts}
	for line := range strings.Lines(readList(t)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 || slices.Contains(fields, "") {
			t.Fatalf("openid-modules.tsv: the line %q has not three fields", line)
		}
		m.listed = append(m.listed, fields[0]+": "+fields[1]+": "+result(fields[2]))
	}
	t.Cleanup(func() { m.compare(t) })
	return m
}

func readList(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "testdata", "conformance", "openid-modules.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	list, ok := strings.CutPrefix(string(text), modulesHeader+"\n")
	if !ok {
		t.Fatalf("openid-modules.tsv does not begin with %q", modulesHeader)
	}
	return list
}

func result(check string) string {
	for _, r := range notPassed {
		if strings.HasPrefix(check, r+": ") {
			return strings.ToLower(r)
		}
	}
	return "passed"
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
