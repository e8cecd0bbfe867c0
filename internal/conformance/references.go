package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var idInText = regexp.MustCompile(`\b[A-L]-[0-9A-F][0-9A-Z][a-z]{0,2}\b`)

// References finds the items that the tests below fsys name: every item id
// in a string literal of a *_test.go file, with the places ("path:line") in
// the order of the walk. Hidden and testdata folders are not read.
func References(fsys fs.FS) (map[string][]string, error) {
	found := map[string][]string{}
	err := eachLiteral(fsys, func(place, text string, _ bool) {
		for _, id := range idInText.FindAllString(text, -1) {
			found[id] = append(found[id], place)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("find conformance references: %w", err)
	}
	return found, nil
}

// Titles are the names of cases in the tests of the folder that fsys is, as far
// as they stand in the source: every string literal that begins with items and
// is no message, up to the first verb of a format. They are in the order of the
// files.
func Titles(fsys fs.FS) ([]string, error) {
	var titles []string
	err := eachLiteral(fsys, func(_, text string, message bool) {
		if !message && title.MatchString(text) {
			text, _, _ = strings.Cut(text, "%")
			titles = append(titles, text)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("find the names of cases: %w", err)
	}
	return titles, nil
}

// eachLiteral calls visit with every string literal of the *_test.go files, its
// place ("path:line"), and whether it is a message of a test that fails, in the
// order of the walk. Hidden and testdata folders are not read.
func eachLiteral(fsys fs.FS, visit func(place, text string, message bool)) error {
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (base == "testdata" || strings.HasPrefix(base, ".")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(base, "_test.go"):
			return nil
		}
		return literals(fsys, name, visit)
	})
}

// messages are the methods of a test that take a message.
var messages = []string{"Error", "Errorf", "Fatal", "Fatalf", "Log", "Logf"}

func literals(fsys fs.FS, name string, visit func(place, text string, message bool)) error {
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	said := map[ast.Expr]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			if method, ok := node.Fun.(*ast.SelectorExpr); ok && slices.Contains(messages, method.Sel.Name) && len(node.Args) > 0 {
				said[node.Args[0]] = true
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(node.Value); err == nil && node.Kind == token.STRING {
				visit(fmt.Sprintf("%s:%d", name, files.Position(node.Pos()).Line), text, said[node])
			}
		}
		return true
	})
	return nil
}
