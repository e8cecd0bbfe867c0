package handlers

import (
	"net/http"
	"slices"

	"keymaker/provider"
	"keymaker/provider/registration"
)

// token is the token endpoint (RFC 6749 §3.2). What it answers a refresh with
// decides whether a client keeps its session: see provider.Token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	response, err := s.exchange(w, r)
	s.countExchange(r, response, err)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, response)
}

// exchange reads a token request, and has it done unless too many guesses were
// wrong before it.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) (*provider.TokenResponse, error) {
	if err := readSingle(w, r); err != nil {
		return nil, err
	}
	if err := s.mayGuess(r); err != nil {
		return nil, err
	}
	// Only a refresh is sure to wait for nothing but the database.
	in := s.admission.others
	if r.PostForm.Get("grant_type") == registration.RefreshToken {
		in = s.admission.sessions
	}
	ctx, leave, err := s.enter(r.Context(), in)
	if err != nil {
		return nil, err
	}
	defer leave()
	response, err := s.Provider.Token(ctx, r)
	if err != nil {
		s.countGuess(r, err)
	}
	return response, err
}

// countExchange counts a token request by its grant, and a refresh by what
// became of it.
func (s *Server) countExchange(r *http.Request, response *provider.TokenResponse, err error) {
	grant := r.PostForm.Get("grant_type")
	if !slices.Contains(registration.GrantTypes(true), grant) {
		grant = "other" // whatever a client makes up
	}
	outcome := "ok"
	if err != nil {
		outcome = provider.AsError(asOAuth(err)).Code
	}
	s.Metrics.Token(grant, outcome)
	if grant == registration.RefreshToken {
		s.Metrics.Refresh("oauth", provider.RefreshOutcome(response != nil && response.Replayed, asOAuth(err)))
	}
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
	if wait == 0 {
		return nil
	}
	s.Metrics.Limited(s.limits.failures.Name)
	if r.PostForm.Get("grant_type") == registration.DeviceCode {
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
