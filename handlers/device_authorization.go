package handlers

import (
	"net/http"

	"keymaker/store"
)

// authorizeDevice is the device authorization endpoint (RFC 8628 §3.1): a
// device without a browser gets a code for itself and one for its user.
func (s *Server) authorizeDevice(w http.ResponseWriter, r *http.Request) {
	if err := s.limitAddress(r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	if err := readSingle(w, r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	from := store.Requester{Address: s.addressText(r), Agent: r.UserAgent()}
	answer, err := s.Provider.AuthorizeDevice(r.Context(), r, from)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}
