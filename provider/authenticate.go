package provider

import (
	"context"
	"errors"

	"github.com/ory/fosite"

	"keymaker/provider/scope"
	"keymaker/store"
)

// Why an access token is not accepted.
var (
	// ErrUnknownToken: it never was one, or its session is over.
	ErrUnknownToken = errors.New("unknown access token")
	// ErrExpiredToken: its session lives, and can be refreshed.
	ErrExpiredToken = errors.New("expired access token")
)

// Caller is who presented an access token.
type Caller struct {
	Session *store.Session
	Scope   scope.Set
}

// Authenticate returns whose access token this is. Errors are ErrUnknownToken,
// ErrExpiredToken, or wrap store.ErrUnavailable. A locked or suspended user is
// returned: what they may still do is the caller's affair.
func (p *Provider) Authenticate(ctx context.Context, token string) (*Caller, error) {
	if accessHash(token) == nil {
		return nil, ErrUnknownToken
	}
	_, request, err := p.fosite.IntrospectToken(ctx, token, fosite.AccessToken, &store.Session{})
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return nil, err
	case errors.Is(err, fosite.ErrTokenExpired):
		return nil, ErrExpiredToken
	case err != nil:
		return nil, ErrUnknownToken
	}
	session, err := sessionOf(request)
	if err != nil {
		return nil, err
	}
	if session.Account.Deactivated {
		return nil, ErrUnknownToken
	}
	if !session.Account.Locked {
		p.store.MarkUsed(session)
	}
	return &Caller{Session: session, Scope: Held(p.config, session)}, nil
}
