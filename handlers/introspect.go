package handlers

import (
	"net/http"
	"time"

	"keymaker/provider"
)

// introspect is the introspection endpoint (RFC 7662), for the homeserver and
// for confidential clients.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	began := time.Now() //nolint:forbidigo // a duration, not a point in time
	s.Metrics.Introspection(s.answerIntrospection(w, r), time.Since(began))
}

// answerIntrospection returns what was answered, in one word.
func (s *Server) answerIntrospection(w http.ResponseWriter, r *http.Request) (outcome string) {
	if err := readSingle(w, r); err != nil {
		s.oauthFailure(w, r, err)
		return "refused"
	}
	if err := s.Provider.MayIntrospect(r.Context(), r); err != nil {
		if provider.AsError(err).Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer") // unless the caller used another scheme
		}
		s.oauthFailure(w, r, err)
		if provider.AsError(err).Temporary() {
			return "unavailable"
		}
		return "refused"
	}
	token := r.PostForm.Get("token")
	if token == "" {
		s.oauthFailure(w, r, &provider.Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: "The token is missing."})
		return "refused"
	}
	answer, err := s.Provider.Introspect(r.Context(), token)
	if err != nil {
		s.oauthFailure(w, r, err)
		return "unavailable"
	}
	writeJSON(w, http.StatusOK, answer)
	if answer.Active {
		return "active"
	}
	return "inactive"
}
