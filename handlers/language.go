package handlers

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"keymaker/templates"
)

// languageTTL is how long a browser remembers the language that was chosen.
const languageTTL = 365 * 24 * time.Hour

// language is the one in which a person is shown a page: what they have just
// chosen there, what the request that waits for them asks for (ui_locales), what
// they chose before, or else what their browser prefers.
func (s *Server) language(r *http.Request) language.Tag {
	return s.Pages.Match(s.languageLists(r))
}

// languages are those in which a person is told what a client says about itself:
// one that they prefer to the page's may be among its own (conformance B-17).
func (s *Server) languages(r *http.Request) []language.Tag {
	return s.Pages.Preferred(s.languageLists(r))
}

// languageLists are the two lists of languages of a request.
func (s *Server) languageLists(r *http.Request) (acceptLanguage, wanted string) {
	query := r.URL.Query()
	lists := []string{query.Get(templates.FieldLanguage), cmp.Or(about(r).locales, query.Get("ui_locales")), value(r, s.cookies.languageName())}
	return r.Header.Get("Accept-Language"), strings.Join(lists, " ")
}

// rememberLanguage keeps the language that the person has just chosen, for the
// pages to come.
func (s *Server) rememberLanguage(w http.ResponseWriter, r *http.Request) {
	chosen, err := language.Parse(r.URL.Query().Get(templates.FieldLanguage))
	if err == nil && slices.Contains(s.Pages.Languages(), chosen) {
		s.cookies.set(w, s.cookies.languageName(), chosen.String(), languageTTL)
	}
}

// here is the address that shows the page of a request once more; nil for what
// is there once, as the answer to a form is, and for an error, which repeats
// nothing of what it was asked with.
func here(r *http.Request, status int) *url.URL {
	if r.Method != http.MethodGet || status >= http.StatusBadRequest {
		return nil
	}
	return r.URL
}
