package conformance

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestEveryCaseNamesAnItemOfTheList(t *testing.T) {
	items, err := Items(root)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, item := range items {
		known[item.ID] = true
	}
	references, err := References(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Sorted(maps.Keys(references)) {
		// The fixtures of this package's own tests are no cases.
		places := slices.DeleteFunc(references[id], func(place string) bool {
			return strings.HasPrefix(place, "internal/conformance/")
		})
		if !known[id] && len(places) > 0 {
			t.Errorf("%s is not in %s but named at %s", id, Path, strings.Join(places, ", "))
		}
	}
}

func TestReferences(t *testing.T) {
	file := func(text string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("package p\n\n" + text + "\n")}
	}
	tests := []struct {
		name string
		fsys fstest.MapFS
		want map[string][]string
	}{
		{
			"ids in test names are found with their line",
			fstest.MapFS{"a/a_test.go": file("var x = []string{\"B-31: http is refused\",\n`D-2A, A-03ab`}")},
			map[string][]string{"B-31": {"a/a_test.go:3"}, "D-2A": {"a/a_test.go:4"}, "A-03ab": {"a/a_test.go:4"}},
		},
		{"comments are not read", fstest.MapFS{"a_test.go": file("// B-31")}, map[string][]string{}},
		{"other files are not read", fstest.MapFS{"a.go": file(`var x = "B-31"`), "a_test.txt": file("B-31")}, map[string][]string{}},
		{
			"hidden and testdata folders are not read",
			fstest.MapFS{".git/a_test.go": file(`var x = "B-31"`), "testdata/a_test.go": file(`var x = "B-31"`)},
			map[string][]string{},
		},
		{
			"what only looks like an id is not one",
			fstest.MapFS{"a_test.go": file(`var x = "SHA-256 BCDF-GHJK ES-25 M-01 D-2Abcd"`)},
			map[string][]string{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := References(tt.fsys)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestReferencesNamesAFileItCannotParse(t *testing.T) {
	_, err := References(fstest.MapFS{"bad_test.go": {Data: []byte("package")}})
	if err == nil || !strings.Contains(err.Error(), "bad_test.go") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}
