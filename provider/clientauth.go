package provider

import (
	"context"
	"crypto/subtle"
	"net/http"

	"github.com/ory/fosite"

	"keymaker/internal/secret"
)

// secretHasher hashes client secrets for fosite. They are random and long, so
// one SHA-256 protects them as well as a slow hash would, and does not cost a
// third of a second of every request.
type secretHasher struct{}

var _ fosite.Hasher = secretHasher{}

// Compare implements fosite.Hasher.
func (secretHasher) Compare(_ context.Context, hash, data []byte) error {
	if len(hash) == 0 || subtle.ConstantTimeCompare(hash, secret.Hash(string(data))) != 1 {
		return fosite.ErrInvalidClient
	}
	return nil
}

// Hash implements fosite.Hasher.
func (secretHasher) Hash(_ context.Context, data []byte) ([]byte, error) {
	return secret.Hash(string(data)), nil
}

// authenticateClient checks the client's credentials as it registered them
// (conformance D-60, D-61).
func (p *Provider) authenticateClient(ctx context.Context, r *http.Request) (fosite.Client, error) {
	if err := checkCredentials(r); err != nil {
		return nil, err
	}
	return p.fosite.AuthenticateClient(ctx, r, r.PostForm)
}

// checkCredentials refuses what fosite lets pass: two methods in one request,
// and a request that names no client at all.
func checkCredentials(r *http.Request) *Error {
	_, _, basic := r.BasicAuth()
	post := r.PostForm.Get("client_secret") != ""
	switch {
	case basic && post:
		return invalidRequest("The request authenticates the client twice: use either the Authorization header or client_secret.")
	case !basic && r.PostForm.Get("client_id") == "" && r.PostForm.Get("client_assertion") == "":
		return invalidRequest("The client_id is missing.")
	case r.PostForm.Get("client_assertion") != "" || r.PostForm.Get("client_assertion_type") != "":
		return oauthError(http.StatusUnauthorized, "invalid_client", "Client assertions are not supported: use client_secret_basic, client_secret_post or none.")
	}
	return nil
}
