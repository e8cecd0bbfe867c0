package repocheck

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// root is the repository as seen from this package's tests.
var root = os.DirFS("../..")

func TestEveryDirectDependencyIsExplained(t *testing.T) {
	findings, err := Dependencies(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		t.Error(finding)
	}
}

func TestDependencies(t *testing.T) {
	const module = `module x

go 1.26

require (
	example.com/a v1.0.0
	example.com/b/v2 v2.0.1-0.20250703093431-a5f0b09bf31c
)

require (
	example.com/c v1.0.0 // indirect
)

require example.com/d v0.1.0
`
	const whole = "# Dependencies\n\n- `example.com/a`: why\n- `example.com/b/v2`: why\n- `example.com/d`: why\n"
	tests := []struct {
		name     string
		document string
		want     []string
	}{
		{"a line for each is enough", whole, nil},
		{
			"a missing line is found, and one without a reason is missing",
			"- `example.com/a`:\n- `example.com/b/v2`: why\n",
			[]string{
				"go.mod: example.com/a has no line in docs/dependencies.md",
				"go.mod: example.com/d has no line in docs/dependencies.md",
			},
		},
		{
			"a line for nothing is found",
			whole + "- `example.com/c`: why\n",
			[]string{"docs/dependencies.md:6: example.com/c is no direct dependency, or explained twice"},
		},
		{
			"a second line is found",
			whole + "- `example.com/a`: again\n",
			[]string{"docs/dependencies.md:6: example.com/a is no direct dependency, or explained twice"},
		},
		{"examples are no lines", whole + "```\n- `example.com/c`: why\n```\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Dependencies(fstest.MapFS{
				"go.mod":         {Data: []byte(module)},
				DependenciesPath: {Data: []byte(tt.document)},
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

func TestDependenciesNeedsBothFiles(t *testing.T) {
	for _, only := range []string{"go.mod", DependenciesPath} {
		if _, err := Dependencies(fstest.MapFS{only: {}}); err == nil {
			t.Errorf("no error with %s alone", only)
		}
	}
}
