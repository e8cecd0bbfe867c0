package repocheck

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestTheThreatModelNamesWhatIsThere(t *testing.T) {
	findings, err := Security(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		t.Error(finding)
	}
}

func TestSecurity(t *testing.T) {
	const attacks = "| Attack | What stops it | Test |\n|---|---|---|\n"
	const attack = attacks + "| theft | hashes | `TestTheft`; `store/` `TestRest` |\n"
	const targets = "\n| Target | What it reads | Executions | Finding |\n|---|---|---|---|\n"
	const fuzzed = targets + "| `store/` `FuzzRow` | a row | 1,234,567 | none |\n"
	tests := []struct {
		name, document string
		want           []string
	}{
		{"a test for each attack and a row for each target is enough", attack + fuzzed, nil},
		{"an attack without a test is found", attack + "| flood | limits | none |\n" + fuzzed, []string{"docs/security.md:4: the attack names no test"}},
		{"so is one whose test stands elsewhere", attack + "| flood | `TestTheft` | |\n" + fuzzed, []string{"docs/security.md:4: the attack names no test"}},
		{"a test that is not there is found", attack + "| flood | limits | `TestFlood` |\n" + fuzzed, []string{"docs/security.md:4: there is no handlers/TestFlood"}},
		{"one in another folder is not there", attack + "| flood | limits | `TestRest` |\n" + fuzzed, []string{"docs/security.md:4: there is no handlers/TestRest"}},
		{"neither is a method, nor a helper", attack + "| flood | limits | `TestMethod` |\n" + fuzzed, []string{"docs/security.md:4: there is no handlers/TestMethod"}},
		{"prose is read too", attack + fuzzed + "\nWe have `FuzzAll`.\n", []string{"docs/security.md:9: there is no handlers/FuzzAll"}},
		{"a target without a row is found", attack, []string{"docs/security.md: store/FuzzRow has 0 rows among the fuzz targets, want 1"}},
		{"a target with two rows is found", attack + fuzzed + "| `store/` `FuzzRow` | a row | 2 | none |\n", []string{"docs/security.md: store/FuzzRow has 2 rows among the fuzz targets, want 1"}},
		{"a row without executions is found", attack + targets + "| `store/` `FuzzRow` | a row | many | none |\n", []string{"docs/security.md:7: the row wants a target, what it reads, its executions and what it found"}},
		{"a document without attacks is found", fuzzed, []string{"docs/security.md: there is no attack"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Security(fstest.MapFS{
				SecurityPath:               {Data: []byte(tt.document)},
				"handlers/a_test.go":       {Data: []byte("package handlers\n\nfunc TestTheft() {}\n\ntype s int\n\nfunc (s) TestMethod() {}\n")},
				"store/a_test.go":          {Data: []byte("package store\n\nfunc TestRest() {}\n\nfunc FuzzRow() {}\n\nfunc TestMain() {}\n")},
				"store/testdata/a_test.go": {Data: []byte("package store\n\nfunc FuzzNothing() {}\n")},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestSecurityNeedsTheDocumentAndTheSource(t *testing.T) {
	if _, err := Security(fstest.MapFS{}); err == nil {
		t.Error("no error without the document")
	}
	_, err := Security(fstest.MapFS{SecurityPath: {}, "a_test.go": {Data: []byte("no Go")}})
	if err == nil || !strings.Contains(err.Error(), "a_test.go") {
		t.Errorf("the error is %v", err)
	}
}
