package provider

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

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

// asRegistered is fosite's authentication of a client with what it lacks: a
// client without a secret does not use Basic, not even with an empty password,
// and assertions are verified by this server's clock and remembered by its
// store.
func (p *Provider) asRegistered(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	if form.Get("client_assertion") != "" {
		return p.byAssertion(ctx, r, form)
	}
	client, err := p.fosite.DefaultClientAuthenticationStrategy(ctx, r, form)
	if err != nil {
		return nil, err
	}
	if _, _, basic := r.BasicAuth(); basic && client.IsPublic() {
		return nil, fosite.ErrInvalidClient.WithHint("The client has no secret: it sends its client_id in the form.")
	}
	return client, nil
}

// checkCredentials refuses what fosite lets pass: two methods or two clients in
// one request, a header that cannot be read, and a request that names no client
// at all.
func checkCredentials(r *http.Request) *Error {
	form := r.PostForm
	switch {
	case usesBasic(r):
		return checkBasic(r)
	case hasAssertion(r):
		return checkAssertion(form)
	case form.Get("client_id") == "":
		return invalidRequest("The client_id is missing.")
	}
	return nil
}

// usesBasic tells whether the client authenticates in the header, well or not.
func usesBasic(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Basic")
}

// checkBasic reads Basic credentials, which are form-encoded (RFC 6749 §2.3.1).
func checkBasic(r *http.Request) *Error {
	encoded, _, ok := r.BasicAuth()
	id, err := url.QueryUnescape(encoded)
	inForm := r.PostForm.Get("client_id")
	switch {
	case r.PostForm.Get("client_secret") != "" || hasAssertion(r):
		return invalidRequest("The request authenticates the client twice: use either the Authorization header or the form.")
	case !ok || err != nil || !utf8.ValidString(id) || strings.ContainsRune(id, 0):
		return oauthError(http.StatusUnauthorized, "invalid_client", "The Authorization header does not hold a client_id and a secret.")
	case inForm != "" && inForm != id:
		return invalidRequest("The request names two clients: one in the Authorization header, another in the form.")
	}
	return nil
}
