package load

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Names of the plots that Plot writes.
const (
	ratePlot    = "rate.svg"
	latencyPlot = "latency.svg"
)

// plotted are the operations of the plots: what a homeserver and its clients ask
// most of the time.
var plotted = []string{"introspection", "refresh"}

// Plot draws the reports in a folder (*.json) into SVG files beside them: the rate
// against the number of stored sessions, and the latency against the number of
// clients. Of reports with the same numbers it takes the last by name.
func Plot(dir string) error {
	reports, err := readReports(dir)
	if err != nil {
		return err
	}
	clients, stored := common(reports)
	rate := chart{title: fmt.Sprintf("Requests in a second, %d clients", clients), x: "sessions stored", y: "requests/s"}
	latency := chart{title: fmt.Sprintf("Median and 99th percentile, %d sessions stored", stored), x: "clients", y: "ms"}
	for _, r := range reports {
		for _, m := range r.Operations {
			if !slices.Contains(plotted, m.Name) {
				continue
			}
			name := m.Name + ", " + r.Database
			if r.Concurrency == clients {
				rate.add(name, float64(r.Stored), m.Rate)
			}
			if r.Stored == stored {
				latency.add(name, float64(r.Concurrency), m.P50)
				latency.add(name+", p99", float64(r.Concurrency), m.P99)
			}
		}
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, ratePlot), rate.svg(), 0o644),       //nolint:gosec // for everybody to see
		os.WriteFile(filepath.Join(dir, latencyPlot), latency.svg(), 0o644), //nolint:gosec // for everybody to see
	)
}

func readReports(dir string) ([]*Report, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("there are no reports in %s", dir), err)
	}
	var all []*Report
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a report: %w", err)
		}
		r := new(Report)
		if err := json.Unmarshal(text, r); err != nil || r.Stored <= 0 || r.Concurrency <= 0 {
			return nil, errors.Join(fmt.Errorf("%s is no report", file), err)
		}
		all = append(all, r)
	}
	return all, nil
}

// common are the number of clients that were measured with the most sizes, and the
// size that was measured with the most numbers of clients.
func common(reports []*Report) (clients, stored int) {
	sizes, crowds := map[int]map[int]bool{}, map[int]map[int]bool{}
	note := func(all map[int]map[int]bool, of, value int) {
		if all[of] == nil {
			all[of] = map[int]bool{}
		}
		all[of][value] = true
	}
	for _, r := range reports {
		note(sizes, r.Concurrency, r.Stored)
		note(crowds, r.Stored, r.Concurrency)
	}
	most := func(all map[int]map[int]bool) (of int) {
		for candidate, values := range all {
			if cmp.Or(cmp.Compare(len(values), len(all[of])), cmp.Compare(of, candidate)) > 0 {
				of = candidate
			}
		}
		return of
	}
	return most(sizes), most(crowds)
}
