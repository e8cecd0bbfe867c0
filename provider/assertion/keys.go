package assertion

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of a key set.
const (
	// maxKeys is how many keys a client has at most: more would be tried for
	// every assertion that names none.
	maxKeys = 16
	// minRSA and maxRSA are the sizes in bits of RSA keys (RFC 7518 §3.3); a
	// longer one takes long to verify with.
	minRSA, maxRSA = 2048, 8192
)

// Keys are the public keys that a client signs its assertions with.
type Keys struct {
	set []jose.JSONWebKey
}

// ParseKeys reads a key set (RFC 7517 §5) that a client registers. Every key
// must be one that can be used; the error says what is wrong with which, and is
// fit for an error_description.
func ParseKeys(raw []byte) (*Keys, error) {
	entries, err := split(raw)
	if err != nil {
		return nil, err
	}
	keys := &Keys{}
	for i, entry := range entries {
		k, err := parseKey(entry)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if k.KeyID != "" && slices.ContainsFunc(keys.set, func(other jose.JSONWebKey) bool { return other.KeyID == k.KeyID }) {
			return nil, fmt.Errorf("key %d: another key has the same kid", i+1)
		}
		keys.set = append(keys.set, *k)
	}
	return keys, nil
}

// UsableKeys reads a key set that a client publishes, and leaves out what
// cannot be used: it may be there for another purpose.
func UsableKeys(raw []byte) (*Keys, error) {
	entries, err := split(raw)
	if err != nil {
		return nil, err
	}
	keys := &Keys{}
	for _, entry := range entries {
		if k, err := parseKey(entry); err == nil {
			keys.set = append(keys.set, *k)
		}
	}
	if len(keys.set) == 0 {
		return nil, errors.New("it has no key that can be used")
	}
	return keys, nil
}

// MarshalJSON returns the key set with the members that are of use alone.
func (k *Keys) MarshalJSON() ([]byte, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: k.set})
}

func split(raw []byte) ([]json.RawMessage, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	switch err := json.Unmarshal(raw, &set); {
	case err != nil:
		return nil, errors.New("it is not a key set: an object with an array of keys in it")
	case len(set.Keys) == 0:
		return nil, errors.New("it has no keys")
	case len(set.Keys) > maxKeys:
		return nil, fmt.Errorf("it has more than %d keys", maxKeys)
	}
	return set.Keys, nil
}

// publicPart are the members of a public key that are of use: a certificate, for
// one, is not looked at.
type publicPart struct {
	Type  string `json:"kty"`
	ID    string `json:"kid,omitempty"`
	Alg   string `json:"alg,omitempty"`
	Use   string `json:"use,omitempty"`
	Curve string `json:"crv,omitempty"`
	X     string `json:"x,omitempty"`
	Y     string `json:"y,omitempty"`
	N     string `json:"n,omitempty"`
	E     string `json:"e,omitempty"`
}

// parseKey reads a public key.
func parseKey(raw json.RawMessage) (*jose.JSONWebKey, error) {
	var members struct {
		publicPart
		D *json.RawMessage `json:"d"`
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, errors.New("it is not a JSON Web Key")
	}
	switch {
	case members.Type == "oct":
		return nil, errors.New("it is symmetric; assertions are signed with a private key, whose public part is registered")
	case members.D != nil:
		return nil, errors.New("it holds the private part; only the public part may be shown to anybody")
	case members.Use != "" && members.Use != "sig":
		return nil, errors.New("its use is not sig")
	}
	public, err := json.Marshal(members.publicPart)
	if err != nil {
		return nil, err
	}
	var k jose.JSONWebKey
	if err := json.Unmarshal(public, &k); err != nil || !k.IsPublic() {
		return nil, errors.New("it is not a public key: accepted are RSA, EC with the curve P-256, and OKP with the curve Ed25519")
	}
	algs := algsOf(k.Key)
	switch {
	case algs == nil:
		return nil, fmt.Errorf("its kind or size is not accepted: RSA with %d to %d bits, EC with the curve P-256, OKP with the curve Ed25519", minRSA, maxRSA)
	case members.Alg != "" && !slices.Contains(algs, jose.SignatureAlgorithm(members.Alg)):
		return nil, fmt.Errorf("its alg does not fit it or is not accepted: %v", algs)
	}
	return &jose.JSONWebKey{Key: k.Key, KeyID: members.ID, Algorithm: members.Alg, Use: members.Use}, nil
}

// algsOf returns what a public key can verify here: nil for one that cannot be
// used.
func algsOf(key any) []jose.SignatureAlgorithm {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return []jose.SignatureAlgorithm{jose.ES256}
		}
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= minRSA && bits <= maxRSA {
			return []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}
