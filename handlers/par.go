package handlers

import "net/http"

// pushAuthorization is the pushed authorization request endpoint (RFC 9126 §2).
func (s *Server) pushAuthorization(w http.ResponseWriter, r *http.Request) {
	if err := s.limitAddress(r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	if err := readSingle(w, r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	answer, err := s.Provider.Push(r.Context(), r)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, answer)
}
