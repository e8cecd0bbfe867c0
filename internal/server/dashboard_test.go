package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// query is an expression of PromQL, and who asks it.
type query struct{ by, expr string }

// alerts are the expressions of the alert rules.
func alerts(t *testing.T) (all []query) {
	t.Helper()
	text, err := os.ReadFile("../../docs/deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
				t.Errorf("%s: for: %v", r.Alert, err)
			}
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s says too little", r.Alert)
			}
			all = append(all, query{r.Alert, r.Expr})
		}
	}
	return all
}

// panels are the expressions of the dashboard.
func panels(t *testing.T) (all []query) {
	t.Helper()
	text, err := os.ReadFile("../../docs/deploy/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all = append(all, query{p.Title, target.Expr})
		}
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b((?:keymaker|go|process)_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`by \(([^)]*)\)`)
	label    = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// labelled are the labels of each metric with their values.
type labelled map[string]map[string]map[string]bool

// exposedLabels are those of a server to which everything has happened that the
// rules name.
func exposedLabels(t *testing.T) labelled {
	t.Helper()
	known := labelled{}
	for series := range scrape(t, busyServer(t)) {
		name, rest, _ := strings.Cut(series, "{")
		if known[name] == nil {
			known[name] = map[string]map[string]bool{"job": {}, "instance": {}}
		}
		for _, m := range label.FindAllStringSubmatch(rest, -1) {
			if known[name][m[1]] == nil {
				known[name][m[1]] = map[string]bool{}
			}
			known[name][m[1]][m[2]] = true
		}
	}
	return known
}

// Every name, label and value that a rule or a panel speaks of exists.
func TestRulesAndPanelsSpeakOfWhatIsThere(t *testing.T) {
	known := exposedLabels(t)
	for what, queries := range map[string][]query{"alert": alerts(t), "panel": panels(t)} {
		if len(queries) < 10 {
			t.Fatalf("only %d expressions of every %s were found", len(queries), what)
		}
		for _, q := range queries {
			for _, problem := range known.check(q.expr) {
				t.Errorf("%s %q: %s", what, q.by, problem)
			}
		}
	}
}

// check says what of an expression does not exist.
func (k labelled) check(expr string) (problems []string) {
	if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
		problems = append(problems, "the brackets do not match")
	}
	all := map[string]bool{}
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		name := s[1]
		if k[name] == nil {
			problems = append(problems, "there is no metric "+name)
			continue
		}
		for l := range k[name] {
			all[l] = true
		}
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if values, there := k[name][m[1]]; !there {
				problems = append(problems, fmt.Sprintf("%s has no label %s", name, m[1]))
			} else if len(values) > 0 && !matches(values, m[3], strings.Contains(m[2], "~")) {
				problems = append(problems, fmt.Sprintf("%s never has %s=%q", name, m[1], m[3]))
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for _, l := range strings.Split(g[1], ",") {
			if l = strings.TrimSpace(l); len(all) > 0 && !all[l] {
				problems = append(problems, "no metric in it has the label "+l)
			}
		}
	}
	return problems
}

func matches(values map[string]bool, want string, pattern bool) bool {
	if !pattern {
		return values[want]
	}
	for v := range values {
		if regexp.MustCompile("^(?:" + want + ")$").MatchString(v) {
			return true
		}
	}
	return false
}

func TestTheScannerOfRulesFindsWhatIsWrong(t *testing.T) {
	known := labelled{"keymaker_a": {"kind": {"x": true}, "job": {}}}
	for expr, want := range map[string]string{
		`sum by (kind) (keymaker_a{kind="x",job="any"})`: "",
		`keymaker_b > 0`:                    "there is no metric keymaker_b",
		`keymaker_a{state="x"}`:             "keymaker_a has no label state",
		`keymaker_a{kind="y"}`:              `keymaker_a never has kind="y"`,
		`keymaker_a{kind=~"y.*"}`:           `keymaker_a never has kind="y.*"`,
		`sum by (state) (keymaker_a)`:       "no metric in it has the label state",
		`sum by (kind) (rate(keymaker_a))(`: "the brackets do not match",
	} {
		if got := strings.Join(known.check(expr), "; "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}
