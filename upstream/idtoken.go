package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"keymaker/internal/secret"
)

// algorithms may sign ID tokens, whatever a provider advertises: only those
// with a public key, and never none (RFC 8725 §3.1).
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512,
	oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512,
	oidc.EdDSA,
}

// issuedLeeway is how far the provider's clock may be ahead.
const issuedLeeway = 5 * time.Minute

// verifyIDToken checks an ID token (OpenID Connect Core 1.0 §3.1.3.7,
// conformance L-30) and returns its claims.
func (p *Provider) verifyIDToken(ctx context.Context, s *site, raw, nonce string) (Claims, error) {
	if raw == "" {
		return nil, unverified("the token endpoint returned no ID token; the scope openid asks for it")
	}
	claims, err := p.verifySigned(ctx, s, raw, &oidc.Config{Now: p.clock.Now})
	if err != nil {
		return nil, wrap("ID token", err)
	}
	switch {
	case !p.isIssuer(s, claims.Text("iss")):
		err = unverified("it is that of another issuer")
	case !slices.Contains(audience(claims), p.config.ClientID):
		err = unverified("it is meant for another client")
	case claims["azp"] != nil && claims.Text("azp") != p.config.ClientID:
		err = unverified("it was issued to another client")
	case claims.Time("iat").IsZero() || claims.Time("iat").After(p.clock.Now().Add(issuedLeeway)):
		err = unverified("it was not issued in the past")
	case nonce == "" || !secret.Equal(claims.Text("nonce"), nonce):
		err = unverified("its nonce is that of another login")
	}
	if err != nil {
		return nil, wrap("ID token", err)
	}
	return claims, nil
}

// verifySigned checks the signature and what else c says, and returns the
// claims. Issuer and audience are for the caller to check: the verifier would
// be stricter about the one, and repeat both in its errors.
func (p *Provider) verifySigned(ctx context.Context, s *site, raw string, c *oidc.Config) (Claims, error) {
	c.SupportedSigningAlgs, c.SkipIssuerCheck, c.SkipClientIDCheck = algorithms, true, true
	keys := &watchedKeys{KeySet: s.keys}
	token, err := oidc.NewVerifier(s.Issuer, keys, c).Verify(ctx, raw)
	var transport *url.Error
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(keys.err, &transport):
		return nil, unavailable("fetch the keys", transport)
	case keys.err != nil && ctx.Err() != nil:
		return nil, unavailable("fetch the keys", ctx.Err())
	case keys.err != nil:
		return nil, unverified("its signature is not by one of the provider's keys")
	case errors.As(err, &expired):
		return nil, unverified("it has expired")
	case err != nil:
		return nil, unverified("it is not valid yet, or not signed in a way that is accepted")
	}
	var payload json.RawMessage
	if err := token.Claims(&payload); err != nil {
		return nil, unverified("its claims cannot be read")
	}
	return parseClaims(payload)
}

// watchedKeys remembers why a verification failed, which the verifier does not
// pass on.
type watchedKeys struct {
	oidc.KeySet
	err error
}

// VerifySignature implements oidc.KeySet.
func (k *watchedKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, token)
	k.err = err
	return payload, err
}

// isIssuer compares an issuer with the advertised one. Google's documents say
// that its ID tokens may lack the scheme.
func (p *Provider) isIssuer(s *site, iss string) bool {
	return sameIssuer(iss, s.Issuer) ||
		s.Issuer == "https://accounts.google.com" && iss == "accounts.google.com"
}

// audience is the claim aud: one string or a list of them.
func audience(c Claims) []string {
	switch v := c["aud"].(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}
