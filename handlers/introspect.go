package handlers

import (
	"net/http"

	"keymaker/provider"
)

// introspect is the introspection endpoint (RFC 7662), for the homeserver and
// for confidential clients.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	if err := readSingle(w, r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	if err := s.Provider.MayIntrospect(r.Context(), r); err != nil {
		if provider.AsError(err).Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer") // unless the caller used another scheme
		}
		s.oauthFailure(w, r, err)
		return
	}
	token := r.PostForm.Get("token")
	if token == "" {
		s.oauthFailure(w, r, &provider.Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: "The token is missing."})
		return
	}
	answer, err := s.Provider.Introspect(r.Context(), token)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}
