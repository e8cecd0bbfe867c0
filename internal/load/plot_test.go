package load_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keymaker/internal/load"
)

var update = flag.Bool("update", false, "draw the plots in docs/performance again")

// documented are the reports that docs/performance.md shows, and its plots.
const documented = "../../docs/performance"

// report writes what a run has measured.
func report(t *testing.T, dir, database string, stored, clients int, rate, p50 float64) {
	t.Helper()
	r := load.Report{Database: database, Stored: stored, Concurrency: clients, Operations: []load.Measurement{
		{Name: "introspection", Rate: rate, P50: p50, P99: 5 * p50}, {Name: "refresh", Rate: rate / 2, P50: 2 * p50, P99: 9 * p50}, {Name: "JWKS", Rate: 9, P50: 9, P99: 9},
	}}
	text, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%d.json", database, stored, clients)), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// drawn plots a folder, and returns a plot, which must be well formed.
func drawn(t *testing.T, dir, name string) string {
	t.Helper()
	if err := load.Plot(dir); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return string(svg)
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestPlot(t *testing.T) {
	dir := t.TempDir()
	for _, stored := range []int{10_000, 100_000, 1_000_000} {
		report(t, dir, "SQLite", stored, 8, 5000, 1)
	}
	report(t, dir, "PostgreSQL & more", 100_000, 8, 2500, 2)
	report(t, dir, "SQLite", 100_000, 1, 1000, 0.4)
	report(t, dir, "SQLite", 100_000, 64, 5000, 9)
	for _, tt := range []struct {
		plot, what string
		count      int
	}{
		{"rate.svg", "<polyline", 4},
		{"rate.svg", "<circle", 3*2 + 2},
		{"rate.svg", ">introspection, PostgreSQL &amp; more</text>", 1},
		{"rate.svg", ", 8 clients</text>", 1},
		{"rate.svg", ">100k</text>", 1},
		{"rate.svg", ": 2500</title>", 1 + 3},
		{"rate.svg", "JWKS", 0},
		{"latency.svg", "<polyline", 8},
		{"latency.svg", "<circle", 3*4 + 4},
		{"latency.svg", ">refresh, SQLite, p99</text>", 1},
		{"latency.svg", ", 100000 sessions stored</text>", 1},
		{"latency.svg", ": 0.4</title>", 1},
	} {
		if n := strings.Count(drawn(t, dir, tt.plot), tt.what); n != tt.count {
			t.Errorf("%s has %d of %s, want %d", tt.plot, n, tt.what, tt.count)
		}
	}
}

func TestPlotRefuses(t *testing.T) {
	if err := load.Plot(t.TempDir()); err == nil {
		t.Error("a folder without reports is plotted")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "other.json"), []byte(`{"name":"other"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := load.Plot(dir); err == nil || !strings.Contains(err.Error(), "other.json is no report") {
		t.Errorf("error %v", err)
	}
}

// TestThePlotsAreThoseOfTheReports holds the plots that are shown against the
// reports beside them.
func TestThePlotsAreThoseOfTheReports(t *testing.T) {
	if *update {
		if err := load.Plot(documented); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(documented)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rate.svg", "latency.svg"} {
		shown, err := os.ReadFile(filepath.Join(documented, name))
		if err != nil {
			t.Fatal(err)
		}
		if drawn(t, dir, name) != string(shown) {
			t.Errorf("%s is not what the reports say: go test ./internal/load -run Plots -update", name)
		}
	}
}
