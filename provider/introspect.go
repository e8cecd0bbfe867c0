package provider

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"keymaker/internal/secret"
	"keymaker/store"
)

// Introspection is the answer about a token (RFC 7662 §2.2, conformance F-04).
// The zero value says that the token is not active, and nothing else. Times are
// seconds.
type Introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Username  string `json:"username,omitempty"`
	Subject   string `json:"sub,omitempty"`
	DeviceID  string `json:"device_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	ExpiresIn int64  `json:"expires_in,omitempty"`
}

// MayIntrospect checks who asks: the homeserver with its secret, or a
// confidential client with its own (conformance F-01). The error is an *Error.
func (p *Provider) MayIntrospect(ctx context.Context, r *http.Request) error {
	if kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "Bearer") {
		want := p.config.Homeserver.Secret.Reveal()
		if want != "" && secret.Equal(token, want) {
			return nil
		}
		return oauthError(http.StatusUnauthorized, "invalid_token", "The bearer token is not the homeserver's secret.")
	}
	client, err := p.authenticateClient(ctx, r)
	if err != nil {
		e := AsError(err)
		if e.Temporary() {
			return e
		}
		return oauthError(http.StatusUnauthorized, "invalid_client", "Introspection needs the homeserver's secret or a confidential client's credentials.").because(err)
	}
	if client.IsPublic() {
		return oauthError(http.StatusUnauthorized, "invalid_client", "A public client may not introspect tokens.")
	}
	return nil
}

// Introspect tells what an access token is good for. Anything but an access
// token that works is inactive. No hint is needed to find it (RFC 7662 §2.1).
// It is one statement; the error wraps store.ErrUnavailable.
func (p *Provider) Introspect(ctx context.Context, token string) (Introspection, error) {
	if hash := clientTokenHash(token); hash != nil {
		answer, err := p.introspectClientToken(ctx, hash)
		if errors.Is(err, store.ErrNotFound) {
			return Introspection{}, nil
		}
		return answer, err
	}
	caller, err := p.Authenticate(ctx, token)
	if errors.Is(err, ErrUnknownToken) || errors.Is(err, ErrExpiredToken) {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, err
	}
	s := caller.Session
	if s.Account.Locked {
		return Introspection{}, nil
	}
	answer := Introspection{
		Active: true, Scope: strings.Join(caller.Scope.Introspection(), " "), ClientID: s.ClientID, Username: s.Login.Localpart,
		Subject: s.UserID, DeviceID: s.DeviceID, TokenType: "Bearer", Issuer: p.issuer, IssuedAt: s.IssuedAt.Unix(),
	}
	if s.Kind == store.Legacy {
		answer.ClientID = "legacy"
	}
	if !s.ExpiresAt.IsZero() {
		answer.Expires = s.ExpiresAt.Unix()
		answer.ExpiresIn = max(1, int64(s.ExpiresAt.Sub(p.clock.Now()).Seconds()))
	}
	return answer, nil
}
