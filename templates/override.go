package templates

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// sources are the files of html/, of which a folder may replace some.
type sources struct {
	folder   string
	replaced []string // the names of the files that the folder has
}

// openSources looks at the folder; "" replaces nothing. A file that would
// replace nothing is an error: its name is wrong.
func openSources(folder string) (sources, error) {
	s := sources{folder: folder}
	if folder == "" {
		return s, nil
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return s, err
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) != ".html" {
			continue
		}
		if _, err := fs.Stat(pages, "html/"+file.Name()); err != nil {
			return s, fmt.Errorf("%s replaces no template: there are %s", filepath.Join(folder, file.Name()), strings.Join(templateFiles(), ", "))
		}
		s.replaced = append(s.replaced, file.Name())
	}
	return s, nil
}

// templateFiles are the names of all templates.
func templateFiles() []string {
	var names []string
	files, _ := fs.Glob(pages, "html/*.html") // the pattern is good
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	return names
}

// read returns a template, and where it is from: what an error in it names.
func (s sources) read(name string) (path, text string, err error) {
	if slices.Contains(s.replaced, name) {
		path = filepath.Join(s.folder, name)
		body, err := os.ReadFile(filepath.Clean(path))
		return path, string(body), err
	}
	body, err := fs.ReadFile(pages, "html/"+name)
	return name, string(body), err
}

// try renders every page once, when a folder replaces any template, so that what
// is wrong with one is known at the start and not by a person's visit. Pages
// that cannot be shown without the folder either are no fault of it.
func (r *Renderer) try(own *Renderer) error {
	var found []error
	for _, page := range trials() {
		visit := Visit{Lang: language.English, Here: trialAddress}
		if err := own.RenderVisit(io.Discard, visit, page); err != nil {
			continue
		}
		if err := r.RenderVisit(io.Discard, visit, page); err != nil {
			found = append(found, err)
		}
	}
	return errors.Join(found...)
}
