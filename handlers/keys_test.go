package handlers_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/internal/server"
	"keymaker/provider/signing"
	"keymaker/store/storetest"
)

// turnKeys does what a server does every few seconds.
func turnKeys(e *harness.Env, servers ...*server.Server) {
	e.T.Helper()
	for _, s := range servers {
		if err := s.TurnKeys(e.T.Context()); err != nil {
			e.T.Fatal(err)
		}
	}
}

// kidOf is the key that signed an ID token.
func kidOf(t *testing.T, token, alg string) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatalf("ID token by %s: %v", alg, err)
	}
	return jws.Signatures[0].Header.KeyID
}

// publishedKeys are the ids of the keys of an algorithm in the key set.
func publishedKeys(e *harness.Env, alg string) []string {
	e.T.Helper()
	var doc struct {
		Keys []struct{ Kid, Alg string }
	}
	if err := json.Unmarshal(e.Get(jwksPath).Body, &doc); err != nil {
		e.T.Fatal(err)
	}
	var ids []string
	for _, k := range doc.Keys {
		if k.Alg == alg {
			ids = append(ids, k.Kid)
		}
	}
	return ids
}

// rs256Client is the web client, asking for RS256.
func rs256Client(t *testing.T) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(harness.WebClient), &m); err != nil {
		t.Fatal(err)
	}
	m["id_token_signed_response_alg"] = "RS256"
	doc, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

func TestRS256(t *testing.T) {
	e := harness.Start(t)
	advertised := func(t *testing.T) []string {
		t.Helper()
		e := e.For(t)
		var doc struct {
			Algs []string `json:"id_token_signing_alg_values_supported"`
		}
		if err := json.Unmarshal(e.Get(metadataPath).Body, &doc); err != nil {
			t.Fatal(err)
		}
		return doc.Algs
	}
	header := map[string]string{"Content-Type": "application/json"}
	t.Run("A-03t B-26: without an RSA key it is neither advertised nor registered", func(t *testing.T) {
		if got := advertised(t); !slices.Equal(got, []string{"ES256"}) {
			t.Errorf("advertised: %v", got)
		}
		a := e.For(t).Do("POST", "/_tuwunel/oidc/registration", header, rs256Client(t))
		harness.ExpectOAuthError(t, a, 400, "invalid_client_metadata")
	})
	turnKeys(e, e.Server)
	t.Run("A-03t F-31: with one it is advertised in every document", func(t *testing.T) {
		if got := advertised(t); !slices.Equal(got, []string{"ES256", "RS256"}) {
			t.Errorf("advertised: %v", got)
		}
		for _, path := range metadataPaths {
			if string(e.Get(path).Body) != string(e.Get(metadataPath).Body) {
				t.Errorf("A-06: %s differs", path)
			}
		}
	})
	t.Run("F-33: the RSA key is in the key set, with its public members only", func(t *testing.T) {
		var doc struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(e.For(t).Get(jwksPath).Body, &doc); err != nil || len(doc.Keys) != 2 {
			t.Fatalf("%d keys, %v", len(doc.Keys), err)
		}
		for _, key := range doc.Keys {
			for name := range key {
				if !slices.Contains([]string{"kty", "use", "alg", "kid", "crv", "x", "y", "n", "e"}, name) {
					t.Errorf("%v has a member %s", key["kid"], name)
				}
			}
		}
	})
	id, _ := e.Register(rs256Client(t))
	r := e.NewRequest(id, "openid "+harness.ScopeStable+"RSADEVICE")
	tokens := e.LogInWith(r, "alice")
	t.Run("F-31: a client that registered it gets an ID token that verifies, with at_hash", func(t *testing.T) {
		token, err := verify(t, e, id, tokens.IDToken)
		if err != nil {
			t.Fatal(err)
		}
		if err := token.VerifyAccessToken(tokens.Access); err != nil {
			t.Error(err)
		}
		if kid := kidOf(t, tokens.IDToken, "RS256"); !slices.Equal(publishedKeys(e.For(t), "RS256"), []string{kid}) {
			t.Errorf("kid %q is not the RSA key of the set", kid)
		}
	})
	t.Run("A-03t F-23: userinfo can be signed with it too", func(t *testing.T) {
		e := e.For(t)
		id, _ := e.Register(metadataOf(t, map[string]any{"userinfo_signed_response_alg": "RS256"}))
		a := e.As(e.LogInWith(e.NewRequest(id, "openid"), "alice").Access, "GET", userinfoPath, "")
		if claims := claimsOf(t, verified(t, e, string(a.Body), jose.RS256)); claims["sub"] != "@alice:example.org" || claims["aud"] != id {
			t.Errorf("the claims are %v", claims)
		}
	})
	t.Run("F-31: another client still gets ES256", func(t *testing.T) {
		other := e.For(t).LogIn("bob", "ECDEVICE")
		kidOf(t, other.IDToken, "ES256")
		if _, err := verify(t, e, other.ClientID, other.IDToken); err != nil {
			t.Error(err)
		}
	})
	t.Run("F-34: after a restart the keys are the same", func(t *testing.T) {
		before := string(e.Get(jwksPath).Body)
		e := e.For(t)
		e.Restart()
		turnKeys(e, e.Server)
		if after := string(e.Get(jwksPath).Body); after != before {
			t.Errorf("was %s, is %s", before, after)
		}
	})
}

func TestKeyRotation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		e := harness.Start(t, func(o *harness.Options) {
			o.Global = "signing_key_rotation = 604800\noidc_rc_per_second = 0"
			o.DatabaseURL, o.SecretFile = d.URL(t), storetest.SecretFile(t)
		})
		servers := []*server.Server{e.Server}
		if d.Name == "postgres" {
			second, err := e.Reopen()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = second.Close() })
			servers = append(servers, second)
		}
		turn := func(e *harness.Env, after time.Duration) {
			e.T.Helper()
			e.Clock.Advance(after)
			turnKeys(e, servers...)
			turnKeys(e, servers...)
		}
		turn(e, 0)
		first := publishedKeys(e, "ES256")
		if len(first) != 1 {
			t.Fatalf("keys %v", first)
		}
		both, before := first, harness.Tokens{}

		t.Run("F-34: a day before its time the next key is published, once, and does not sign", func(t *testing.T) {
			e := e.For(t)
			turn(e, 6*24*time.Hour)
			now := publishedKeys(e, "ES256")
			if len(now) != 2 || now[0] != first[0] {
				t.Fatalf("the keys are %v", now)
			}
			both = now
			if kid := kidOf(t, e.LogIn("alice", "BEFORE").IDToken, "ES256"); kid != first[0] {
				t.Errorf("%s signs", kid)
			}
		})
		t.Run("F-34: at its time it signs, and what the one before has signed still verifies", func(t *testing.T) {
			e := e.For(t)
			e.Clock.Advance(24*time.Hour - time.Minute)
			before = e.LogIn("alice", "BEFORE")
			turn(e, time.Minute)
			after := e.LogIn("alice", "AFTER")
			if kid := kidOf(t, after.IDToken, "ES256"); kid != both[len(both)-1] {
				t.Errorf("%s signs", kid)
			}
			for _, tokens := range []harness.Tokens{before, after} {
				if _, err := verify(t, e, tokens.ClientID, tokens.IDToken); err != nil {
					t.Error(err)
				}
			}
		})
		t.Run("F-34: the old key stays until the last token that it signed has expired, and then goes", func(t *testing.T) {
			e := e.For(t)
			turn(e, signing.TokenTTL-time.Minute-time.Second) // the last second of that token
			if _, err := verify(t, e, before.ClientID, before.IDToken); err != nil {
				t.Error(err)
			}
			turn(e, time.Hour)
			if now := publishedKeys(e, "ES256"); len(now) != 1 || now[0] != both[len(both)-1] {
				t.Errorf("the keys are %v", now)
			}
		})
	})
}

// TestKeyCommands rotates the keys of a server that runs, by hand.
func TestKeyCommands(t *testing.T) {
	e := harness.Start(t)
	old := e.LogIn("alice", "BYHAND")
	first := publishedKeys(e, "ES256")
	t.Run("F-34: keys rotate publishes the next key, which does not sign yet", func(t *testing.T) {
		e := e.For(t)
		run(e, "keys", "rotate")
		turnKeys(e, e.Server)
		if now := publishedKeys(e, "ES256"); len(now) != 2 || now[0] != first[0] {
			t.Errorf("the keys are %v", now)
		}
		if kid := kidOf(t, e.LogIn("alice", "PUBLISHED").IDToken, "ES256"); kid != first[0] {
			t.Errorf("%s signs", kid)
		}
	})
	t.Run("F-34: keys rotate --now lets it sign, and what was signed before verifies", func(t *testing.T) {
		e := e.For(t)
		run(e, "keys", "rotate", "--now")
		turnKeys(e, e.Server)
		tokens := e.LogIn("alice", "ROTATED")
		if now := publishedKeys(e, "ES256"); len(now) != 2 || kidOf(t, tokens.IDToken, "ES256") != now[1] {
			t.Errorf("the keys are %v, and %s signs", now, kidOf(t, tokens.IDToken, "ES256"))
		}
		for _, tokens := range []harness.Tokens{old, tokens} {
			if _, err := verify(t, e, tokens.ClientID, tokens.IDToken); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("F-33 F-34: keys retire takes a key out of the set, and nothing that it signed verifies", func(t *testing.T) {
		e := e.For(t)
		run(e, "keys", "retire", first[0], "--yes")
		turnKeys(e, e.Server)
		if now := publishedKeys(e, "ES256"); len(now) != 1 || now[0] == first[0] {
			t.Errorf("the keys are %v", now)
		}
		if _, err := verify(t, e, old.ClientID, old.IDToken); err == nil {
			t.Error("an ID token of a retired key verifies")
		}
		if _, err := verify(t, e, old.ClientID, e.LogIn("alice", "RETIRED").IDToken); err != nil {
			t.Error(err)
		}
	})
}

func TestAnotherSecretFile(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.SecretFile = storetest.SecretFile(t) })
	tokens := e.LogIn("alice", "SEALEDDEVICE")
	path := filepath.Join(t.TempDir(), "other.secret")
	key, err := secret.ReadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("secret_file = %q", path)
	lines := strings.Split(e.Config, "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "secret_file") })

	t.Run("a server with the wrong one says so, and does not start", func(t *testing.T) {
		e := e.For(t)
		if err := e.Server.Close(); err != nil {
			t.Fatal(err)
		}
		right := lines[at]
		lines[at] = file
		e.Config = strings.Join(lines, "\n")
		s, err := e.Reopen()
		if err == nil {
			_ = s.Close()
			t.Fatal("it started")
		}
		if !strings.Contains(err.Error(), "secret_file "+path+" is not the one that the database was sealed with") {
			t.Errorf("it says %v", err)
		}
		lines[at] = right
	})
	e.Restart()
	t.Run("after resealing, a server that runs serves on, and rotates nothing", func(t *testing.T) {
		if _, err := e.Server.Store().Reseal(t.Context(), sealer); err != nil {
			t.Fatal(err)
		}
		if err := e.Server.TurnKeys(t.Context()); err == nil {
			t.Error("it could turn keys that it cannot open")
		}
		again := e.For(t).LogIn("bob", "RUNNINGDEVICE")
		if _, err := verify(t, e, again.ClientID, again.IDToken); err != nil {
			t.Error(err)
		}
	})
	t.Run("with the new one it starts, and every token works", func(t *testing.T) {
		e := e.For(t)
		lines[at] = file
		e.Config = strings.Join(lines, "\n")
		e.Restart()
		if a := e.WhoAmI(tokens.Access); a.Status != 200 {
			t.Errorf("whoami: %d %s", a.Status, a.Body)
		}
		if _, err := verify(t, e, tokens.ClientID, tokens.IDToken); err != nil {
			t.Error(err)
		}
		e.MustRefresh(tokens.ClientID, tokens.Refresh)
	})
}
