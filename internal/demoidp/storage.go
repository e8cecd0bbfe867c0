package demoidp

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"keymaker/internal/secret"
)

// storage is the provider as the library sees it. It implements op.Storage and
// op.CanSetUserinfoFromRequest. There are no refresh tokens.
type storage struct{ *Provider }

var (
	errNoRequest = errors.New("no such authorization request")
	errNoClient  = errors.New("no such client")
	errNoToken   = errors.New("no such token")
	errNoUser    = errors.New("no such user")
)

// CreateAuthRequest implements op.AuthStorage. subject is that of an
// id_token_hint, if there is one.
func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, subject string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	maps.DeleteFunc(s.requests, func(_ string, r authRequest) bool { return now.Sub(r.created) > requestTTL })
	maps.DeleteFunc(s.codes, func(_, id string) bool { _, ok := s.requests[id]; return !ok })
	req := authRequest{AuthRequest: *r, id: secret.Token(), created: now, hint: subject}
	s.requests[req.id] = req
	return &req, nil
}

// AuthRequestByID implements op.AuthStorage.
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.request(id)
}

// AuthRequestByCode implements op.AuthStorage. A code is good once, whether or
// not the exchange succeeds.
func (s *storage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.codes[code]
	delete(s.codes, code)
	return s.request(id)
}

// request returns a request that is not too old; p.mu is held.
func (p *Provider) request(id string) (*authRequest, error) {
	r, ok := p.requests[id]
	if !ok || p.clock.Now().Sub(r.created) > requestTTL {
		return nil, errNoRequest
	}
	r.behind = p.behind()
	return &r, nil
}

// SaveAuthCode implements op.AuthStorage.
func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

// DeleteAuthRequest implements op.AuthStorage.
func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

// CreateAccessToken implements op.AuthStorage. The expiry is by the provider's
// clock; the library adds the client's clock skew before it counts expires_in.
func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	maps.DeleteFunc(s.tokens, func(_ string, t accessToken) bool { return now.After(t.expires) })
	id := secret.Token()
	s.tokens[id] = accessToken{subject: r.GetSubject(), scopes: r.GetScopes(), expires: now.Add(tokenTTL)}
	return id, now.Add(tokenTTL), nil
}

// CreateAccessAndRefreshTokens implements op.AuthStorage.
func (s *storage) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, oidc.ErrUnsupportedGrantType()
}

// TokenRequestByRefreshToken implements op.AuthStorage.
func (s *storage) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, op.ErrInvalidRefreshToken
}

// GetRefreshTokenInfo implements op.AuthStorage.
func (s *storage) GetRefreshTokenInfo(context.Context, string, string) (userID, tokenID string, err error) {
	return "", "", op.ErrInvalidRefreshToken
}

// TerminateSession implements op.AuthStorage: it ends the sessions and the
// tokens of a person.
func (s *storage) TerminateSession(_ context.Context, subject, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.tokens, func(_ string, t accessToken) bool { return t.subject == subject })
	maps.DeleteFunc(s.sessions, func(_ string, t session) bool { return t.subject == subject })
	return nil
}

// RevokeToken implements op.AuthStorage.
func (s *storage) RevokeToken(_ context.Context, id, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, id)
	return nil
}

// SigningKey implements op.AuthStorage.
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

// SignatureAlgorithms implements op.AuthStorage.
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.key.algorithm}, nil
}

// KeySet implements op.AuthStorage.
func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{s.key}}, nil
}

// GetClientByClientID implements op.OPStorage.
func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != s.options.ClientID {
		return nil, errNoClient
	}
	return newClient(s.Provider), nil
}

// AuthorizeClientIDSecret implements op.OPStorage.
func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, password string) error {
	if id != s.options.ClientID || s.options.ClientSecret == "" || !secret.Equal(password, s.options.ClientSecret) {
		return errNoClient
	}
	return nil
}

// SetUserinfoFromScopes implements op.OPStorage; SetUserinfoFromRequest has
// taken its place.
func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest: the claims of
// the ID token.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	return s.setUserinfo(info, r.GetSubject(), scopes)
}

// SetUserinfoFromToken implements op.OPStorage: the claims of userinfo.
func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, id, subject, _ string) error {
	t, err := s.token(id, subject)
	if err != nil {
		return err
	}
	return s.setUserinfo(info, t.subject, t.scopes)
}

// SetIntrospectionFromToken implements op.OPStorage.
func (s *storage) SetIntrospectionFromToken(_ context.Context, answer *oidc.IntrospectionResponse, id, subject, clientID string) error {
	t, err := s.token(id, subject)
	if err != nil {
		return err
	}
	answer.Subject, answer.Scope, answer.ClientID = t.subject, t.scopes, clientID
	answer.Expiration = oidc.FromTime(t.expires)
	return nil
}

func (s *storage) token(id, subject string) (accessToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[id]
	if !ok || t.subject != subject || s.clock.Now().After(t.expires) {
		return accessToken{}, errNoToken
	}
	return t, nil
}

// setUserinfo gives every claim as one of the library's additional claims: the
// typed ones cannot say email_verified false.
func (s *storage) setUserinfo(info *oidc.UserInfo, subject string, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.user(bySubject(subject))
	if !ok {
		return errNoUser
	}
	info.Subject = u.Subject
	info.Claims = u.claims(scopes)
	return nil
}

// GetPrivateClaimsFromScopes implements op.OPStorage; access tokens are opaque.
func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetKeyByIDAndClientID implements op.OPStorage; the client has no keys.
func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errNoClient
}

// ValidateJWTProfileScopes implements op.OPStorage; the client has no keys.
func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errNoClient
}

// Health implements op.Storage.
func (s *storage) Health(context.Context) error { return nil }
