// Package secret is the one place for randomness, for turning a bearer secret
// into what may be stored, for sealing what must stay readable, and for text
// that must never be printed.
package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// alphabet has 32 letters, so that a random byte maps to one without bias.
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// Bytes returns n bytes from the system's random source. It never fails:
// crypto/rand ends the process when the system has no randomness.
func Bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// Token returns an unguessable string of 43 URL-safe characters (256 bit).
func Token() string {
	return base64.RawURLEncoding.EncodeToString(Bytes(32))
}

// Letters returns n random lower-case letters and digits, five bit each,
// without the ones that are easily confused.
func Letters(n int) string {
	b := Bytes(n)
	for i, c := range b {
		b[i] = alphabet[int(c)%len(alphabet)]
	}
	return string(b)
}

// Hash is what is stored of a bearer secret: its SHA-256, 32 bytes. The
// secrets are random and long, so no salt and no slow hash is needed
// (RFC 9700 §4.9.3, conformance D-71).
func Hash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// MAC is the HMAC-SHA-256 of the parts under key, 32 bytes. Each part is
// preceded by its length, so that no two lists of parts collide.
func MAC(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		n := uint64(len(p))
		h.Write([]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		h.Write(p)
	}
	return h.Sum(nil)
}

// Equal compares two secrets in a time that does not depend on where they
// differ, nor on their lengths (conformance L-20).
func Equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
