package handlers

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"keymaker/provider"
	"keymaker/provider/registration"
)

// register is the client registration endpoint (RFC 7591 §3).
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	if err := s.limitAddress(r); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	body, err := registrationBody(w, r)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	token, _ := bearer(r)
	answer, err := s.Provider.Register(r.Context(), body, token)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	noStore(w)
	writeDocument(w, http.StatusCreated, answer)
}

func registrationBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, invalidMetadata("The Content-Type must be application/json.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, registration.MaxBody))
	if errors.Is(bodyError(err), errTooLarge) {
		return nil, invalidMetadata("The registration is larger than 16 KiB.")
	}
	if err != nil {
		return nil, invalidMetadata("The registration did not arrive whole.")
	}
	return body, nil
}

func invalidMetadata(description string) *provider.Error {
	return &provider.Error{Status: http.StatusBadRequest, Code: "invalid_client_metadata", Description: description}
}
