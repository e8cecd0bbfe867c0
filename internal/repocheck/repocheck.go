// Package repocheck holds the checks that keep the repository's texts true:
// every dependency explained, every link and every named file there.
package repocheck

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Documents lists the Markdown files below fsys, the root of the repository.
// Hidden and testdata folders are left out.
func Documents(fsys fs.FS) ([]string, error) {
	found, err := files(fsys, ".md")
	if err != nil {
		return nil, fmt.Errorf("list documents: %w", err)
	}
	return found, nil
}

// files lists the files below fsys whose names end in suffix. Hidden and
// testdata folders are left out.
func files(fsys fs.FS, suffix string) ([]string, error) {
	var found []string
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (base == "testdata" || strings.HasPrefix(base, ".")):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(base, suffix):
			found = append(found, name)
		}
		return nil
	})
	return found, err
}

// line is one line of a Markdown file outside its code blocks.
type line struct {
	number int
	text   string
}

var fence = regexp.MustCompile("^ *(```|~~~)")

func prose(document []byte) []line {
	var (
		lines  []line
		inCode bool
	)
	scanner := bufio.NewScanner(bytes.NewReader(document))
	scanner.Buffer(nil, len(document)+1)
	for number := 1; scanner.Scan(); number++ {
		if fence.MatchString(scanner.Text()) {
			inCode = !inCode
			continue
		}
		if !inCode {
			lines = append(lines, line{number, scanner.Text()})
		}
	}
	return lines
}
