package licences_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/licensecheck"

	"keymaker/internal/licences"
)

var update = flag.Bool("update", false, "write third-party.json anew")

// licenceFile is what modules call the files that have to be passed on.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense|notice|patents)([._-].*)?$`)

// allowed are the licences that a program under the Apache License may be made
// of, and passed on as one file.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense", "CC0-1.0", "BlueOak-1.0.0"}

// modules are those of the program, with and without cgo, and where they are.
func modules(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, cgo := range []string{"0", "1"} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}\t{{.Dir}}{{end}}{{end}}", "keymaker")
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		said, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(said)) {
			if name, folder, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
				found[name] = folder
			}
		}
	}
	return found
}

// gather reads the licences where the modules are.
func gather(t *testing.T) []licences.Licence {
	t.Helper()
	byText := map[string]*licences.Licence{}
	for name, folder := range modules(t) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, e := range entries {
			if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			count++
			key := strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
			if byText[key] == nil {
				byText[key] = &licences.Licence{SPDX: spdx(key), Text: key}
			}
			byText[key].Modules = append(byText[key].Modules, name)
		}
		if count == 0 {
			t.Errorf("%s has no licence", name)
		}
	}
	var all []licences.Licence
	for _, l := range byText {
		slices.Sort(l.Modules)
		l.Modules = slices.Compact(l.Modules)
		all = append(all, *l)
	}
	slices.SortFunc(all, func(a, b licences.Licence) int {
		return cmp.Or(cmp.Compare(a.SPDX, b.SPDX), slices.Compare(a.Modules, b.Modules), cmp.Compare(a.Text, b.Text))
	})
	return all
}

// spdx names what a text holds; "" for a notice.
func spdx(text string) string {
	var ids []string
	for _, m := range licensecheck.Scan([]byte(text)).Match {
		// A grant of patents beside a licence is none of its own.
		if !m.IsURL && m.ID != "GooglePatentsFile" && !slices.Contains(ids, m.ID) {
			ids = append(ids, m.ID)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " AND ")
}

func TestTheLicencesAreThoseOfTheModules(t *testing.T) {
	want := gather(t)
	if *update {
		text, err := json.MarshalIndent(want, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("third-party.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := licences.ThirdParty()
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("third-party.json is stale: go test ./internal/licences -update\n%.2000s", diff)
	}
}

func TestEveryModuleMayBePassedOn(t *testing.T) {
	all, err := licences.ThirdParty()
	if err != nil {
		t.Fatal(err)
	}
	for name := range modules(t) {
		ids := licences.Of(all, name)
		if ids == "" {
			t.Errorf("%s: nobody knows under which licence", name)
		}
		for id := range strings.SplitSeq(ids, " AND ") {
			if ids != "" && !slices.Contains(allowed, id) {
				t.Errorf("%s: %s", name, id)
			}
		}
	}
}
