package handlers

import (
	"net/http"

	"keymaker/provider"
	"keymaker/provider/registration"
)

// token is the token endpoint (RFC 6749 §3.2). What it answers a refresh with
// decides whether a client keeps its session: see provider.Token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := readSingle(w, r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	if err := s.mayGuess(r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	// Only a refresh is sure to wait for nothing but the database.
	in := s.admission.others
	if r.PostForm.Get("grant_type") == registration.RefreshToken {
		in = s.admission.sessions
	}
	leave, err := s.enter(r.Context(), in)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	defer leave()
	response, err := s.Provider.Token(r.Context(), r)
	if err != nil {
		s.countGuess(r, err)
		s.oauthFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, response)
}

// mayGuess is a tooManyError for an address that has presented too many wrong
// codes and client secrets (conformance D-03). A refresh is neither refused nor
// counted.
func (s *Server) mayGuess(r *http.Request) error {
	who := s.guesser(r)
	if who == "" {
		return nil
	}
	wait := s.limits.Wait(s.limits.failures, who)
	switch {
	case wait == 0:
		return nil
	case r.PostForm.Get("grant_type") == registration.DeviceCode:
		return tooManyError{wait: wait, code: "slow_down"} // the device goes on asking
	}
	return tooManyError{wait: wait}
}

// countGuess counts an answer by which somebody learns that a guess was wrong.
func (s *Server) countGuess(r *http.Request, err error) {
	who := s.guesser(r)
	switch provider.AsError(err).Code {
	case "invalid_grant", "invalid_client":
		if who != "" {
			s.limits.Take(s.limits.failures, who)
		}
	}
}

// guesser is whose wrong guesses a token request counts among; "" for a refresh.
func (s *Server) guesser(r *http.Request) string {
	if r.PostForm.Get("grant_type") == registration.RefreshToken {
		return ""
	}
	return counted(s.clientAddr(r))
}
