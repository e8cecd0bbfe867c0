package handlers

import "net/http"

// token is the token endpoint (RFC 6749 §3.2). What it answers a refresh with
// decides whether a client keeps its session: see provider.Token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := readSingle(w, r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	response, err := s.Provider.Token(r.Context(), r)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, response)
}
