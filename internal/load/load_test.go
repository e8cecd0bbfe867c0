package load_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/command"
	"keymaker/internal/load"
	"keymaker/internal/secret"
	"keymaker/store/storetest"
)

// binaryVariable makes this test binary keymaker itself.
const binaryVariable = "KEYMAKER_TEST_BINARY"

func TestMain(m *testing.M) {
	if os.Getenv(binaryVariable) != "" {
		os.Exit(command.Main(os.Args[1:], &command.Streams{Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	t.Setenv(binaryVariable, "1")
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		o := load.Options{Dir: t.TempDir(), Stored: 500, For: time.Second / 2, Concurrency: 2, Overload: 4}
		if d.Name != "sqlite" {
			o.Database = secret.Text(d.URL(t))
		}
		report, err := load.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range slices.Concat(report.Floors, report.Operations) {
			names = append(names, m.Name)
			if m.Errors > 0 || m.Count == 0 || m.Rate <= 0 || m.P50 <= 0 || m.P99 < m.P50 || m.P999 < m.P99 {
				t.Errorf("%+v", m)
			}
		}
		for _, m := range report.Operations {
			if m.Ratio <= 0 || m.CPU <= 0 {
				t.Errorf("no ratio or no time: %+v", m)
			}
		}
		if got := names[len(report.Floors):]; !slices.Equal(got, load.Operations()) {
			t.Errorf("measured: %v", got)
		}
		o4 := report.Overload
		if o4 == nil || o4.Answered <= 0 || o4.Unsaid > 0 || o4.Unanswered > 0 || o4.Refresh.Count == 0 || o4.Introspection.Count == 0 {
			t.Errorf("overload: %+v", o4)
		}
		if n := report.Failures(); n > 0 {
			t.Errorf("%d failures: %+v", n, o4)
		}
		if report.IdleBytes < 1<<20 || report.PeakBytes < report.IdleBytes || report.StartMilliseconds <= 0 {
			t.Errorf("memory %d and %d, start %g", report.IdleBytes, report.PeakBytes, report.StartMilliseconds)
		}
	})
}

func TestADatabaseInUseIsLeftAlone(t *testing.T) {
	t.Setenv(binaryVariable, "1")
	o := load.Options{Dir: t.TempDir(), Stored: 3, For: time.Millisecond, Concurrency: 1, Only: []string{"JWKS"}}
	if _, err := load.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := load.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("error %v", err)
	}
}

func TestTooFewSessions(t *testing.T) {
	t.Setenv(binaryVariable, "1")
	o := load.Options{Dir: t.TempDir(), Stored: 5, For: time.Millisecond, Concurrency: 3, Only: []string{"JWKS"}}
	if _, err := load.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "too few for 3 clients") {
		t.Errorf("error %v", err)
	}
}

func TestAgain(t *testing.T) {
	t.Setenv(binaryVariable, "1")
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		o := load.Options{Dir: t.TempDir(), Stored: 20, For: 100 * time.Millisecond, Concurrency: 1, Only: []string{"introspection", "refresh", "revocation"}}
		if d.Name != "sqlite" {
			o.Database = secret.Text(d.URL(t))
		}
		for _, again := range []bool{false, true} {
			o.Again, o.Sizes = again, again
			report, err := load.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if n := report.Failures(); n > 0 || report.Stored != 20 {
				t.Errorf("%d failures with %d sessions: %+v", n, report.Stored, report.Operations)
			}
			var table strings.Builder
			if err := report.Table(&table); err != nil || strings.Contains(table.String(), "access_tokens_pkey") != (again && d.Name == "postgres") {
				t.Errorf("error %v, and what takes room: %s", err, table.String())
			}
			o.Stored = 1 // what was stored counts
		}
		o.Dir = t.TempDir()
		if _, err := load.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no run before") {
			t.Errorf("a folder that no run has used: %v", err)
		}
	})
}
