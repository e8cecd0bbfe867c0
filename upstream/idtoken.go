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

// verifyIDToken checks the ID token that came with an access token (OpenID
// Connect Core 1.0 §3.1.3.7, conformance L-30) and returns its claims.
func (p *Provider) verifyIDToken(ctx context.Context, s *site, raw, accessToken string, r Response) (Claims, error) {
	if raw == "" {
		return nil, unverified("the token endpoint returned no ID token; the scope openid asks for it")
	}
	token, claims, err := p.verifySigned(ctx, s, raw, &oidc.Config{Now: p.clock.Now, SupportedSigningAlgs: s.signedWith()})
	if err != nil {
		return nil, wrap("ID token", err)
	}
	now := p.clock.Now()
	switch {
	case !p.isIssuer(s, claims.Text("iss")):
		err = unverified("it is that of another issuer")
	case !claims.Time("exp").After(now):
		err = unverified("it has expired, or does not say when it does")
	case claims.Time("iat").IsZero() || claims.Time("iat").After(now.Add(issuedLeeway)):
		err = unverified("it was not issued in the past")
	case r.Nonce == "" || !secret.Equal(claims.Text("nonce"), r.Nonce):
		err = unverified("its nonce is that of another login")
	default:
		if err = p.checkAudience(claims); err == nil {
			err = checkHashes(token, claims, accessToken, r.Code)
		}
	}
	if err != nil {
		return nil, wrap("ID token", err)
	}
	return claims, nil
}

// checkAudience wants a token that is meant for this client, and issued to it.
// With several audiences only azp says to which of them it was issued.
func (p *Provider) checkAudience(claims Claims) error {
	meantFor := audience(claims)
	switch {
	case !slices.Contains(meantFor, p.config.ClientID):
		return unverified("it is meant for another client")
	case claims["azp"] != nil && claims.Text("azp") != p.config.ClientID:
		return unverified("it was issued to another client")
	case claims["azp"] == nil && len(meantFor) > 1:
		return unverified("it is meant for several clients, and does not say to which it was issued")
	}
	return nil
}

// checkHashes holds the access token and the code against at_hash and c_hash,
// where the ID token has them (OpenID Connect Core 1.0 §3.1.3.6, §3.3.2.11).
func checkHashes(token *oidc.IDToken, claims Claims, accessToken, code string) error {
	if claims["at_hash"] != nil && token.VerifyAccessToken(accessToken) != nil {
		return unverified("it was issued with another access token")
	}
	if claims["c_hash"] == nil {
		return nil
	}
	token.AccessTokenHash = claims.Text("c_hash") // made in the same way
	if token.VerifyAccessToken(code) != nil {
		return unverified("it was issued for another code")
	}
	return nil
}

// signedWith are the algorithms that ID tokens of the provider may have: those
// that it advertises, where it does, and never one that is not accepted.
func (s *site) signedWith() []string {
	if len(s.SigningAlgorithms) == 0 {
		return algorithms
	}
	advertised := slices.DeleteFunc(slices.Clone(algorithms), func(a string) bool { return !slices.Contains(s.SigningAlgorithms, a) })
	if len(advertised) == 0 {
		return []string{oidc.RS256} // which each must have (OpenID Connect Discovery 1.0 §3)
	}
	return advertised
}

// verifySigned checks the signature and what else c says, and returns the
// token with its claims. Issuer and audience are for the caller to check: the
// verifier would be stricter about the one, and repeat both in its errors.
func (p *Provider) verifySigned(ctx context.Context, s *site, raw string, c *oidc.Config) (*oidc.IDToken, Claims, error) {
	c.SkipIssuerCheck, c.SkipClientIDCheck = true, true
	keys := &watchedKeys{KeySet: s.keys}
	token, err := oidc.NewVerifier(s.Issuer, keys, c).Verify(ctx, raw)
	var transport *url.Error
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(keys.err, &transport):
		return nil, nil, unavailable("fetch the keys", cause(transport))
	case keys.err != nil && ctx.Err() != nil:
		return nil, nil, unavailable("fetch the keys", ctx.Err())
	case keys.err != nil:
		return nil, nil, unverified("its signature is not by one of the provider's keys")
	case errors.As(err, &expired):
		return nil, nil, unverified("it has expired")
	case err != nil:
		return nil, nil, unverified("it is not valid yet, not in the form of one, or not signed in a way that is accepted")
	}
	var payload json.RawMessage
	if err := token.Claims(&payload); err != nil {
		return nil, nil, unverified("its claims cannot be read")
	}
	claims, err := parseClaims(payload)
	return token, claims, err
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
