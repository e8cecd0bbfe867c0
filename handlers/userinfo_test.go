package handlers_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"keymaker/internal/demoidp"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

func TestUserinfo(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	tests := []struct {
		name, scope string
		want        []string
	}{
		{"F-23 F-24: openid alone gives the subject, and the name in it", "openid", []string{"sub", "username"}},
		{"F-25: profile gives the names", "openid profile", []string{"mxid", "name", "preferred_username", "sub", "updated_at", "username"}},
		{"F-25: email gives the address", "openid email", []string{"email", "email_verified", "sub", "username"}},
		{"F-25: beside a device nothing changes", "openid profile email " + harness.ScopeStable + "AAABBBCCCDDD",
			[]string{"email", "email_verified", "mxid", "name", "preferred_username", "sub", "updated_at", "username"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			tokens := e.LogInWith(e.NewRequest(id, tt.scope), "alice")
			a := e.As(tokens.Access, http.MethodGet, userinfoPath, "")
			harness.ExpectJSON(t, a, http.StatusOK) // F-26: and nothing may keep it
			members := slices.Sorted(maps.Keys(a.JSON()))
			if !slices.Equal(members, tt.want) {
				t.Errorf("claims %v, want %v", members, tt.want)
			}
			if got := claimsOf(t, tokens.IDToken)["sub"]; a.Text("sub") != "@alice:example.org" || got != a.Text("sub") {
				t.Errorf("sub is %q, and %v in the ID token", a.Text("sub"), got)
			}
			for name, v := range map[string]string{"name": "Alice Liddell", "preferred_username": "alice", "username": "alice", "mxid": "@alice:example.org", "email": "alice@example.org"} {
				if slices.Contains(tt.want, name) && a.Text(name) != v {
					t.Errorf("%s is %q, want %q", name, a.Text(name), v)
				}
			}
		})
	}
}

func TestUserinfoValues(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("F-25: the address is one that the provider vouched for, and updated_at is a whole number", func(t *testing.T) {
		e := e.For(t)
		before := e.Clock.Now().Unix()
		token := e.LogInWith(e.NewRequest(id, "openid profile email"), "alice").Access
		e.Clock.Advance(time.Minute)
		got := e.As(token, http.MethodGet, userinfoPath, "").JSON()
		if at, _ := got["updated_at"].(float64); got["email_verified"] != true || int64(at) < before || int64(at) > before+1 {
			t.Errorf("the claims are %v, the user is of %d", got, before)
		}
	})
}

// TestUserinfoWithoutValues asks for all there is about people of whom less is
// known.
func TestUserinfoWithoutValues(t *testing.T) {
	nameless := demoidp.User{Subject: "subject-carol", Username: "carol"}
	e := harness.Start(t, func(o *harness.Options) {
		o.IDP = func(p *demoidptest.Options) { p.Users = append(p.Users, nameless) }
	})
	id, _ := e.Register(harness.WebClient)
	for user, want := range map[string][]string{
		"bob":   {"mxid", "name", "preferred_username", "sub", "updated_at", "username"}, // whose address nobody has verified
		"carol": {"mxid", "preferred_username", "sub", "updated_at", "username"},
	} {
		t.Run("F-24 F-25: what is not known of "+user+" is left out, and is not null", func(t *testing.T) {
			e := e.For(t)
			a := e.As(e.LogInWith(e.NewRequest(id, "openid profile email"), user).Access, http.MethodGet, userinfoPath, "")
			harness.ExpectJSON(t, a, http.StatusOK)
			if members := slices.Sorted(maps.Keys(a.JSON())); !slices.Equal(members, want) {
				t.Errorf("the claims are %s", a.Body)
			}
		})
	}
}

func TestSignedUserinfo(t *testing.T) {
	e := harness.Start(t)
	plain, _ := e.Register(harness.WebClient)
	a := register(e, metadataOf(t, map[string]any{"userinfo_signed_response_alg": "ES256"}))
	id := a.Text("client_id")
	t.Run("B-26: the algorithm is registered and echoed", func(t *testing.T) {
		a := register(e.For(t), metadataOf(t, map[string]any{"userinfo_signed_response_alg": "ES256"}))
		if a.Status != http.StatusCreated || a.Text("userinfo_signed_response_alg") != "ES256" || a.Text("client_id") == plain {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
	tokens := e.LogInWith(e.NewRequest(id, "openid email"), "alice")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run("F-23 F-25 F-26: to "+method+" a client that registered for it gets a JWT with iss and aud, signed by a key of the set", func(t *testing.T) {
			e := e.For(t)
			a := e.As(tokens.Access, method, userinfoPath, "")
			if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/jwt" || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("status %d, Content-Type %q, Cache-Control %q: %s", a.Status, a.Header.Get("Content-Type"), a.Header.Get("Cache-Control"), a.Body)
			}
			claims := claimsOf(t, verified(t, e, string(a.Body), jose.ES256))
			want := map[string]any{"iss": e.Issuer, "aud": id, "sub": "@alice:example.org", "username": "alice", "email": "alice@example.org", "email_verified": true}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	t.Run("F-22: what is refused is refused in JSON", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectOAuthError(t, e.As("nonsense", http.MethodGet, userinfoPath, ""), http.StatusUnauthorized, "invalid_token")
	})
	t.Run("F-23: to another client it is JSON", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, e.As(e.LogInWith(e.NewRequest(plain, "openid"), "alice").Access, http.MethodGet, userinfoPath, ""), http.StatusOK)
	})
}

// verified is a JWS that a key of the set has signed.
func verified(t *testing.T, e *harness.Env, token string, alg jose.SignatureAlgorithm) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatal(err)
	}
	keys := keySet(t, e).Key(jws.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		t.Fatalf("kid %q is not in the key set", jws.Signatures[0].Header.KeyID)
	}
	if _, err := jws.Verify(keys[0]); err != nil {
		t.Fatal(err)
	}
	return token
}

func TestUserinfoToken(t *testing.T) {
	e := harness.Start(t)
	token := e.LogIn("alice", "AAABBBCCCDDD").Access
	inForm := url.Values{"access_token": {token}}.Encode()
	tests := []struct {
		name, method, path  string
		authorization, kind string
		body                string
		status              int
		challenge           string
	}{
		{"F-20: GET with the token in the header", http.MethodGet, userinfoPath, "Bearer " + token, "", "", 200, ""},
		{"F-20: POST with the token in the header", http.MethodPost, userinfoPath, "Bearer " + token, "", "", 200, ""},
		{"F-20: the scheme in another case", http.MethodGet, userinfoPath, "bEARER " + token, "", "", 200, ""},
		{"F-20: POST with the token in the form", http.MethodPost, userinfoPath, "", form, inForm, 200, ""},
		{"F-20: a token in the query is not seen", http.MethodGet, userinfoPath + "?access_token=" + token, "", "", "", 401, "Bearer"},
		{"F-20: nor in the query of a POST", http.MethodPost, userinfoPath + "?access_token=" + token, "", form, "", 401, "Bearer"},
		{"F-20: nor in the body of a GET", http.MethodGet, userinfoPath, "", form, inForm, 401, "Bearer"},
		{"F-22: no token", http.MethodGet, userinfoPath, "", "", "", 401, "Bearer"},
		{"F-22: no token in a POST", http.MethodPost, userinfoPath, "", "", "", 401, "Bearer"},
		{"F-22: an empty token", http.MethodGet, userinfoPath, "Bearer ", "", "", 401, "Bearer"},
		{"F-22: another scheme", http.MethodGet, userinfoPath, "Basic eDp5", "", "", 401, "Bearer"},
		{"F-22: an unknown token", http.MethodGet, userinfoPath, "Bearer nonsense", "", "", 401, `Bearer error="invalid_token"`},
		{"F-22: an unknown token in the form", http.MethodPost, userinfoPath, "", form, "access_token=x", 401, `Bearer error="invalid_token"`},
		{"F-22: the homeserver's secret", http.MethodGet, userinfoPath, "Bearer " + harness.HomeserverSecret, "", "", 401, `Bearer error="invalid_token"`},
		{"F-20: two tokens in the form", http.MethodPost, userinfoPath, "", form, inForm + "&" + inForm, 400, ""},
		{"F-20: a form that cannot be parsed", http.MethodPost, userinfoPath, "", form, "access_token=%zz", 400, ""},
		{"F-20: 1 MB", http.MethodPost, userinfoPath, "", form, "access_token=" + strings.Repeat("x", 1<<20), 400, ""},
		{"F-20: another method", http.MethodPut, userinfoPath, "Bearer " + token, "", "", 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := map[string]string{"Content-Type": tt.kind}
			if tt.authorization != "" {
				header["Authorization"] = tt.authorization
			}
			a := e.For(t).Do(tt.method, tt.path, header, tt.body)
			harness.ExpectJSON(t, a, tt.status)
			if got := a.Header.Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("WWW-Authenticate is %q, want %q", got, tt.challenge)
			}
			if tt.challenge == "Bearer" && a.JSON()["error"] != nil {
				t.Errorf("there is an error code: %s", a.Body)
			}
		})
	}
}

func TestUserinfoOfTokensThatDoNotWork(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	for name, token := range map[string]func(e *harness.Env) string{
		"a token without openid": func(e *harness.Env) string {
			return e.LogInWith(e.NewRequest(id, harness.ScopeStable+"AAABBBCCCDDD"), "alice").Access
		},
		"a token whose scope only contains openid": func(e *harness.Env) string {
			return e.LogInWith(e.NewRequest(id, harness.ScopeStable+"openid"), "alice").Access
		},
		"a token of a legacy login": func(e *harness.Env) string { return e.LogInLegacy("alice", "LEGACY").Access },
	} {
		t.Run("F-21: "+name+" is not enough", func(t *testing.T) {
			e := e.For(t)
			a := e.As(token(e), http.MethodGet, userinfoPath, "")
			harness.ExpectOAuthError(t, a, http.StatusForbidden, "insufficient_scope")
			if got := a.Header.Get("WWW-Authenticate"); got != `Bearer error="insufficient_scope", scope="openid"` {
				t.Errorf("WWW-Authenticate is %q", got)
			}
		})
	}
	tests := []struct {
		name  string
		token func(e *harness.Env) string
	}{
		{"F-22: a revoked token", func(e *harness.Env) string {
			token := e.LogIn("alice", "REVOKED").Access
			expectStatus(e, e.Form(revokePath, url.Values{"token": {token}}), 200)
			return token
		}},
		{"F-22: an expired token", func(e *harness.Env) string {
			token := e.LogIn("alice", "EXPIRED").Access
			e.Clock.Advance(time.Hour)
			return token
		}},
		{"F-22: a refresh token", func(e *harness.Env) string { return e.LogIn("alice", "REFRESH").Refresh }},
		{"F-22: an ID token", func(e *harness.Env) string { return e.LogIn("alice", "IDTOKEN").IDToken }},
		{"F-22: a legacy refresh token", func(e *harness.Env) string { return e.LogInLegacy("alice", "LEGACY").Refresh }},
		{"F-22: a token of a deactivated user", func(e *harness.Env) string {
			token := e.LogIn("bob", "DEACTIVATED").Access
			execute(e, "UPDATE users SET deactivated_at = 1 WHERE localpart = 'bob'")
			return token
		}},
		{"F-22: a token of a locked user", func(e *harness.Env) string {
			token := e.LogIn("alice", "LOCKED").Access
			setUser(e, "alice", "locked_at", true)
			return token
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" is refused", func(t *testing.T) {
			e := e.For(t)
			a := e.As(tt.token(e), http.MethodGet, userinfoPath, "")
			harness.ExpectOAuthError(t, a, http.StatusUnauthorized, "invalid_token")
			if got := a.Header.Get("WWW-Authenticate"); got != `Bearer error="invalid_token"` {
				t.Errorf("WWW-Authenticate is %q", got)
			}
		})
	}
}
