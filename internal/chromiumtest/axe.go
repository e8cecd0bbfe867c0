package chromiumtest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"
)

// axe is the source of axe-core, from where npm ci puts it.
var axe = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(here), "..", "..", "testdata", "axe", "node_modules", "axe-core", "axe.min.js")
	source, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("run npm ci in testdata/axe first: %w", err)
	}
	return string(source), nil
})

// violations runs every rule for WCAG 2.2 A and AA, and what is good practice.
const violations = `axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
	.then(r => r.violations.map(v => v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | ')))`

// Accessible fails the test with everything that axe-core finds on the page.
// The page must be allowed to run scripts.
func (t *Tab) Accessible() {
	t.t.Helper()
	if !Evaluate[bool](t, `typeof axe === 'object'`) {
		source, err := axe()
		if err != nil {
			t.t.Fatal(err)
		}
		do(t, "load axe-core", chromedp.Evaluate[chromedp.Void](source))
	}
	for _, v := range Evaluate[[]string](t, violations) {
		t.t.Errorf("axe-core: %s", strings.Join(strings.Fields(v), " "))
	}
}
