package signing

import (
	"errors"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
)

// Type is the header typ of a JWT (RFC 8725 §3.11).
type Type string

// The types of what is signed here.
const (
	JWT    Type = "JWT"        // an ID token, and signed userinfo
	Logout Type = "logout+jwt" // a logout token (Back-Channel Logout §2.4)
)

// ErrForged is returned for what none of our keys signed, as far as they are
// still kept.
var ErrForged = errors.New("the token is not signed with a key of this server, or that key is gone")

// Verify returns the payload of a compact JWS of a type that one of the keys
// signed, whichever state it is in by now. The error wraps ErrForged.
func (r *Ring) Verify(typ Type, token string) ([]byte, error) {
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{ES256, RS256})
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be parsed", ErrForged)
	}
	header := parsed.Signatures[0].Protected
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != string(typ) {
		return nil, fmt.Errorf("%w: it has another type", ErrForged)
	}
	for _, key := range r.keys.Load().public.Key(header.KeyID) {
		if key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := parsed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, ErrForged
}
