package templates

import (
	"html/template"
	"io"

	"golang.org/x/text/language"
)

// A stencil is one page, parsed. Its functions speak the language of the visitor
// who has it: so there need not be one of each page for each language, but one
// has one visitor at a time.
type stencil struct {
	page *template.Template
	lang language.Tag
}

// write executes the templates of a page with a stencil that is free, or a new
// one. Those that nobody has needed for some time go with the garbage.
func (r *Renderer) write(w io.Writer, lang language.Tag, data view) error {
	page := data.Page.template()
	s, ok := r.stencils[page].Get().(*stencil)
	if !ok {
		var err error
		if s, err = r.stencil(page); err != nil {
			return err
		}
	}
	defer r.stencils[page].Put(s)
	s.lang = lang
	return s.page.Execute(w, data)
}

// stencil parses a page, the frame of all, and what they share.
func (r *Renderer) stencil(page string) (*stencil, error) {
	s := &stencil{}
	layout := r.sources["layout.html"]
	s.page = template.New(layout.path).Funcs(r.functions(s))
	if _, err := s.page.Parse(layout.text); err != nil {
		return nil, err
	}
	for _, name := range []string{"parts", "brands", page} {
		from := r.sources[name+".html"]
		if _, err := s.page.New(from.path).Parse(from.text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// functions are what the templates may call.
func (r *Renderer) functions(s *stencil) template.FuncMap {
	return template.FuncMap{
		"asset":   r.assets.path,
		"clean":   CleanText,
		"href":    actionLink,
		"initial": initial,
		"link":    SafeLink,
		"name":    CleanName,
		"server":  func() string { return r.server },
		"explain": func(page ErrorPage, what string) ([]part, error) {
			return r.catalogue.parts(s.lang, "error."+string(page.Reason)+"."+what,
				"Parameter", CleanName(page.Parameter), "Provider", CleanName(page.Provider),
				"UserID", page.UserID, "Server", r.server)
		},
		"parts": func(key string, values ...any) ([]part, error) {
			return r.catalogue.parts(s.lang, key, values...)
		},
		// t is for titles, attributes and messages without values: in a paragraph,
		// say sets the values apart.
		"t": func(key string, values ...any) (string, error) {
			parts, err := r.catalogue.parts(s.lang, key, values...)
			return say(s.lang, parts), err
		},
		"isolate": func(value string) string { return isolate(s.lang, value) },
		"words":   func(parts []part) string { return say(s.lang, parts) },
	}
}
