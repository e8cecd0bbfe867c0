package repocheck

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestEveryDocumentSpeaksOfWhatIsThere(t *testing.T) {
	documents, err := Documents(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) == 0 {
		t.Fatal("no document found")
	}
	for _, name := range documents {
		findings, err := Links(root, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, finding := range findings {
			t.Error(finding)
		}
	}
}

func TestDocuments(t *testing.T) {
	got, err := Documents(fstest.MapFS{
		"README.md":           {},
		"docs/deep/a.md":      {},
		"docs/a.txt":          {},
		".git/a.md":           {},
		"store/testdata/a.md": {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"README.md", "docs/deep/a.md"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestLinks(t *testing.T) {
	files := fstest.MapFS{
		"README.md":         {Data: []byte("# Keymaker\n\n## What it is, `really`?\n\n## Twice\n\n## Twice\n\n```\n## Code\n```\n")},
		"docs/other.md":     {},
		"provider/token.go": {},
	}
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"files and folders are found", "[a](other.md) [b](../README.md) [c](../provider/ \"title\") [d](<other.md>)", nil},
		{"a missing file is named", "[a](gone.md)", []string{"docs/a.md:1: gone.md leads to docs/gone.md, which is not there"}},
		{"a link definition counts", "see [a]\n\n[a]: gone.md", []string{"docs/a.md:3: gone.md leads to docs/gone.md, which is not there"}},
		{"a link out of the repository is refused", "[a](../../etc/passwd) [b](/README.md)", []string{
			"docs/a.md:1: ../../etc/passwd leads out of the repository",
			"docs/a.md:1: /README.md leads out of the repository",
		}},
		{"other sites are not followed", "[a](https://example.org/gone.md) [b](mailto:a@example.org)", nil},
		{"headings are anchors", "[a](../README.md#what-it-is-really) [b](../README.md#twice) [c](../README.md#twice-1) [d](#here)\n\n# Here", nil},
		{"a missing heading is named", "[a](../README.md#twice-2) [b](../README.md#code) [c](#there)", []string{
			"docs/a.md:1: README.md has no heading for #twice-2",
			"docs/a.md:1: README.md has no heading for #code",
			"docs/a.md:1: docs/a.md has no heading for #there",
		}},
		{"a path as code exists", "`provider/token.go` in `provider/`", nil},
		{"a missing path as code is named", "`provider/gone.go`", []string{"docs/a.md:1: there is no provider/gone.go"}},
		{"other code is no path", "`store.Open` `/docs/x` `example.org/provider/x` `[a](gone.md)`", nil},
		{"code blocks are not read", "```sh\n[a](gone.md) `provider/gone.go`\n```", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files["docs/a.md"] = &fstest.MapFile{Data: []byte(tt.text)}
			got, err := Links(files, "docs/a.md")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
