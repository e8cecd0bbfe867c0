// Package signing is the life of the keys that sign ID tokens (conformance
// F-31, F-33, F-34): each algorithm has one that signs, a successor that is
// published a day before it takes over, and predecessors that stay published
// until the last token they signed has expired.
//
// Every step is a transaction in the database, so that of any number of servers
// one takes it; the others notice within ReloadInterval.
package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"keymaker/store"
)

// The algorithms of ID tokens (RFC 7518 §3.1).
const (
	ES256 = "ES256" // what a client gets that names none
	RS256 = "RS256" // what every OpenID Connect client understands
)

// algorithms are all that there are keys for.
var algorithms = []string{ES256, RS256}

// rsaBits is what RFC 7518 §3.3 asks for at least. Verifying stays fast.
const rsaBits = 2048

// newKey makes a key whose id is its RFC 7638 thumbprint. An RSA key can take
// a second of one processor. An id that begins with a hyphen would be taken for
// a flag on a command line, so such a key, one of 64, is not kept.
func newKey(alg string) (store.SigningKey, error) {
	for {
		key, err := makeKey(alg)
		if err != nil || !strings.HasPrefix(key.KID, "-") {
			return key, err
		}
	}
}

func makeKey(alg string) (store.SigningKey, error) {
	private, err := generate(alg)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("make a key for %s: %w", alg, err)
	}
	thumbprint, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("name a key for %s: %w", alg, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("encode a key for %s: %w", alg, err)
	}
	return store.SigningKey{KID: base64.RawURLEncoding.EncodeToString(thumbprint), Alg: alg, PKCS8: der}, nil
}

func generate(alg string) (crypto.Signer, error) {
	if alg == RS256 {
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// open makes a stored key usable.
func open(k store.SigningKey) (jose.JSONWebKey, error) {
	private, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("read signing key %s: %w", k.KID, err)
	}
	return jose.JSONWebKey{Key: private, KeyID: k.KID, Algorithm: k.Alg, Use: "sig"}, nil
}
