package handlers_test

import (
	"crypto/elliptic"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keymaker/internal/harness"
)

// mayLogIn wants that a login succeeds while the provider does something that
// it may do.
func mayLogIn(t *testing.T, i *impostor, clientID string, n int, f fault) {
	t.Helper()
	v := newVictim(t, i, clientID, n)
	v.spoil(f)
	defer v.spoil(nil)
	r := v.request(nil)
	v.expectLogin(v.signIn(r), r, "@"+v.user.Username+":"+harness.ServerName)
}

// What is near to a lie and is none. It shows too that the impostor's tokens
// are refused for what is wrong with them, and not because they are his.
func TestHonestOddities(t *testing.T) {
	i := startImpostor(t)
	id, _ := i.e.Register(harness.WebClient)
	rsa := rsaKey(2048)
	tests := []struct {
		name  string
		fault func(i *impostor) fault
	}{
		{"another of its keys signs", func(i *impostor) fault { return i.claims(func(map[string]any) {}) }},
		{"iss has one slash more", appended("iss", "/")},
		{"aud has others too, and azp is us", claim("aud", []string{"others", "keymaker"})},
		{"azp is missing beside one aud", claim("azp", nil)},
		{"iat is a little ahead", when("iat", time.Minute)},
		{"nbf is a little ahead", when("nbf", time.Minute)},
		{"exp is a fraction", func(i *impostor) fault {
			return i.claims(func(c map[string]any) { c["exp"] = float64(i.e.Clock.Now().Unix()) + 60.5 })
		}},
		{"at_hash is missing", claim("at_hash", nil)},
		{"kid is missing", func(i *impostor) fault { return i.resigned(jose.ES256, i.key, "") }},
		{"two keys have the kid and one has signed", func(i *impostor) fault {
			return publishing(i.claims(func(map[string]any) {}), publicKey(ecKey(elliptic.P384()).Public(), impostorKey, "sig"))
		}},
		{"keys that nobody can read stand beside the good one", func(i *impostor) fault {
			return publishing(i.claims(func(map[string]any) {}), map[string]any{"kty": "AKP", "alg": "ML-DSA-44"}, map[string]any{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"})
		}},
		{"RS256 with a key of 2048 bits that does not say what it is for", func(*impostor) fault {
			return advertising(publishing(i.resigned(jose.RS256, rsa, "rsa"), publicKey(rsa.Public(), "rsa", "")), "RS256")
		}},
		{"it does not say how it signs", func(i *impostor) fault { return setAt(idpDiscovery, "id_token_signing_alg_values_supported", nil) }},
		{"userinfo is a signed JWT for us", func(i *impostor) fault {
			return rewrittenAs(idpUserinfo, "application/jwt", func(body string) string {
				claims, err := object([]byte(body))
				if err != nil {
					panic(err)
				}
				claims["iss"], claims["aud"] = i.e.IDP.Issuer, i.e.IDP.ClientID
				return i.sign(encoded(claims), jose.ES256, i.key, impostorKey)
			})
		}},
		{"the access token is a Bearer in other letters", always(setAt(idpToken, "token_type", "bEARER"))},
		{"it does not say the type of the access token", always(setAt(idpToken, "token_type", nil))},
		{"userinfo is redirected within the provider", always(func(w http.ResponseWriter, r *http.Request, provider http.Handler) {
			if r.URL.Path == idpUserinfo && r.URL.RawQuery == "" {
				http.Redirect(w, r, idpUserinfo+"?here", http.StatusTemporaryRedirect)
				return
			}
			provider.ServeHTTP(w, r)
		})},
		{"it sends iss", func(i *impostor) fault {
			return sentBack(i.e, func(q url.Values) { q.Set("iss", i.e.IDP.Issuer) })
		}},
	}
	for n, tt := range tests {
		t.Run("L-30: "+tt.name+", and the login succeeds", func(t *testing.T) { mayLogIn(t, i, id, n, tt.fault(i)) })
	}
}

func TestProviderTurnsItsKeys(t *testing.T) {
	i := startImpostor(t)
	id, _ := i.e.Register(harness.WebClient)
	t.Run("L-30: a key that begins to sign in the middle of a login is fetched", func(t *testing.T) {
		v := newVictim(t, i, id, 1)
		r := v.request(nil)
		v.expectLogin(v.signIn(r), r, "@victim1:example.org") // the keys are known from now on
		i.e.IDP.EndSessions()
		fetched := i.count(idpKeys)
		r = v.request(nil)
		form := v.b.Authorize(r)
		key := ecKey(elliptic.P256())
		v.spoil(publishing(i.resigned(jose.ES256, key, "turned"), publicKey(key.Public(), "turned", "sig")))
		defer v.spoil(nil)
		v.expectLogin(v.b.SignIn(form, v.user.Username), r, "@victim1:example.org")
		if n := i.count(idpKeys) - fetched; n != 1 {
			t.Errorf("the keys were fetched %d times", n)
		}
	})
	t.Run("L-30: tokens of an unknown key do not make us fetch the keys for ever, nor keep others out", func(t *testing.T) {
		v := newVictim(t, i, id, 2)
		r := v.request(nil)
		v.expectLogin(v.signIn(r), r, "@victim2:example.org")
		fetched := i.count(idpKeys)
		v.spoil(i.resigned(jose.ES256, i.key, "mallory"))
		defer v.spoil(nil)
		for range 20 {
			expectPage(t, v.signIn(v.request(nil)), http.StatusBadGateway, distrusted)
		}
		if n := i.count(idpKeys) - fetched; n > 5 {
			t.Errorf("20 bad tokens made us fetch the keys %d times", n)
		}
		v.spoil(nil)
		r = v.request(nil)
		v.expectLogin(v.signIn(r), r, "@victim2:example.org")
		v.e.Clock.Advance(time.Minute)
		key := ecKey(elliptic.P256())
		v.spoil(publishing(i.resigned(jose.ES256, key, "later"), publicKey(key.Public(), "later", "sig")))
		r = v.request(nil)
		v.expectLogin(v.signIn(r), r, "@victim2:example.org")
	})
	t.Run("L-30: discovery that names another issuer in the middle is not believed, and what was known stays", func(t *testing.T) {
		v := newVictim(t, i, id, 3)
		v.b.Authorize(v.request(nil)) // discovery is known from now on
		v.e.Clock.Advance(59*time.Minute + 58*time.Second)
		r := v.request(nil)
		form := v.b.Authorize(r)
		v.e.Clock.Advance(3 * time.Second)
		v.spoil(both(setAt(idpDiscovery, "issuer", "https://mallory.example"), setAt(idpDiscovery, "token_endpoint", "https://mallory.example/token")))
		defer v.spoil(nil)
		v.expectLogin(v.b.SignIn(form, v.user.Username), r, "@victim3:example.org")
		if strings.Contains(v.e.Log.String()[v.logged:], "mallory.example/token") {
			t.Error("the forged endpoint was asked")
		}
	})
}
