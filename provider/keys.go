package provider

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"

	"keymaker/store"
)

// signingKeys are the keys of the ID tokens, opened once at the start.
type signingKeys struct {
	signer jose.Signer
	// jwks is the key set document (RFC 7517), ready to be sent.
	jwks []byte
}

// loadKeys reads the signing keys, and makes the first one on a new database.
// All servers on one database end with the same (conformance F-33).
func loadKeys(ctx context.Context, p *Provider) (*signingKeys, error) {
	keys, err := p.store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the signing keys: %w", err)
	}
	if active(keys) == nil {
		fresh, err := newSigningKey(p)
		if err != nil {
			return nil, err
		}
		if err := p.store.AddSigningKey(ctx, fresh); err != nil {
			return nil, fmt.Errorf("keep the new signing key: %w", err)
		}
		if keys, err = p.store.SigningKeys(ctx); err != nil {
			return nil, fmt.Errorf("load the signing keys: %w", err)
		}
	}
	return prepareKeys(keys)
}

func active(keys []store.SigningKey) *store.SigningKey {
	for i := range keys {
		if keys[i].State == store.KeyActive && keys[i].Alg == string(jose.ES256) {
			return &keys[i]
		}
	}
	return nil
}

// newSigningKey makes an ECDSA P-256 key whose id is its RFC 7638 thumbprint.
func newSigningKey(p *Provider) (store.SigningKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("make a signing key: %w", err)
	}
	thumbprint, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("name a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("encode a signing key: %w", err)
	}
	return store.SigningKey{KID: encoding.EncodeToString(thumbprint), Alg: string(jose.ES256), State: store.KeyActive,
		NotBefore: p.clock.Now(), PKCS8: der}, nil
}

func prepareKeys(stored []store.SigningKey) (*signingKeys, error) {
	var set jose.JSONWebKeySet
	var out signingKeys
	for _, k := range stored {
		parsed, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
		if err != nil {
			return nil, fmt.Errorf("read signing key %s: %w", k.KID, err)
		}
		private := jose.JSONWebKey{Key: parsed, KeyID: k.KID, Algorithm: k.Alg, Use: "sig"}
		set.Keys = append(set.Keys, private.Public())
		if k.State != store.KeyActive || k.Alg != string(jose.ES256) {
			continue
		}
		signing := jose.SigningKey{Algorithm: jose.ES256, Key: private}
		if out.signer, err = jose.NewSigner(signing, (&jose.SignerOptions{}).WithType("JWT")); err != nil {
			return nil, fmt.Errorf("use signing key %s: %w", k.KID, err)
		}
	}
	var err error
	if out.jwks, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("encode the key set: %w", err)
	}
	return &out, nil
}

// JWKS is the public key set (RFC 7517), one JSON document.
func (p *Provider) JWKS() []byte { return p.keys.jwks }
