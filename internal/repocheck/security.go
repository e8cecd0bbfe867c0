package repocheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// SecurityPath is the document that says who attacks, what stops them, and
// which test shows it.
const SecurityPath = "docs/security.md"

var (
	testName   = regexp.MustCompile(`^(?:Test|Fuzz)[A-Za-z0-9_]*$`)
	folderName = regexp.MustCompile(`^[a-z][a-z0-9/]*/$`)
	executions = regexp.MustCompile(`^[1-9][0-9]{0,2}(?:,[0-9]{3})*$`)
)

// The columns of the tables that are checked. The first tells which one it is.
var (
	attackColumns = []string{"Attack", "What stops it", "Test"}
	fuzzColumns   = []string{"Target", "What it reads", "Executions", "Finding"}
)

// defaultFolder is where a test is if its line names no other folder before it.
const defaultFolder = "handlers/"

// Security compares the document with the source below fsys, the root of the
// repository. Each finding is a sentence; none means that every test and fuzz
// target that the document names exists in the folder that stands before it,
// that every attack has a test, and that every fuzz target has one row with
// its executions.
func Security(fsys fs.FS) ([]string, error) {
	document, err := fs.ReadFile(fsys, SecurityPath)
	if err != nil {
		return nil, fmt.Errorf("read the threat model: %w", err)
	}
	tests, err := Tests(fsys)
	if err != nil {
		return nil, err
	}
	r := review{tests: tests, fuzzed: map[string]int{}}
	for _, l := range prose(document) {
		r.read(l)
	}
	return r.finish(), nil
}

// review is what was found in the document so far.
type review struct {
	tests    []string
	findings []string
	attacks  int
	fuzzed   map[string]int // rows of each fuzz target
	columns  []string       // of the table that is being read, nil outside of one
}

func (r *review) read(l line) {
	found := func(problem string) {
		r.findings = append(r.findings, fmt.Sprintf("%s:%d: %s", SecurityPath, l.number, problem))
	}
	for _, name := range testsIn(l.text) {
		if !slices.Contains(r.tests, name) {
			found("there is no " + name)
		}
	}
	cells := cellsOf(l.text)
	switch {
	case cells == nil || r.columns == nil:
		r.columns = cells // a new table, or the end of one
	case strings.HasPrefix(l.text, "|-"):
	case r.columns[0] == attackColumns[0]:
		r.attacks++
		if len(cells) != len(attackColumns) || len(testsIn(cells[len(cells)-1])) == 0 {
			found("the attack names no test")
		}
	case r.columns[0] == fuzzColumns[0]:
		if !r.fuzz(cells) {
			found("the row wants a target, what it reads, its executions and what it found")
		}
	}
}

// fuzz counts a row of the fuzz targets, and tells whether it is whole.
func (r *review) fuzz(cells []string) bool {
	targets := testsIn(cells[0])
	for _, name := range targets {
		r.fuzzed[name]++
	}
	return len(targets) == 1 && len(cells) == len(fuzzColumns) && executions.MatchString(cells[2]) && cells[1] != "" && cells[3] != ""
}

// finish returns the findings, those about the whole document last.
func (r *review) finish() []string {
	if r.attacks == 0 {
		r.findings = append(r.findings, SecurityPath+": there is no attack")
	}
	for _, name := range r.tests {
		if n := r.fuzzed[name]; strings.HasPrefix(path.Base(name), "Fuzz") && n != 1 {
			r.findings = append(r.findings, fmt.Sprintf("%s: %s has %d rows among the fuzz targets, want 1", SecurityPath, name, n))
		}
	}
	return r.findings
}

// cellsOf are the cells of a row of a table, or nil for any other line.
func cellsOf(text string) []string {
	inner, row := strings.CutPrefix(strings.TrimSpace(text), "|")
	if !row {
		return nil
	}
	cells := strings.Split(strings.TrimSuffix(inner, "|"), "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(c)
	}
	return cells
}

// testsIn are the tests and fuzz targets that a line sets as code, each behind
// its folder: the last one that the line names before it.
func testsIn(text string) []string {
	var names []string
	folder := defaultFolder
	for _, span := range codeSpan.FindAllStringSubmatch(text, -1) {
		switch {
		case folderName.MatchString(span[1]):
			folder = span[1]
		case testName.MatchString(span[1]):
			names = append(names, folder+span[1])
		}
	}
	return names
}

// Tests are the tests and fuzz targets of the *_test.go files below fsys, each
// as its folder, a slash and its name, in the order of the files. Hidden and
// testdata folders are left out.
func Tests(fsys fs.FS) ([]string, error) {
	names, err := files(fsys, "_test.go")
	if err != nil {
		return nil, fmt.Errorf("list the tests: %w", err)
	}
	var found []string
	for _, name := range names {
		source, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read a test: %w", err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse a test: %w", err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && testName.MatchString(f.Name.Name) && f.Name.Name != "TestMain" {
				found = append(found, path.Dir(name)+"/"+f.Name.Name)
			}
		}
	}
	return found, nil
}
