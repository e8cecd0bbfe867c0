package assertion_test

import (
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"keymaker/provider/assertion"
	"keymaker/provider/errtext"
)

// FuzzAssertion: whatever a client sends, nothing but what its key has signed is
// accepted, and what is refused is refused in words that may be sent.
func FuzzAssertion(f *testing.F) {
	k := key(f, jose.EdDSA)
	keys, err := assertion.ParseKeys([]byte(keySet(f, key(f, jose.ES256)))) // of somebody else
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sign(f, k, jose.EdDSA, good()))
	f.Add(sign(f, k, jose.EdDSA, map[string]any{"aud": []any{1}, "exp": 1e300}))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("e30.e30.e30")
	f.Add(`{"payload":"e30","protected":"e30","signature":"e30"}`)
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := assertion.Parse(raw)
		if err == nil {
			if a.ClientID == "" {
				t.Fatal("parsed, and of nobody")
			}
			if _, _, err = a.Verify(keys, expected()); err == nil {
				t.Fatal("accepted, and signed by nobody")
			}
		}
		if !errtext.Legal(err.Error()) {
			t.Fatalf("%q may not be sent", err)
		}
	})
}

// FuzzKeys: whatever a client registers as its keys, what is kept of it is kept
// again, and is public.
func FuzzKeys(f *testing.F) {
	f.Add(`{"keys":[` + okp + `}]}`)
	f.Add(`{"keys":[` + okp + `,"kid":"\u0000\ud800","alg":"EdDSA","use":"sig","x5c":["x"],"key_ops":[1]}]}`)
	f.Add(keySet(f, key(f, jose.RS256), key(f, jose.ES256)))
	f.Add(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`)
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`)
	f.Add(`{"keys":[{"kty":"oct","k":""}]}`)
	f.Add(`{"keys":[null,[]]}`)
	f.Fuzz(func(t *testing.T, raw string) {
		keys, err := assertion.ParseKeys([]byte(raw))
		if err != nil {
			if !errtext.Legal(err.Error()) {
				t.Fatalf("%q may not be sent", err)
			}
			return
		}
		if _, err := assertion.UsableKeys([]byte(raw)); err != nil {
			t.Fatalf("registered, and of no use: %v", err)
		}
		data, err := json.Marshal(keys)
		if err != nil {
			t.Fatal(err)
		}
		var members struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(data, &members); err != nil {
			t.Fatal(err)
		}
		for _, k := range members.Keys {
			for _, private := range []string{"d", "p", "q", "k", "dp", "dq", "qi"} {
				if _, there := k[private]; there {
					t.Fatalf("the private member %s is kept", private)
				}
			}
		}
		again, err := assertion.ParseKeys(data)
		if err != nil {
			t.Fatalf("what was kept is refused: %v", err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(data) {
			t.Fatalf("kept differently: %s, %s", data, twice)
		}
	})
}
