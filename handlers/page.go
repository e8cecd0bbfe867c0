package handlers

import (
	"errors"
	"net/http"
	"strconv"

	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// show answers with a page in the person's language.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, p templates.Page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Add("Vary", "Accept-Language")
	lang := s.language(r)
	w.Header().Set("Content-Language", lang.String())
	s.rememberLanguage(w, r)
	w.WriteHeader(status)
	if err := s.Pages.RenderVisit(w, templates.Visit{Lang: lang, Here: here(r, status)}, p); err != nil {
		s.Logger.ErrorContext(r.Context(), "render a page", "request", requestID(r), "error", err)
	}
}

// fail shows an error page, the one way in which every page does. Its reference
// is the request's id, under which the log has the cause. It always leads on.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, p templates.ErrorPage, cause error) {
	p.Reference = requestID(r)
	if len(p.Actions) == 0 {
		p.Actions = s.wayOn(r, p.Reason)
	}
	if cause == nil {
		cause = errors.New(string(p.Reason))
	}
	about(r).outcome = string(p.Reason)
	s.logFailure(r, p.Reason.Status(), cause)
	s.show(w, r, p.Reason.Status(), p)
}

// trouble shows what went wrong with a request that is on its way. Without a
// better reason it is our fault, and trying again may help.
func (s *Server) trouble(w http.ResponseWriter, r *http.Request, err error) {
	page := templates.ErrorPage{Reason: templates.ReasonServerTrouble}
	var repeated repeatedError
	var many tooManyError
	switch {
	case errors.Is(err, store.ErrUnavailable):
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	case errors.As(err, &many):
		many.tell(w.Header())
		page.Reason = templates.ReasonTooManyRequests
	case errors.Is(err, store.ErrNotFound):
		page.Reason = templates.ReasonExpired
		if s.cookies.knownBrowser(r) == "" {
			page.Reason = templates.ReasonOtherBrowser
		}
	case errors.Is(err, store.ErrConflict):
		page.Reason = templates.ReasonAlreadyUsed
	case errors.Is(err, errTooLarge):
		page.Reason = templates.ReasonTooLarge
	case errors.As(err, &repeated):
		page.Reason, page.Parameter = templates.ReasonMalformed, repeated.name
	case errors.Is(err, errMalformed), errors.Is(err, errContentType), errors.Is(err, store.ErrIsKey):
		page.Reason = templates.ReasonMalformed
	}
	s.fail(w, r, page, err)
}

// forged answers a form that another site has sent, or whose token is not ours.
func (s *Server) forged(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonCSRF}, nil)
}

// seeOther sends the browser on with GET, whatever it came with (conformance
// C-24, L-11).
//
// It does not use http.Redirect, which rewrites what it is given: a redirect
// URI keeps every byte.
func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// accountPage is the page for a user who may not sign in, or nil.
func accountPage(userID string, a store.Account) *templates.ErrorPage {
	switch {
	case a.Deactivated:
		return &templates.ErrorPage{Reason: templates.ReasonAccountDeactivated, UserID: userID}
	case a.Locked:
		return &templates.ErrorPage{Reason: templates.ReasonAccountLocked, UserID: userID}
	}
	return nil
}

// providerByID finds a configured identity provider.
func (s *Server) providerByID(id string) *upstream.Provider {
	for _, p := range s.Upstreams {
		if p.ID() == id {
			return p
		}
	}
	return nil
}
