package upstream

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"keymaker/internal/secret"
)

// Response is a person who came back from a provider, with what was kept of
// the request.
type Response struct {
	Code            string
	Verifier, Nonce string
	// MaxAge, when it is not nil, must be proved: the person signed in no
	// longer than that before StartedAt, which is when the request was made.
	// Zero asks for a sign-in of this very login; a request with prompt=login
	// is proved by zero. A provider that says no auth_time, as GitHub, can prove
	// nothing: the answer is ErrStale then.
	MaxAge    *time.Duration
	StartedAt time.Time
	// WithoutAuthTime believes a provider that says no auth_time at all: that the
	// person has just come from there is enough. One that says it has to be right.
	WithoutAuthTime bool
}

// Finish exchanges the code and returns who signed in, after the ID token, the
// userinfo and the freshness of the sign-in have been checked. Errors are
// ErrUnavailable, a *ProviderError, ErrUnverified or ErrStale.
func (p *Provider) Finish(ctx context.Context, r Response) (*Identity, error) {
	s, err := p.sites.get(ctx)
	if err != nil {
		return nil, err
	}
	token, err := p.exchange(ctx, s, r)
	if err != nil {
		return nil, err
	}
	var id *Identity
	if p.isGitHub() {
		id, err = p.githubIdentity(ctx, s, token)
	} else {
		id, err = p.openIDIdentity(ctx, s, token, r)
	}
	if err != nil {
		return nil, err
	}
	if err := checkFresh(id, r); err != nil {
		return nil, err
	}
	if err := p.introspect(ctx, token, id.Subject); err != nil {
		return nil, err
	}
	p.revoke(ctx, token)
	return id, nil
}

// openIDIdentity reads who signed in from the ID token, and from userinfo
// where there is one: some providers put next to nothing into the ID token.
func (p *Provider) openIDIdentity(ctx context.Context, s *site, token *oauth2.Token, r Response) (*Identity, error) {
	id := &Identity{ProviderID: p.ID(), Issuer: s.Issuer}
	if s.keys != nil {
		raw, _ := token.Extra("id_token").(string)
		claims, err := p.verifyIDToken(ctx, s, raw, token.AccessToken, r)
		if err != nil {
			return nil, err
		}
		id.Claims, id.Subject, id.IDToken = claims, claims.Text("sub"), secret.Text(raw)
		id.AuthTime = claims.Time("auth_time")
	}
	if s.Userinfo != "" {
		info, err := p.userinfo(ctx, s, token)
		if err != nil {
			return nil, err
		}
		if s.keys == nil {
			id.Claims, id.Subject = info, info.id("sub")
			if id.Subject == "" {
				id.Subject = info.id("id") // plain OAuth 2 providers
			}
		} else if info.Text("sub") != id.Subject {
			return nil, unverified("userinfo is about somebody else than the ID token")
		}
		id.Claims = id.Claims.with(info)
	}
	if id.Subject == "" || len(id.Subject) > maxSubject || strings.ContainsFunc(id.Subject, unicode.IsControl) {
		return nil, unverified("there is no subject of 1 to 255 bytes that can be written")
	}
	return id, nil
}

// maxSubject is the longest sub in bytes (OpenID Connect Core 1.0 §2).
const maxSubject = 255

// userinfo fetches the claims of the userinfo endpoint (OpenID Connect Core
// 1.0 §5.3), which may be signed, and then be meant for somebody.
func (p *Provider) userinfo(ctx context.Context, s *site, token *oauth2.Token) (Claims, error) {
	body, media, err := p.fetch(ctx, s.Userinfo, token.AccessToken)
	if err != nil {
		return nil, wrap("userinfo", err)
	}
	if media == typeJWT {
		if s.keys == nil {
			return nil, unverified("userinfo is signed, and there are no keys to verify it with")
		}
		_, claims, err := p.verifySigned(ctx, s, string(body), &oidc.Config{SkipExpiryCheck: true, SupportedSigningAlgs: algorithms})
		switch {
		case err != nil:
		case claims["aud"] != nil && !slices.Contains(audience(claims), p.config.ClientID):
			err = unverified("it is meant for another client")
		case claims["iss"] != nil && !p.isIssuer(s, claims.Text("iss")):
			err = unverified("it is that of another issuer")
		}
		return claims, wrap("userinfo", err)
	}
	claims, err := parseClaims(body)
	if err != nil {
		return nil, unavailable("userinfo", err)
	}
	return claims, nil
}

// authTimeLeeway allows for clocks that differ a little, and for auth_time
// being in whole seconds.
const authTimeLeeway = 5 * time.Second

// checkFresh holds the sign-in against what was asked for (OpenID Connect Core
// 1.0 §3.1.3.7 item 13).
func checkFresh(id *Identity, r Response) error {
	said := id.Claims["auth_time"] != nil
	switch {
	case r.MaxAge == nil:
		return nil
	case r.StartedAt.IsZero():
		return wrap("the start of the login is not known", ErrStale)
	case !said && r.WithoutAuthTime:
		return nil
	case id.AuthTime.IsZero():
		return wrap("auth_time is missing", ErrStale)
	case id.AuthTime.Before(r.StartedAt.Add(-*r.MaxAge - authTimeLeeway)):
		return wrap("auth_time is too early", ErrStale)
	}
	return nil
}
