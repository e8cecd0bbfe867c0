package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var idInText = regexp.MustCompile(`\b[A-L]-[0-9A-F][0-9A-Z][a-z]{0,2}\b`)

// References finds the items that the tests below fsys name: every item id
// in a string literal of a *_test.go file, with the places ("path:line") in
// the order of the walk. Hidden and testdata folders are not read.
func References(fsys fs.FS) (map[string][]string, error) {
	found := map[string][]string{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (base == "testdata" || strings.HasPrefix(base, ".")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(base, "_test.go"):
			return nil
		}
		return collect(fsys, name, found)
	})
	if err != nil {
		return nil, fmt.Errorf("find conformance references: %w", err)
	}
	return found, nil
}

func collect(fsys fs.FS, name string, found map[string][]string) error {
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			return true // the parser has accepted it: cannot happen
		}
		for _, id := range idInText.FindAllString(text, -1) {
			place := fmt.Sprintf("%s:%d", name, files.Position(literal.Pos()).Line)
			found[id] = append(found[id], place)
		}
		return true
	})
	return nil
}
