package templates

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// sources are the files of html/ and text/ by their names, of which a folder may
// have replaced some.
type sources map[string]templateFile

// templateFile is a template, and where it is from: what an error in it names.
type templateFile struct{ path, text string }

// openSources reads all templates, those of the folder instead of ours; ""
// replaces nothing.
func openSources(folder string) (sources, error) {
	s := sources{}
	files, err := fs.Glob(pages, "*/*.*")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := fs.ReadFile(pages, file)
		if err != nil {
			return nil, err
		}
		s[filepath.Base(file)] = templateFile{filepath.Base(file), string(text)}
	}
	if folder == "" {
		return s, nil
	}
	return s, s.replace(folder)
}

// replace reads the templates of a folder. A file that would replace nothing is
// an error: its name is wrong.
func (s sources) replace(folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, file := range files {
		name, path := file.Name(), filepath.Join(folder, file.Name())
		if ending := filepath.Ext(name); ending != ".html" && ending != ".txt" {
			continue
		}
		if _, ok := s[name]; !ok {
			return fmt.Errorf("%s replaces no template: there are %s", path, strings.Join(slices.Sorted(maps.Keys(s)), ", "))
		}
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return err
		}
		s[name] = templateFile{path, string(text)}
	}
	return nil
}

// try parses every page and every mail and renders it once, when a folder replaces
// any template, so that what is wrong with one is known at the start and not by a
// person's visit. Pages that cannot be shown without the folder either are no fault of it.
// One language does for all, for the catalogues have the same messages.
func (r *Renderer) try(own *Renderer) error {
	for _, kind := range pageKinds {
		if _, err := r.stencil(kind.template()); err != nil {
			return err
		}
	}
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
	for _, mail := range mailTrials() {
		if _, err := r.Mail(language.English, mail); err != nil {
			found = append(found, err)
		}
	}
	return errors.Join(found...)
}
