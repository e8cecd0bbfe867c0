package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// forger stands between the provider and its client, with a key of its own in
// the provider's key set: it can issue any token that the provider could.
type forger struct {
	bench *bench
	key   *ecdsa.PrivateKey
	id    string
}

func newForger(t *testing.T, b *bench) *forger {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{bench: b, key: key, id: "forger"}
	public := jose.JSONWebKey{Key: key.Public(), KeyID: f.id, Algorithm: "ES256", Use: "sig"}
	b.wire.spoil(keysPath, changed(func(set map[string]any) {
		keys, _ := set["keys"].([]any)
		set["keys"] = append(keys, public)
	}))
	return f
}

// claims changes the claims of every ID token, and signs them well.
func (f *forger) claims(change func(map[string]any)) {
	f.tokens(func(token string) string {
		claims := payload(token)
		change(claims)
		return f.sign(claims, jose.ES256, f.key)
	})
}

// tokens changes every ID token.
func (f *forger) tokens(change func(string) string) {
	f.bench.wire.spoil(tokenPath, changed(func(answer map[string]any) {
		if token, ok := answer["id_token"].(string); ok {
			answer["id_token"] = change(token)
		}
	}))
}

func (f *forger) sign(claims map[string]any, algorithm jose.SignatureAlgorithm, key any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: f.id}}, nil)
	if err != nil {
		panic(err)
	}
	data, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	object, err := signer.Sign(data)
	if err != nil {
		panic(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// confused is a token with an HMAC whose key is the provider's public key, in
// the form that a careless verifier would read it.
func (f *forger) confused(claims map[string]any) string {
	der, err := x509.MarshalPKIXPublicKey(f.key.Public())
	if err != nil {
		panic(err)
	}
	head := segment(map[string]any{"alg": "HS256", "kid": f.id}) + "." + segment(claims)
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(head))
	return head + "." + encode(mac.Sum(nil))
}

func payload(token string) map[string]any {
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		panic(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(data, &claims); err != nil {
		panic(err)
	}
	return claims
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
