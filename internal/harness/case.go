package harness

import (
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"

	"keymaker/internal/conformance"
)

// TargetVariable names what answers the requests of conformance cases instead
// of the server, one of Fakes. What is around a case is done with the server in
// any event, so that a case is reached and fails by itself.
const TargetVariable = "KEYMAKER_TEST_TARGET"

// Fakes are servers that do nothing right: "empty" answers 200 and {} to every
// request, "missing" 404.
func Fakes() []string { return []string{"empty", "missing"} }

// Target is the fake that answers the requests of cases; "" for none.
func Target() string { return os.Getenv(TargetVariable) }

var fakes = map[string]http.HandlerFunc{
	"empty": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}") // the client is gone
	},
	"missing": http.NotFound,
}

// front is what listens for a server: in its place the fake answers while a
// case runs, if there is one.
func (e *Env) front(config *http.Server, s http.HandlerFunc) *http.Server {
	config.Handler = s
	if fake := fakes[Target()]; fake != nil {
		config.MaxHeaderBytes = http.DefaultMaxHeaderBytes // not to refuse more than a fake does
		config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if e.cases.Load() > 0 {
				fake(w, r)
				return
			}
			s(w, r)
		})
	}
	return config
}

// t is the test that uses the environment at the moment: that of a case, even
// where a browser or a helper was made outside it.
func (e *Env) t() testing.TB {
	if e.running == nil { // a server that Start has not started
		return e.T
	}
	return *e.running.Load()
}

var seen struct {
	sync.Mutex
	passed map[string]bool
}

// enter begins a test with the environment, and notes a case and how it ends.
func (e *Env) enter(t testing.TB) {
	outer := e.running.Swap(&t)
	t.Cleanup(func() { e.running.Store(outer) })
	name, ok := conformance.CaseName(t.Name())
	if !ok {
		return
	}
	e.cases.Add(1)
	t.Cleanup(func() {
		e.cases.Add(-1)
		seen.Lock()
		defer seen.Unlock()
		if seen.passed == nil {
			seen.passed = map[string]bool{}
		}
		before, again := seen.passed[name]
		seen.passed[name] = !t.Failed() && !t.Skipped() && (before || !again)
	})
}

// Cases are the conformance cases that have ended, in the order of their names.
// One that ran several times has passed if it always did.
func Cases() []conformance.Case {
	seen.Lock()
	defer seen.Unlock()
	var cases []conformance.Case
	for name, passed := range seen.passed {
		cases = append(cases, conformance.Case{Name: name, Passed: passed})
	}
	slices.SortFunc(cases, conformance.Case.Compare)
	return cases
}
