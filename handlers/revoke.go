package handlers

import "net/http"

// revoke is the revocation endpoint (RFC 7009, MSC4254). Success has a body:
// matrix-js-sdk parses one (conformance E-02).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if err := readSingle(w, r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	if err := s.Provider.Revoke(r.Context(), r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}
