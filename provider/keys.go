package provider

import (
	"context"

	"keymaker/provider/signing"
)

// JWKS is the public key set (RFC 7517), one JSON document (conformance F-33).
func (p *Provider) JWKS() []byte { return p.keys.JWKS() }

// Signs tells whether there is a key that signs ID tokens.
func (p *Provider) Signs() bool { return p.keys.Signs(signing.ES256) }

// TurnKeys rotates the signing keys where it is time, and takes over what other
// processes did to them (conformance F-34). It is to be called every
// signing.ReloadInterval. Without an issuer nothing is ever signed.
func (p *Provider) TurnKeys(ctx context.Context) error {
	if p.issuer == "" {
		return nil
	}
	return p.keys.Turn(ctx)
}

// signsRS256 tells whether ID tokens can be had with RS256 (conformance F-31).
func (p *Provider) signsRS256() bool { return p.keys.Signs(signing.RS256) }
