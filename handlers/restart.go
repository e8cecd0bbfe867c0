package handlers

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"keymaker/store"
	"keymaker/templates"
)

// restartPath lies below /login for the reason that confirmPath does.
const restartPath = "/_matrix/client/unstable/login/sso/restart"

// restart begins a sign-in of this browser once more that was answered, or took
// too long. The person signs in and is asked anew: nothing of the first answer
// counts for the second (conformance C-69).
func (s *Server) restart(w http.ResponseWriter, r *http.Request) {
	if err := s.limitAddress(r); err != nil {
		s.trouble(w, r, err)
		return
	}
	browser := s.cookies.knownBrowser(r)
	id, providerID, err := s.Provider.Restart(r.Context(), browser, r.URL.Query().Get(templates.FieldRequest))
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if s.providerByID(providerID) == nil {
		providerID = "" // the configuration has changed since
	}
	s.startFor(w, r, browser, providerID, id)
}

// startAgain is the button that restarts what a person was doing: the sign-in
// that their request began, or the entry of a device's code. There is none for a
// request that this browser did not begin.
func (s *Server) startAgain(r *http.Request) []templates.Action {
	id := r.URL.Query().Get(templates.FieldRequest)
	if r.PostForm.Has(templates.FieldRequest) {
		id = r.PostForm.Get(templates.FieldRequest)
	}
	if id == "" {
		return nil
	}
	kind, err := s.Logins.Known(r.Context(), s.cookies.knownBrowser(r), id)
	switch {
	case errors.Is(err, store.ErrUnavailable): // the button finds out
	case err != nil: // the page has no other trouble than it had
		return nil
	case kind == store.RequestDevice:
		return []templates.Action{{Kind: templates.ActionRestart, URL: devicePath}}
	}
	return []templates.Action{{Kind: templates.ActionRestart, URL: restartPath + "?" + url.Values{templates.FieldRequest: {id}}.Encode()}}
}

// maxRetry is the longest address that an error page leads to once more, in
// bytes, so that the page stays small.
const maxRetry = 4096

// wayOn is the button of an error page that has none of its own: to begin what
// the person was doing once more, where that is still there, or else to go to
// their account.
func (s *Server) wayOn(r *http.Request, why templates.Reason) []templates.Action {
	account := ""
	if s.Config.OAuthEnabled() {
		account = accountPath
	}
	again := about(r).again
	switch here := r.URL.RequestURI(); {
	case why == templates.ReasonAccountLocked, why == templates.ReasonAccountDeactivated:
		if to := cmp.Or(again, account); to != "" {
			return []templates.Action{{Kind: templates.ActionAnother, URL: asAnother(to)}}
		}
		return nil
	case again != "":
		return []templates.Action{{Kind: templates.ActionRetry, URL: again}}
	case passes(why) && r.Method == http.MethodGet && len(here) <= maxRetry:
		return []templates.Action{{Kind: templates.ActionRetry, URL: here}}
	case r.URL.Path == devicePath:
		return []templates.Action{{Kind: templates.ActionRestart, URL: devicePath}}
	}
	if restart := s.startAgain(r); restart != nil || account == "" {
		return restart
	}
	return []templates.Action{{Kind: templates.ActionAccount, URL: account}}
}

// passes tells whether the same request may succeed later.
func passes(why templates.Reason) bool {
	return why == templates.ReasonTooManyRequests || why == templates.ReasonServerTrouble
}
