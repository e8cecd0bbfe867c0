package handlers

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"keymaker/internal/probe"
	"keymaker/provider"
)

// answerDoctor tells a doctor whom the server takes the request to come from. It
// tells nobody else anything: who asks must have the secret file, and so must
// who reads the answer.
func (s *Server) answerDoctor(w http.ResponseWriter, r *http.Request) {
	proof, _ := bearer(r)
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	answer, err := s.Probe.Answer(proof, s.Clock.Now(), probe.Seen{
		Address: s.addressText(r), Peer: peer, Forwarded: strings.Join(r.Header.Values(forwardedFor), ","),
	})
	switch {
	case errors.Is(err, probe.ErrProof):
		s.oauthFailure(w, r, &provider.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "The proof is not of the secret file, or not of this minute."})
	case err != nil:
		s.oauthFailure(w, r, err)
	default:
		writeJSON(w, http.StatusOK, map[string]string{"answer": answer})
	}
}
