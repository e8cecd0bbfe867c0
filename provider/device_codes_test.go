package provider

import (
	"bytes"
	"testing"

	"keymaker/internal/secret"
)

// A user code has 34 bits: whoever has a copy of the database could try them all
// against a hash that needs no key.
func TestUserCodeHashIsKeyed(t *testing.T) {
	const code = "BCDFGHJK"
	of := func(key byte) string {
		hash, err := deviceCodes{key: bytes.Repeat([]byte{key}, tokenSecretSize)}.UserCodeSignature(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	one, again, other := of(1), of(1), of(2)
	if one != again || one == other {
		t.Error("the hash does not depend on the key, or on something else too")
	}
	if one == string(secret.Hash(code)) {
		t.Error("the hash needs no key")
	}
}
