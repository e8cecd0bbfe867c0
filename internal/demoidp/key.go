package demoidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"keymaker/internal/secret"
)

// signingKey signs ID tokens. It implements op.SigningKey.
type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

func newSigningKey(algorithm string) (signingKey, error) {
	if algorithm == "" {
		algorithm = string(jose.ES256)
	}
	k := signingKey{id: secret.Letters(8), algorithm: jose.SignatureAlgorithm(algorithm)}
	var err error
	switch k.algorithm {
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.RS256, jose.PS256:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.EdDSA:
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no key for the algorithm %q", algorithm)
	}
	return k, err
}

func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.algorithm }
func (k signingKey) Key() any                                    { return k.private }
func (k signingKey) ID() string                                  { return k.id }

// publicKey is the half of a signing key that the key set shows. It implements
// op.Key.
type publicKey struct{ signingKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return k.algorithm }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.private.Public() }
