package journey_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The journey proves something only while it shares no code with the server.
func TestJourneyKnowsNothingOfTheServer(t *testing.T) {
	allowed := []string{
		"keymaker/internal/clock", "keymaker/internal/secret",
		"keymaker/internal/demo/browser", "keymaker/internal/demo/matrixclient",
	}
	for _, dir := range []string{".", "../browser", "../matrixclient"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imported := range file.Imports {
				path := strings.Trim(imported.Path.Value, `"`)
				if strings.HasPrefix(path, "keymaker/") && !slices.Contains(allowed, path) {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
}
