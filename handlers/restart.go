package handlers

import (
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
	kind, err := s.Logins.Known(r.Context(), s.cookies.knownBrowser(r), id)
	switch {
	case err != nil: // the page has no other trouble than it had
		return nil
	case kind == store.RequestDevice:
		return []templates.Action{{Kind: templates.ActionRestart, URL: devicePath}}
	}
	return []templates.Action{{Kind: templates.ActionRestart, URL: restartPath + "?" + url.Values{templates.FieldRequest: {id}}.Encode()}}
}
