package repocheck

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// DependenciesPath is the document that explains the direct dependencies.
const DependenciesPath = "docs/dependencies.md"

var (
	required  = regexp.MustCompile(`^(?:require )?\s*([^\s()]+) v\S+$`)
	explained = regexp.MustCompile("^- `([^`]+)`: \\S")
)

// Dependencies compares go.mod below fsys, the root of the repository, with
// the document. Each finding is a sentence; none means that every direct
// dependency has exactly one line and every line a dependency.
func Dependencies(fsys fs.FS) ([]string, error) {
	module, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("read the module file: %w", err)
	}
	document, err := fs.ReadFile(fsys, DependenciesPath)
	if err != nil {
		return nil, fmt.Errorf("read the explanations: %w", err)
	}
	var findings []string
	unexplained := map[string]bool{}
	var order []string
	for text := range strings.Lines(string(module)) {
		// An indirect one ends in a comment and does not match.
		if match := required.FindStringSubmatch(strings.TrimRight(text, "\n")); match != nil {
			unexplained[match[1]] = true
			order = append(order, match[1])
		}
	}
	for _, line := range prose(document) {
		match := explained.FindStringSubmatch(line.text)
		if match == nil {
			continue
		}
		if !unexplained[match[1]] {
			findings = append(findings, fmt.Sprintf("%s:%d: %s is no direct dependency, or explained twice",
				DependenciesPath, line.number, match[1]))
		}
		delete(unexplained, match[1])
	}
	for _, name := range order {
		if unexplained[name] {
			findings = append(findings, fmt.Sprintf("go.mod: %s has no line in %s", name, DependenciesPath))
		}
	}
	return findings, nil
}
