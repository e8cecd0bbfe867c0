package handlers_test

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"

	"keymaker/internal/harness"
)

// claimsOf are the claims of an ID token, unverified.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatalf("payload of a JWT: %v", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatalf("claims of a JWT: %v", err)
	}
	return claims
}

// verify checks an ID token as a relying party does: discovery, key set,
// signature, issuer, audience, expiry.
func verify(t *testing.T, e *harness.Env, clientID, token string) (*oidc.IDToken, error) {
	t.Helper()
	rp, err := oidc.NewProvider(t.Context(), e.Issuer)
	if err != nil {
		t.Fatalf("discover: %v", err)
	}
	return rp.Verifier(&oidc.Config{ClientID: clientID, Now: e.Clock.Now}).Verify(t.Context(), token)
}

func keySet(t *testing.T, e *harness.Env) *jose.JSONWebKeySet {
	t.Helper()
	set := new(jose.JSONWebKeySet)
	if err := json.Unmarshal(e.Get(jwksPath).Body, set); err != nil {
		t.Fatalf("key set: %v", err)
	}
	return set
}

func TestIDToken(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	r := e.NewRequest(id, "openid "+harness.ScopeStable+"IDTOKENDEVICE")
	r.Values.Set("nonce", "n-0S6_WzA2Mj")
	var (
		a     harness.Answer
		token *oidc.IDToken
	)
	// issue logs in and lets time go by before the exchange.
	issue := func(t *testing.T) *harness.Env {
		t.Helper()
		e := e.For(t)
		code := e.NewBrowser().Approve(r, "alice").Get("code")
		e.Clock.Advance(30 * time.Second)
		a = e.Exchange(r, code)
		var err error
		if token, err = verify(t, e, id, a.Text("id_token")); err != nil {
			t.Fatalf("verify the ID token: %v", err)
		}
		return e
	}

	t.Run("F-30: it verifies against the key set, with iss, aud, exp and iat", func(t *testing.T) {
		e := issue(t)
		claims := claimsOf(t, a.Text("id_token"))
		if token.Issuer != e.Issuer || len(token.Audience) != 1 || token.Audience[0] != id {
			t.Errorf("iss %q, aud %q", token.Issuer, token.Audience)
		}
		now := e.Clock.Now().Unix()
		if claims["iat"] != float64(now) || token.Expiry.Unix() <= now {
			t.Errorf("iat %v, exp %v, now %d", claims["iat"], token.Expiry.Unix(), now)
		}
	})
	t.Run("F-30: sub is the Matrix user id", func(t *testing.T) {
		issue(t)
		if token.Subject != "@alice:example.org" {
			t.Errorf("sub %q", token.Subject)
		}
	})
	t.Run("F-30: nonce is the request's", func(t *testing.T) {
		issue(t)
		if token.Nonce != "n-0S6_WzA2Mj" {
			t.Errorf("nonce %q", token.Nonce)
		}
	})
	t.Run("F-30: at_hash is that of the access token", func(t *testing.T) {
		issue(t)
		if err := token.VerifyAccessToken(a.Text("access_token")); err != nil {
			t.Error(err)
		}
	})
	t.Run("F-30: auth_time is when the person signed in, not when the code was exchanged", func(t *testing.T) {
		signedIn := e.Clock.Now()
		issue(t)
		at, _ := claimsOf(t, a.Text("id_token"))["auth_time"].(float64)
		if d := int64(at) - signedIn.Unix(); d < -1 || d > 1 {
			t.Errorf("auth_time is %d s away from the sign-in", d)
		}
	})
	t.Run("F-30: it is no proof for another client", func(t *testing.T) {
		e := issue(t)
		if _, err := verify(t, e, "another", a.Text("id_token")); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("F-31: it is signed with ES256 by a key of the set", func(t *testing.T) {
		e := issue(t)
		jws, err := jose.ParseSignedCompact(a.Text("id_token"), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		if kid := jws.Signatures[0].Header.KeyID; len(keySet(t, e).Key(kid)) != 1 {
			t.Errorf("kid %q is not in the key set", kid)
		}
	})
	t.Run("F-33: an altered one does not verify", func(t *testing.T) {
		e := issue(t)
		parts := strings.Split(a.Text("id_token"), ".")
		forged := strings.Replace(string(decode(t, parts[1])), "@alice:", "@admin:", 1)
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(forged))
		if _, err := verify(t, e, id, strings.Join(parts, ".")); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("F-30: it expires", func(t *testing.T) {
		e := issue(t)
		e.Clock.Advance(token.Expiry.Sub(e.Clock.Now()) + time.Second)
		if _, err := verify(t, e, id, a.Text("id_token")); err == nil {
			t.Error("accepted after its end")
		}
	})
}

func TestIDTokenOfARequest(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("F-30: auth_time is there when max_age asks for it, and is when the person signed in", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		b.Consent(e.NewRequest(id, "openid"), "alice")
		signedIn := e.Clock.Now().Unix()
		e.Clock.Advance(10 * time.Minute)
		r := e.NewRequest(id, "openid")
		r.Values.Set("max_age", "3600")
		a := e.Exchange(r, b.Approve(r, "alice").Get("code"))
		if at, _ := claimsOf(t, a.Text("id_token"))["auth_time"].(float64); int64(at) < signedIn-1 || int64(at) > signedIn+1 {
			t.Errorf("auth_time is %v, the person signed in at %d", at, signedIn)
		}
	})
	for name, value := range map[string]string{"max_age": "60", "prompt": "login"} {
		t.Run("C-04 C-42 F-30: where "+name+"="+value+" makes the person sign in anew, auth_time is that sign-in", func(t *testing.T) {
			e := e.For(t)
			b := e.NewBrowser()
			b.Consent(e.NewRequest(id, "openid"), "alice")
			e.Clock.Advance(10 * time.Minute)
			r := e.NewRequest(id, "openid")
			r.Values.Set(name, value)
			now := e.Clock.Now().Unix()
			a := e.Exchange(r, b.Approve(r, "alice").Get("code"))
			if at, _ := claimsOf(t, a.Text("id_token"))["auth_time"].(float64); int64(at) < now-1 || int64(at) > now+1 {
				t.Errorf("auth_time is %v, the person signed in at %d", at, now)
			}
		})
	}
	t.Run("F-30: at_hash is right, and there is no c_hash, for no ID token comes beside a code", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogInWith(e.NewRequest(id, "openid"), "alice")
		token, err := verify(t, e, id, tokens.IDToken)
		if err != nil {
			t.Fatal(err)
		}
		if err := token.VerifyAccessToken(tokens.Access); err != nil || claimsOf(t, tokens.IDToken)["c_hash"] != nil {
			t.Errorf("%v: %v", claimsOf(t, tokens.IDToken), err)
		}
	})
	for _, nonce := range []string{"n-0S6_WzA2Mj", ` "\u003c&>ü日本`, strings.Repeat("0123456789abcdef", 64)} {
		t.Run(fmt.Sprintf("F-30: nonce %.20q comes back as it was sent", nonce), func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, "openid")
			r.Values.Set("nonce", nonce)
			if got := claimsOf(t, e.LogInWith(r, "alice").IDToken)["nonce"]; got != nonce {
				t.Errorf("nonce %q", got)
			}
		})
	}
}

func decode(t *testing.T, part string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestIDTokenIsForOpenID(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	tests := []struct {
		name, scope string
		want        bool
	}{
		{"D-10 F-32: openid gives one", "openid", true},
		{"F-36: openid beside the unstable Matrix scopes gives one", "openid " + harness.ScopeUnstable + "OLDELEMENT", true},
		{"F-32: no openid gives none", harness.ScopeStable + "PLAINDEVICE", false},
		{"F-32: what only contains openid gives none", harness.ScopeStable + "openid-device", false},
		{"F-32: what only begins with openid gives none", "openidx " + harness.ScopeStable + "OTHERDEVICE", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tokens := e.For(t).LogInWith(e.NewRequest(id, tt.scope), "alice")
			if got := tokens.IDToken != ""; got != tt.want {
				t.Fatalf("ID token: %v, want %v", got, tt.want)
			}
			if !tt.want {
				return
			}
			token, err := verify(t, e, id, tokens.IDToken)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := claimsOf(t, tokens.IDToken)["nonce"]; ok || token.Nonce != "" {
				t.Error("F-30: there is a nonce though none was sent")
			}
		})
	}
	t.Run("F-35: a refresh gives none", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogIn("bob", "REFRESHDEVICE")
		if again := e.MustRefresh(tokens.ClientID, tokens.Refresh); again.IDToken != "" {
			t.Error("there is one")
		}
	})
}

func TestKeySet(t *testing.T) {
	e := harness.Start(t)
	before := e.Get(jwksPath)
	t.Run("F-33: it is JSON", func(t *testing.T) {
		a := e.For(t).Get(jwksPath)
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("status %d, Content-Type %q", a.Status, a.Header.Get("Content-Type"))
		}
	})
	t.Run("F-34: it may be cached for fifteen minutes", func(t *testing.T) {
		if got := e.For(t).Get(jwksPath).Header.Get("Cache-Control"); got != "public, max-age=900" {
			t.Errorf("Cache-Control is %q", got)
		}
	})
	t.Run("F-33: a key has kty, use, alg, kid and its public half, and nothing else", func(t *testing.T) {
		a := e.For(t).Get(jwksPath)
		var doc struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(a.Body, &doc); err != nil || len(doc.Keys) != 1 {
			t.Fatalf("%v: %s", err, a.Body)
		}
		key := doc.Keys[0]
		for name, want := range map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256"} {
			if key[name] != want {
				t.Errorf("%s is %v, want %s", name, key[name], want)
			}
		}
		for name := range key {
			switch name {
			case "kty", "crv", "use", "alg", "kid", "x", "y":
			default:
				t.Errorf("there is a member %s", name)
			}
		}
	})
	t.Run("F-34: kid is the RFC 7638 thumbprint", func(t *testing.T) {
		keys := keySet(t, e.For(t)).Keys
		if len(keys) != 1 {
			t.Fatalf("%d keys", len(keys))
		}
		key := keys[0]
		sum, err := key.Thumbprint(crypto.SHA256)
		if err != nil || key.KeyID != base64.RawURLEncoding.EncodeToString(sum) {
			t.Errorf("kid %q, thumbprint %q, %v", key.KeyID, base64.RawURLEncoding.EncodeToString(sum), err)
		}
	})
	t.Run("F-34: the key is the same after a restart, and verifies what was signed before", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogIn("alice", "RESTARTDEVICE")
		e.Restart()
		if again := e.Get(jwksPath); string(again.Body) != string(before.Body) {
			t.Errorf("was %s, is %s", before.Body, again.Body)
		}
		if _, err := verify(t, e, tokens.ClientID, tokens.IDToken); err != nil {
			t.Errorf("the ID token of before: %v", err)
		}
		if again := e.LogIn("alice", "RESTARTDEVICE"); again.IDToken == "" {
			t.Error("no ID token after the restart")
		}
	})
	t.Run("F-34: another server has another key", func(t *testing.T) {
		other := harness.Start(t).Get(jwksPath)
		if other.Status != http.StatusOK || string(other.Body) == string(before.Body) {
			t.Errorf("status %d, and two servers share a key", other.Status)
		}
	})
}

// TestKeyIsSealed looks for the private half in the database, as somebody who
// has stolen a copy would.
func TestKeyIsSealed(t *testing.T) {
	e := harness.Start(t)
	var kid, alg, state string
	var sealed []byte
	err := database(e).QueryRowContext(t.Context(), "SELECT kid, alg, state, key_sealed FROM oidc_signingkey").Scan(&kid, &alg, &state, &sealed)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("F-33: oidc_signingkey has the one key of the set", func(t *testing.T) {
		if keys := keySet(t, e.For(t)).Keys; len(keys) != 1 || kid != keys[0].KeyID || alg != "ES256" || state != "active" {
			t.Errorf("kid %q, alg %q, state %q", kid, alg, state)
		}
	})
	t.Run("what it holds is no private key by itself (F-33)", func(t *testing.T) {
		for i := range sealed {
			if _, err := x509.ParsePKCS8PrivateKey(sealed[i:]); err == nil {
				t.Errorf("there is a readable key from byte %d on", i)
			}
		}
	})
}
