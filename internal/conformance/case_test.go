package conformance

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestCaseName(t *testing.T) {
	tests := []struct {
		name, test, want string // "" = no case
		items            []string
		says             string
	}{
		{"a subtest that begins with an item", "TestToken/D-03:_no_code", "TestToken/D-03:_no_code", []string{"D-03"}, "no code"},
		{"with several items", "TestToken/D-03_A-03ab_L-2A:_no_code", "TestToken/D-03_A-03ab_L-2A:_no_code", []string{"D-03", "A-03ab", "L-2A"}, "no code"},
		{"with slashes in its name", "TestPaths/K-01:_/_matrix/x_is_there", "TestPaths/K-01:_/_matrix/x_is_there", []string{"K-01"}, "/_matrix/x is there"},
		{"within another subtest", "TestPaths/group/K-01:_x", "TestPaths/group/K-01:_x", []string{"K-01"}, "x"},
		{"on SQLite", "TestPaths/sqlite/K-01:_x", "TestPaths/K-01:_x", []string{"K-01"}, "x"},
		{"on PostgreSQL, which is not everywhere", "TestPaths/postgres/K-01:_x", "", nil, ""},
		{"an item at the end", "TestPaths/x_(K-01)", "", nil, ""},
		{"an item without colon", "TestPaths/K-01_x", "", nil, ""},
		{"a test that is no subtest", "TestPaths", "", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, ok := CaseName(tt.test)
			if ok != (tt.want != "") || name != tt.want {
				t.Fatalf("got %q, %v, want %q", name, ok, tt.want)
			}
			if !ok {
				return
			}
			c := Case{Name: name}
			if diff := cmp.Diff(tt.items, c.Items()); diff != "" {
				t.Errorf("items -want +got\n%s", diff)
			}
			if got := c.Says(nil); got != tt.says {
				t.Errorf("says %q, want %q", got, tt.says)
			}
		})
	}
}

func TestACaseIsSaidInTheWordsOfItsSource(t *testing.T) {
	c := Case{Name: "TestToken/D-01_D-03:_no_grant_type,_by_POST"}
	if got := c.Says([]string{"D-03: no", "D-03: no grant_type"}); got != "no grant_type, by POST" {
		t.Errorf("says %q", got)
	}
	if c.Test() != "TestToken" {
		t.Errorf("the test is %q", c.Test())
	}
}

// list is a list with an item of every kind that matters here.
var list = []Item{
	{ID: "A-01", Level: "MUST", Side: "AS", Source: "s", Requirement: "r."},
	{ID: "A-02", Level: "MUST", Side: "HS", Source: "s", Requirement: "r."},
	{ID: "A-03", Level: "SHOULD/MAY", Side: "AS", Source: "s", Requirement: "r."},
	{ID: "A-04", Level: "MAY", Side: "AS", Source: "s", Requirement: "r."},
	{ID: "A-05", Level: "REC", Side: "AS+HS", Source: "s", Requirement: "r."},
	{ID: "A-06", Level: "UNSTABLE", Side: "AS", Source: "s", Requirement: "r."},
	{ID: "A-07", Level: "PRACT", Side: "AS+HS", Source: "s", Requirement: "r."},
	{ID: "F-12", Level: "PRACT", Side: "AS+HS", Source: "s", Requirement: "r."},
}

func TestReasons(t *testing.T) {
	tests := []struct {
		name, file string
		want       string // part of the error; "" = none
	}{
		{"what the homeserver serves", "A-02\tSynapse serves it.\n", ""},
		{"what is optional, recommended or only proposed", "A-04\tNo.\nA-05\tNo.\nA-06\tNo.\n", ""},
		{"what must be", "A-01\tNo.\n", "A-01 (MUST, AS) must have a case"},
		{"what should be", "A-03\tNo.\n", "A-03 (SHOULD/MAY, AS) must have a case"},
		{"what clients need", "A-07\tNo.\n", "A-07 (PRACT, AS+HS) must have a case"},
		{"what is not in the list", "Z-01\tNo.\n", `"Z-01" is not in`},
		{"no reason", "A-04\t\n", "not a sentence"},
		{"another column", "A-04\tNo.\tx.\n", "not a sentence"},
		{"a repeated id", "A-04\tNo.\nA-04\tNo.\n", ":3: A-04 comes after A-04"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reasons, err := Reasons(fstest.MapFS{ReasonsPath: {Data: []byte(reasonsHeader + "\n" + tt.file)}}, list)
			expectError(t, err, tt.want)
			if tt.want == "" && len(reasons) != strings.Count(tt.file, "\n") {
				t.Errorf("read %v", reasons)
			}
		})
	}
	_, err := Reasons(fstest.MapFS{ReasonsPath: {Data: []byte("id\n")}}, list)
	expectError(t, err, ":1: the header")
	_, err = Reasons(fstest.MapFS{}, list)
	expectError(t, err, ReasonsPath)
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func TestTheReasonsAreWellFormed(t *testing.T) {
	items, err := Items(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Reasons(root, items); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	items := []Item{list[0], list[3]}
	one := Case{Name: "TestA/A-01:_x", Passed: true}
	may := Case{Name: "TestA/A-04:_y", Passed: true}
	reasons := map[string]string{"A-04": "No."}
	tests := []struct {
		name    string
		reasons map[string]string
		titles  []string
		cases   []Case
		want    string
	}{
		{"everything has a case or a reason", reasons, []string{"A-01: x"}, []Case{one}, ""},
		{"an item with neither", nil, nil, []Case{one}, "A-04 has neither a case in ./handlers nor a reason"},
		{"an item with both", reasons, nil, []Case{one, may}, "A-04 has cases, and a reason"},
		{"a case of nothing", reasons, nil, []Case{one, {Name: "TestA/A-01_B-99:_x", Passed: true}}, "names B-99, which is not in"},
		{"a case that fails", reasons, nil, []Case{{Name: "TestA/A-01:_x"}}, "TestA/A-01:_x did not pass"},
		{"a name that no case has", reasons, []string{"A-01: x", "A-01: other"}, []Case{one}, `"A-01: other" names an item but is no case`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expectError(t, Check(items, tt.reasons, tt.titles, tt.cases), tt.want) })
	}
}

func TestDocument(t *testing.T) {
	items := []Item{list[0], list[3], list[7]}
	var cases []Case
	for _, name := range []string{"TestHostileA/A-01:_a|b", "TestA/A-01:_b", "TestB/A-01:_c", "TestB/A-01:_d", "TestB/A-01:_e", "TestB/A-01:_f", "TestC/A-01_F-12:_g"} {
		cases = append(cases, Case{Name: name, Passed: true})
	}
	fakes := []FakeRun{{Fake: "empty", Cases: cases[:2]}, {Fake: "missing", Cases: []Case{{Name: cases[0].Name}}}}
	modules := []Module{{"Basic OP", "oidcc-server", "It works."}, {"Basic OP", "oidcc-display", "Skipped: no."}, {"Config OP", "oidcc-c", "Not passed: no."}}
	got := Evidence{items, map[string]string{"A-04": "No."}, nil, cases, fakes, modules}.Document()
	for _, want := range []string{
		"Of 3 items 2 pass, and 1 have no case but a reason.",
		"| this server | 7 | 7 | 0 | 0 |\n| empty | 7 | 2 | 0 | 5 |\n| missing | 7 | 0 | 1 | 6 |\n",
		"| A-01 | MUST | r. | s | `TestA`: b<br>`TestB`: c<br>d<br>`TestC`: g<br>`TestHostileA`: a\\|b<br>and 2 more | passes |\n",
		"| A-04 | MAY | r. | s | No. | no case |\n",
		"| F-12 | PRACT | r. | s | `TestC`: g | passes |\n",
		"| Basic OP | 1 | 1 | 0 |\n| Config OP | 0 | 0 | 1 |\n",
		"| Basic OP | oidcc-display | Skipped: no. |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q:\n%s", want, got)
		}
	}
}

func TestTitles(t *testing.T) {
	source := "package p\n\nfunc f() {\n\tt.Run(\"D-03: no code\", nil)\n\tt.Errorf(\"D-04: it says %d\", 1)\n\tx := \"D-05 D-06: %s is refused\"\n\ty := \"(D-07)\"\n}\n"
	got, err := Titles(fstest.MapFS{"a_test.go": {Data: []byte(source)}})
	if diff := cmp.Diff([]string{"D-03: no code", "D-05 D-06: "}, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
}
