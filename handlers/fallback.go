package handlers

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"keymaker/internal/telemetry"
	"keymaker/templates"
)

// notFound answers what no route knows: in the Matrix namespace as Matrix asks
// (conformance K-13), elsewhere with a page.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	if isMatrix(r.URL.Path) {
		cors(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.matrixFailure(w, r, mxError(http.StatusNotFound, "M_UNRECOGNIZED", "There is no such endpoint here."))
		})).ServeHTTP(w, r)
		return
	}
	s.failAlone(w, r, templates.ReasonNotFound)
}

// failAlone shows an error page where no route has set the headers of a page.
func (s *Server) failAlone(w http.ResponseWriter, r *http.Request, reason templates.Reason) {
	s.pageHeaders(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, templates.ErrorPage{Reason: reason}, nil)
	})).ServeHTTP(w, r)
}

func isMatrix(path string) bool {
	return strings.HasPrefix(path, "/_matrix/") || strings.HasPrefix(path, "/.well-known/")
}

// methodNotAllowed names the methods that there are (RFC 9110 §15.5.6). People
// whom an identity provider sends back by a form get a page, though the path is
// a Matrix one.
func (s *Server) methodNotAllowed(w http.ResponseWriter, r *http.Request, known route) {
	allowed := slices.DeleteFunc(slices.Sorted(maps.Keys(known.methods)), func(method string) bool { return known.methods[method] == nil })
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	switch {
	case known.kind == matrixAPI || isMatrix(r.URL.Path) && !strings.HasPrefix(known.path, callbackRoute):
		s.matrixFailure(w, r, mxError(http.StatusMethodNotAllowed, "M_UNRECOGNIZED", "This endpoint does not have that method."))
	case known.kind == page || known.kind == entry || known.kind == asset:
		s.failAlone(w, r, templates.ReasonMethodNotAllowed)
	default:
		writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": "invalid_request", "error_description": "This endpoint does not have that method."})
	}
}

// live says that the process answers.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready says whether the server can work, for those who send it requests.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	checks := s.Health(r.Context())
	for _, c := range checks {
		if c.Err != nil {
			s.logFailure(r, http.StatusServiceUnavailable, fmt.Errorf("%s: %w", c.Name, c.Err))
		}
	}
	telemetry.WriteHealth(w, checks, false)
}

// asset serves a file of the pages. Its path changes with its content.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	a := s.Pages.Assets()[r.URL.Path]
	w.Header().Set("Content-Type", a.ContentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.Body)
}
