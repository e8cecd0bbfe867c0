package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/conformance"
	"keymaker/internal/harness"
	"keymaker/store/storetest"
)

var update = flag.Bool("update", false, "write docs/conformance.md anew")

// casesVariable names the file that a run against a fake leaves its cases in.
const casesVariable = "KEYMAKER_TEST_CASES"

// fakeRuns is what TestEveryCaseFailsOnAFake has seen.
var fakeRuns []conformance.FakeRun

func TestMain(m *testing.M) { storetest.Main(suite{m}) }

// suite is the tests of this package, and then what they have shown together.
type suite struct{ *testing.M }

func (s suite) Run() int {
	if harness.Target() == "" && whole() {
		go func() { _, _ = againstFakes() }() // the test waits for what comes of it
	}
	code := s.M.Run()
	var err error
	switch {
	case os.Getenv(casesVariable) != "":
		err = leaveCases(os.Getenv(casesVariable))
	case code == 0 && harness.Target() == "" && whole():
		err = compareDocument()
	}
	if err != nil {
		fmt.Printf("--- FAIL: conformance\n%v\n", err)
		return 1
	}
	return code
}

// whole says whether all tests were run.
func whole() bool {
	for _, name := range []string{"run", "skip", "list", "fuzz"} {
		if f := flag.Lookup("test." + name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return flag.Lookup("test.fuzzworker").Value.String() != "true"
}

func leaveCases(path string) error {
	data, err := json.Marshal(harness.Cases())
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// compareDocument compares what this run has shown with the list and with
// docs/conformance.md.
func compareDocument() error {
	root := os.DirFS("..")
	items, err := conformance.Items(root)
	if err != nil {
		return err
	}
	reasons, err := conformance.Reasons(root, items)
	if err != nil {
		return err
	}
	titles, err := conformance.Titles(os.DirFS("."))
	if err != nil {
		return err
	}
	cases := harness.Cases()
	if err := conformance.Check(items, reasons, titles, cases); err != nil {
		return err
	}
	modules, err := conformance.Modules(root)
	if err != nil {
		return err
	}
	path := filepath.Join("..", filepath.FromSlash(conformance.DocumentPath))
	document := conformance.Evidence{Items: items, Reasons: reasons, Titles: titles, Cases: cases, Fakes: fakeRuns, Modules: modules}.Document()
	if *update {
		return os.WriteFile(path, []byte(document), 0o644)
	}
	written, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	is, want := strings.Split(string(written), "\n"), strings.Split(document, "\n")
	for i := range max(len(is), len(want)) {
		if i >= len(is) || i >= len(want) || is[i] != want[i] {
			return fmt.Errorf("%s is stale from line %d on, where this run writes\n%s\nRun: go test ./handlers -update", conformance.DocumentPath, i+1, strings.Join(want[min(i, len(want)):min(i+1, len(want))], ""))
		}
	}
	return nil
}

// TestEveryCaseFailsOnAFake runs the other tests of this package again, for
// every fake. A case that passes on all of them cannot fail.
func TestEveryCaseFailsOnAFake(t *testing.T) {
	if harness.Target() != "" {
		t.Fatalf("%s is set: this is a run against a fake", harness.TargetVariable)
	}
	runs, err := againstFakes()
	if err != nil {
		t.Fatal(err)
	}
	fakeRuns = runs
	passed := map[string]int{}
	for _, run := range runs {
		names := run.Passed()
		t.Logf("%s: %d cases, %d failed, %d passed", run.Fake, len(run.Cases), len(run.Cases)-len(names), len(names))
		for _, name := range names {
			passed[name]++
		}
	}
	for _, c := range runs[0].Cases {
		if passed[c.Name] == len(runs) {
			t.Errorf("%s passes on a server that answers nothing right: its requests must be in the subtest, and their answers be checked", c.Name)
		}
	}
}

// againstFakes runs the tests in a process for each fake, next to the tests of
// this one. The race detector, which looks at them here, would look no further
// there and takes many times as long: it is left out.
var againstFakes = sync.OnceValues(func() ([]conformance.FakeRun, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "keymaker-fakes-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "handlers.test")
	if said, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the tests: %w\n%s", err, said)
	}
	answers := map[string]string{"empty": "200 and `{}`", "missing": "404"}
	fakes := harness.Fakes()
	runs, errs := make([]conformance.FakeRun, len(fakes)), make([]error, len(fakes))
	var all sync.WaitGroup
	for i, fake := range fakes {
		all.Go(func() {
			cases, err := runAgainst(ctx, binary, fake, filepath.Join(dir, fake))
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", fake, err)
			}
			runs[i] = conformance.FakeRun{Fake: answers[fake], Cases: cases}
		})
	}
	all.Wait()
	return runs, errors.Join(errs...)
})

// runAgainst runs the tests in a process of their own and returns the cases,
// which for the most part have failed.
func runAgainst(ctx context.Context, binary, fake, path string) ([]conformance.Case, error) {
	run := exec.CommandContext(ctx, binary, "-test.run=^Test", "-test.skip=^TestEveryCaseFailsOnAFake$", "-test.timeout=9m")
	run.Env = append(os.Environ(), harness.TargetVariable+"="+fake, casesVariable+"="+path, storetest.Variable+"=")
	output, err := run.CombinedOutput()
	data, unread := os.ReadFile(path)
	if unread != nil {
		// It has not come to its end: a test has panicked or waits.
		return nil, fmt.Errorf("%w: %w\n%s", unread, err, stopped(string(output)))
	}
	var cases []conformance.Case
	return cases, json.Unmarshal(data, &cases)
}

// stopped is the end of an output, from where it panicked on.
func stopped(output string) string {
	lines := strings.Split(output, "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "panic: ") })
	if at < 0 {
		at = max(len(lines)-50, 0)
	}
	return strings.Join(lines[at:min(at+50, len(lines))], "\n")
}
