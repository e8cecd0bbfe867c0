package assertion_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"keymaker/provider/assertion"
)

// key makes a private key for an algorithm.
func key(t testing.TB, alg jose.SignatureAlgorithm) jose.JSONWebKey {
	t.Helper()
	var k any
	var err error
	switch alg {
	case jose.ES256:
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, k, err = ed25519.GenerateKey(rand.Reader)
	default:
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: "k-" + string(alg)}
}

// keySet is the JSON of the public parts.
func keySet(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	set := jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const okp = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`

func TestParseKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, keys, refused string }{
		{"each kind", keySet(t, key(t, jose.ES256), key(t, jose.RS256), key(t, jose.EdDSA)), ""},
		{"a key without a kid, with use and alg", `{"keys":[` + okp + `,"use":"sig","alg":"EdDSA"}]}`, ""},
		{"no JSON", `{"keys":`, "not a key set"},
		{"no object", `[]`, "not a key set"},
		{"no keys", `{}`, "no keys"},
		{"an empty list", `{"keys":[]}`, "no keys"},
		{"too many", `{"keys":[` + strings.Repeat(okp+`},`, 16) + okp + `}]}`, "more than 16"},
		{"two with one kid", `{"keys":[` + okp + `,"kid":"a"},` + okp + `,"kid":"a"}]}`, "key 2: another key has the same kid"},
		{"a key that is no object", `{"keys":["x"]}`, "key 1: it is not a JSON Web Key"},
		{"a symmetric key", `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, "symmetric"},
		{"a private key", `{"keys":[` + okp + `,"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`, "private part"},
		{"a key for encryption", `{"keys":[` + okp + `,"use":"enc"}]}`, "use is not sig"},
		{"an unknown kind", `{"keys":[{"kty":"AKP"}]}`, "not a public key"},
		{"a short RSA key", keySet(t, jose.JSONWebKey{Key: small}), "2048"},
		{"another curve", keySet(t, jose.JSONWebKey{Key: p384}), "P-256"},
		{"a point that is not on the curve", `{"keys":[{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}]}`, "not a public key"},
		{"an alg of another kind", `{"keys":[` + okp + `,"alg":"RS256"}]}`, "alg does not fit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := assertion.ParseKeys([]byte(tt.keys))
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("error %v, want one about %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(keys)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := assertion.ParseKeys(data); err != nil {
				t.Errorf("what was kept is refused: %v", err)
			}
		})
	}
}

func TestUsableKeys(t *testing.T) {
	if _, err := assertion.UsableKeys([]byte(`{"keys":[{"kty":"AKP"},` + okp + `,"use":"enc"},` + okp + `}]}`)); err != nil {
		t.Errorf("one good key among others: %v", err)
	}
	if _, err := assertion.UsableKeys([]byte(`{"keys":[{"kty":"AKP"}]}`)); err == nil {
		t.Error("no good key, and no error")
	}
}
