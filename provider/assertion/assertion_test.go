package assertion_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keymaker/provider/assertion"
)

var now = time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC)

// good are the claims of an assertion that is accepted.
func good() map[string]any {
	return map[string]any{"iss": "c1", "sub": "c1", "aud": "https://auth.example.org/", "exp": now.Unix() + 60, "iat": now.Unix(), "jti": "once"}
}

func sign(t testing.TB, k jose.JSONWebKey, alg jose.SignatureAlgorithm, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: k}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func expected() assertion.Expected {
	return assertion.Expected{Audiences: []string{"https://auth.example.org/", "https://auth.example.org/token"}, Now: now}
}

// verify parses and verifies, as a server does.
func verify(t testing.TB, raw, keys string, want assertion.Expected) (string, time.Time, error) {
	t.Helper()
	set, err := assertion.ParseKeys([]byte(keys))
	if err != nil {
		t.Fatal(err)
	}
	a, err := assertion.Parse(raw)
	if err != nil {
		return "", time.Time{}, err
	}
	return a.Verify(set, want)
}

func TestAlgorithms(t *testing.T) {
	var made []jose.JSONWebKey
	for _, alg := range assertion.Algs() {
		made = append(made, key(t, jose.SignatureAlgorithm(alg)))
	}
	all := keySet(t, made...)
	for i, alg := range assertion.Algs() {
		t.Run(alg, func(t *testing.T) {
			raw := sign(t, made[i], jose.SignatureAlgorithm(alg), good())
			id, until, err := verify(t, raw, all, expected())
			if err != nil || id != "once" || !until.Equal(now.Add(90*time.Second)) {
				t.Errorf("jti %q until %v, error %v", id, until, err)
			}
			other := keySet(t, key(t, jose.SignatureAlgorithm(alg)))
			if _, _, err := verify(t, raw, other, expected()); err == nil {
				t.Error("another key verifies it")
			}
			want := expected()
			want.Alg = alg
			if _, _, err := verify(t, raw, all, want); err != nil {
				t.Errorf("it is the registered algorithm, and refused: %v", err)
			}
			want.Alg = assertion.Algs()[(i+1)%len(made)]
			if _, _, err := verify(t, raw, all, want); err == nil {
				t.Error("it is accepted though another algorithm was registered")
			}
		})
	}
	t.Run("a key verifies its own algorithm alone", func(t *testing.T) {
		k := key(t, jose.RS256)
		k.Algorithm = "RS256"
		if _, _, err := verify(t, sign(t, k, jose.PS256, good()), keySet(t, k), expected()); err == nil {
			t.Error("PS256 is accepted by a key for RS256")
		}
	})
	t.Run("the public key is no shared secret", func(t *testing.T) {
		k := key(t, jose.RS256)
		raw := sign(t, jose.JSONWebKey{Key: []byte(keySet(t, k))}, jose.HS256, good())
		if _, _, err := verify(t, raw, keySet(t, k), expected()); err == nil {
			t.Error("HS256 is accepted")
		}
	})
	t.Run("an assertion that is not signed", func(t *testing.T) {
		payload, err := json.Marshal(good())
		if err != nil {
			t.Fatal(err)
		}
		encode := base64.RawURLEncoding.EncodeToString
		if _, err := assertion.Parse(encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + "."); err == nil {
			t.Error("none is accepted")
		}
	})
	t.Run("a key that the assertion brings", func(t *testing.T) {
		mine, theirs := key(t, jose.ES256), key(t, jose.ES256)
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: mine}, &jose.SignerOptions{EmbedJWK: true})
		if err != nil {
			t.Fatal(err)
		}
		payload, _ := json.Marshal(good())
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := signed.CompactSerialize()
		if _, _, err := verify(t, raw, keySet(t, theirs), expected()); err == nil {
			t.Error("it is accepted")
		}
	})
}

func TestClaims(t *testing.T) {
	k := key(t, jose.ES256)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	tests := []struct {
		name    string
		changes map[string]any // nil takes a claim away
		refused string
	}{
		{"good", nil, ""},
		{"the token endpoint as audience", map[string]any{"aud": "https://auth.example.org/token"}, ""},
		{"both audiences", map[string]any{"aud": []string{"https://auth.example.org/", "https://auth.example.org/token"}}, ""},
		{"an end with a fraction", map[string]any{"exp": float64(at(time.Minute)) + 0.5}, ""},
		{"neither iat nor nbf", map[string]any{"iat": nil}, ""},
		{"a clock that is a little ahead", map[string]any{"iat": at(30 * time.Second), "nbf": at(30 * time.Second)}, ""},
		{"a clock that is a little behind", map[string]any{"exp": at(-29 * time.Second)}, ""},
		{"an hour", map[string]any{"exp": at(time.Hour)}, ""},
		{"no iss", map[string]any{"iss": nil}, "iss and sub"},
		{"another iss", map[string]any{"iss": "c2"}, "iss and sub"},
		{"no sub", map[string]any{"sub": nil}, "iss and sub"},
		{"neither", map[string]any{"sub": nil, "iss": nil}, "iss and sub"},
		{"a sub that is no text", map[string]any{"sub": 1}, "claims cannot be read"},
		{"no aud", map[string]any{"aud": nil}, "aud"},
		{"an empty aud", map[string]any{"aud": ""}, "aud"},
		{"an empty list", map[string]any{"aud": []string{}}, "aud"},
		{"another server", map[string]any{"aud": "https://auth.example.com/"}, "aud"},
		{"another server beside this one", map[string]any{"aud": []string{"https://auth.example.org/", "https://auth.example.com/"}}, "aud"},
		{"the issuer without its slash", map[string]any{"aud": "https://auth.example.org"}, "aud"},
		{"no exp", map[string]any{"exp": nil}, "exp is missing"},
		{"an exp that is text", map[string]any{"exp": "9999999999"}, "claims cannot be read"},
		{"an exp beyond all dates", map[string]any{"exp": 1e300}, "claims cannot be read"},
		{"an exp before all dates", map[string]any{"exp": -1}, "claims cannot be read"},
		{"expired", map[string]any{"exp": at(-30 * time.Second)}, "expired"},
		{"too long", map[string]any{"exp": at(time.Hour + time.Minute)}, "exp is more than"},
		{"not yet", map[string]any{"nbf": at(31 * time.Second)}, "nbf"},
		{"issued in the future", map[string]any{"iat": at(31 * time.Second)}, "iat"},
		{"no jti", map[string]any{"jti": nil}, "jti"},
		{"an empty jti", map[string]any{"jti": ""}, "jti"},
		{"a long jti", map[string]any{"jti": strings.Repeat("x", 256)}, "jti"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			claims := good()
			maps.Copy(claims, tt.changes)
			maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
			_, _, err := verify(t, sign(t, k, jose.ES256, claims), keySet(t, k), expected())
			if tt.refused == "" && err != nil || tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)) {
				t.Errorf("error %v, want %q", err, tt.refused)
			}
		})
	}
}

func TestParseRefusesWhatIsNoAssertion(t *testing.T) {
	for _, raw := range []string{"", "x", "..", "e30.e30.", "e30.e30.e30", strings.Repeat("x", 9000), "{}", `{"payload":"e30","signatures":[]}`} {
		if _, err := assertion.Parse(raw); err == nil {
			t.Errorf("%.20q is accepted", raw)
		}
	}
	if slices.Contains(assertion.Algs(), "none") {
		t.Error("none is an algorithm")
	}
}
