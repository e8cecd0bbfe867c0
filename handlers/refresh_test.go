package handlers_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

// refreshForm are the parameters of a refresh.
func refreshForm(clientID, token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {clientID}}
}

// rotated is a session whose refresh token has been exchanged once.
type rotated struct {
	first, second harness.Tokens
}

func rotate(e *harness.Env, device string) rotated {
	e.T.Helper()
	first := e.LogIn("alice", device)
	return rotated{first, e.MustRefresh(first.ClientID, first.Refresh)}
}

func (r rotated) repeat(e *harness.Env) harness.Answer {
	e.T.Helper()
	return e.Refresh(r.first.ClientID, r.first.Refresh)
}

func expectStatus(e *harness.Env, a harness.Answer, status int) {
	e.T.Helper()
	if a.Status != status {
		e.T.Fatalf("status %d, want %d: %s", a.Status, status, a.Body)
	}
}

func TestRefresh(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	var a harness.Answer
	t.Run("D-20: it answers in the shape of the exchange", func(t *testing.T) {
		a = e.For(t).Refresh(tokens.ClientID, tokens.Refresh)
		harness.ExpectJSON(t, a, http.StatusOK)
		want := []string{"access_token", "expires_in", "refresh_token", "scope", "token_type"}
		if got := slices.Sorted(maps.Keys(a.JSON())); !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
		if a.Text("scope") != tokens.Scope || a.JSON()["expires_in"] != 300.0 || !strings.EqualFold(a.Text("token_type"), "bearer") {
			t.Errorf("got %s", a.Body)
		}
	})
	t.Run("D-20 L-17: both tokens are new, and work", func(t *testing.T) {
		e := e.For(t)
		if a.Text("access_token") == tokens.Access || a.Text("refresh_token") == tokens.Refresh {
			t.Error("a token is the old one")
		}
		expectAlive(t, e, a.Text("access_token"))
		expectAlive(t, e, e.MustRefresh(tokens.ClientID, a.Text("refresh_token")).Access)
	})
	t.Run("D-20: a chain of refreshes goes on for as long as the client wants", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogIn("alice", "CHAINDEVICE")
		for range 50 {
			e.Clock.Advance(7 * time.Minute)
			tokens = e.MustRefresh(tokens.ClientID, tokens.Refresh)
			expectAlive(t, e, tokens.Access)
		}
	})
}

func TestRefreshOfAnotherClient(t *testing.T) {
	e := harness.Start(t)
	r := rotate(e, "AAABBBCCCDDD")
	other, _ := e.Register(strings.Replace(harness.WebClient, "My App", "Another", 1))
	t.Run("D-21: another client cannot use a refresh token", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Refresh(other, r.second.Refresh))
	})
	t.Run("D-21: nor repeat a refresh whose answer was lost", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Refresh(other, r.first.Refresh))
	})
	t.Run("D-21: nor end the session with a used one", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, r.second.Access)
		e.Clock.Advance(time.Second)
		expectInvalidGrant(t, e.Refresh(other, r.first.Refresh))
		expectAlive(t, e, r.second.Access)
	})
	t.Run("D-21: a request without client_id is not complete", func(t *testing.T) {
		values := with(refreshForm("", r.second.Refresh), "client_id", "")
		harness.ExpectOAuthError(t, e.For(t).Form(tokenPath, values), http.StatusBadRequest, "invalid_request")
	})
	t.Run("D-21: an unknown client is told so", func(t *testing.T) {
		harness.ExpectOAuthError(t, e.For(t).Refresh("nobody", r.second.Refresh), http.StatusUnauthorized, "invalid_client")
	})
	t.Run("D-21: none of it has harmed the session", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, e.MustRefresh(r.second.ClientID, r.second.Refresh).Access)
	})
}

func TestRefreshScope(t *testing.T) {
	const device = "AAABBBCCCDDD"
	granted := "openid " + harness.ScopeStable + device
	tests := []struct {
		name, scope string
		good        bool
	}{
		{"D-22: the granted scope", granted, true},
		{"D-22: the granted scope in another order", harness.ScopeStable + device + " openid", true},
		{"D-22: the granted scope in the other spelling", harness.ScopeUnstable + device, true},
		{"D-22: less than the granted scope", "openid", true},
		{"D-22: an empty scope", "", true},
		{"D-22: more than the granted scope", granted + " email", false},
		{"D-22: another device", harness.ScopeStable + "DDDCCCBBBAAA", false},
		{"D-22: an unknown scope", granted + " urn:example:unknown", false},
		{"D-22: a malformed scope", granted + " \x7f", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t)
			tokens := e.LogIn("alice", device)
			values := refreshForm(tokens.ClientID, tokens.Refresh)
			values.Set("scope", tt.scope)
			a := e.Form(tokenPath, values)
			next := a.Text("refresh_token")
			if !tt.good {
				harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_scope")
				next = tokens.Refresh
			} else if harness.ExpectJSON(t, a, http.StatusOK); a.Text("scope") != granted {
				t.Errorf("the answer grants %q, and the token %q", a.Text("scope"), granted)
			}
			again := e.MustRefresh(tokens.ClientID, next)
			if again.Scope != granted {
				t.Errorf("the next refresh grants %q, want %q", again.Scope, granted)
			}
			expectAlive(t, e, again.Access)
		})
	}
}

func TestOldAccessToken(t *testing.T) {
	e := harness.Start(t)
	r := rotate(e, "AAABBBCCCDDD")
	t.Run("D-26: it works after the refresh", func(t *testing.T) { expectAlive(t, e.For(t), r.first.Access) })
	t.Run("D-2E: it works for the seconds that it was promised", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(300 * time.Second)
		expectAlive(t, e, r.first.Access)
	})
	t.Run("D-27 K-01: then it ends, and its client is told that the session has not", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(30 * time.Second)
		a := e.WhoAmI(r.first.Access)
		harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		if a.JSON()["soft_logout"] != true {
			t.Errorf("soft_logout is %v", a.JSON()["soft_logout"])
		}
	})
}

func TestTokensOfTheWrongKind(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	legacy := e.LogInLegacy("alice", "LEGACYDEVICE")
	legacyRefresh := func(e *harness.Env, token string) harness.Answer {
		body, _ := json.Marshal(map[string]string{"refresh_token": token})
		return e.Do(http.MethodPost, "/_matrix/client/v3/refresh", map[string]string{"Content-Type": "application/json"}, string(body))
	}
	t.Run("D-29: a refresh token is no access token to Matrix", func(t *testing.T) { expectDead(t, e.For(t), tokens.Refresh) })
	t.Run("D-29: nor to userinfo", func(t *testing.T) {
		harness.ExpectOAuthError(t, e.For(t).As(tokens.Refresh, http.MethodGet, userinfoPath, ""), http.StatusUnauthorized, "invalid_token")
	})
	t.Run("D-29: nor to introspection", func(t *testing.T) { expectInactive(t, e.For(t).Introspect(tokens.Refresh)) })
	t.Run("D-2A: an access token is no refresh token", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Refresh(tokens.ClientID, tokens.Access))
	})
	t.Run("D-03: nor is what has the length of one and ends of lines in it", func(t *testing.T) {
		for _, token := range []string{"kmr_" + strings.Repeat("\n", len(tokens.Refresh)-4), tokens.Refresh[:40] + "\r\n" + tokens.Refresh[42:], tokens.Refresh + "\n"} {
			expectInvalidGrant(t, e.For(t).Refresh(tokens.ClientID, token))
		}
	})
	t.Run("D-2D: a legacy refresh token is none here", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Refresh(tokens.ClientID, legacy.Refresh))
	})
	t.Run("D-2D: and one of ours is none to the legacy endpoint", func(t *testing.T) {
		harness.ExpectMatrixError(t, legacyRefresh(e.For(t), tokens.Refresh), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
	})
	t.Run("D-2D: neither session has been harmed", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, e.MustRefresh(tokens.ClientID, tokens.Refresh).Access)
		a := legacyRefresh(e, legacy.Refresh)
		expectStatus(e, a, 200)
		expectAlive(t, e, a.Text("access_token"))
	})
}

func TestRefreshOfAnEndedSession(t *testing.T) {
	logout := func(path string) func(*harness.Env, harness.Tokens) {
		return func(e *harness.Env, tokens harness.Tokens) {
			expectStatus(e, e.As(tokens.Access, http.MethodPost, path, "{}"), 200)
		}
	}
	tests := []struct {
		name string
		end  func(e *harness.Env, tokens harness.Tokens)
	}{
		{"D-2B: after a logout", logout("/_matrix/client/v3/logout")},
		{"D-2B: after a logout everywhere", logout("/_matrix/client/v3/logout/all")},
		{"D-2B: after a revocation", func(e *harness.Env, tokens harness.Tokens) {
			expectStatus(e, e.Form(revokePath, url.Values{"token": {tokens.Access}}), 200)
		}},
		{"C-63: after another login on the device", func(e *harness.Env, _ harness.Tokens) { e.LogIn("alice", "ENDEDDEVICE") }},
		{"D-2B: of a deactivated user", func(e *harness.Env, _ harness.Tokens) {
			execute(e, "UPDATE users SET deactivated_at = 1 WHERE localpart = 'alice'")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" a refresh is refused", func(t *testing.T) {
			e := harness.Start(t)
			tokens := e.LogIn("alice", "ENDEDDEVICE")
			tt.end(e, tokens)
			expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
			expectDead(t, e, tokens.Access)
		})
	}
}

func TestRefreshOfAUserInTrouble(t *testing.T) {
	for _, state := range []string{"locked", "suspended"} {
		t.Run("D-2B K-04: a "+state+" user keeps the session", func(t *testing.T) {
			e := harness.Start(t)
			tokens := e.LogIn("alice", "TROUBLED")
			execute(e, "UPDATE users SET "+state+"_at = 1 WHERE localpart = 'alice'")
			next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
			if state == "locked" {
				a := e.WhoAmI(next.Access)
				harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_USER_LOCKED")
				if a.JSON()["soft_logout"] != true {
					t.Errorf("K-03: soft_logout is %v", a.JSON()["soft_logout"])
				}
				execute(e, "UPDATE users SET locked_at = NULL")
			}
			expectAlive(t, e, next.Access)
		})
	}
}

func TestRefreshTokenLife(t *testing.T) {
	const step = 50 * time.Minute
	tests := []struct {
		name, global string
		steps        int
		good         bool // after the last step
	}{
		{"D-28: by default a refresh token never expires", "", 10_000, true},
		{"D-28: with refresh_token_ttl it is good within that time", "refresh_token_ttl = 3600", 1, true},
		{"D-28 L-17: and not later", "refresh_token_ttl = 3600", 2, false},
		{"D-28: without refresh_token_idle_only it is good within that time", "refresh_token_ttl = 3600\nrefresh_token_idle_only = false", 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t, func(o *harness.Options) { o.Global = tt.global })
			tokens := e.LogIn("alice", "LIFEDEVICE")
			e.Clock.Advance(time.Duration(tt.steps) * step)
			a := e.Refresh(tokens.ClientID, tokens.Refresh)
			if !tt.good {
				expectInvalidGrant(t, a)
				return
			}
			harness.ExpectJSON(t, a, http.StatusOK)
			expectAlive(t, e, a.Text("access_token"))
		})
	}
	ends := []struct {
		name, global string
		good         bool
	}{
		{"D-28 L-17: each use moves the end on", "refresh_token_ttl = 3600", true},
		{"D-28: without refresh_token_idle_only it does not", "refresh_token_ttl = 3600\nrefresh_token_idle_only = false", false},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t, func(o *harness.Options) { o.Global = tt.global })
			tokens := e.LogIn("alice", "LIFEDEVICE")
			e.Clock.Advance(step)
			next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
			e.Clock.Advance(step)
			if got := e.Refresh(next.ClientID, next.Refresh).Status == http.StatusOK; got != tt.good {
				t.Errorf("100 minutes after the login the refresh is good: %v, want %v", got, tt.good)
			}
		})
	}
	t.Run("D-23 D-28: a lost answer is given again only while the session has not expired", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "refresh_token_ttl = 3600" })
		r := rotate(e, "LIFEDEVICE")
		e.Clock.Advance(step)
		harness.ExpectJSON(t, r.repeat(e), http.StatusOK)
		e.Clock.Advance(2 * step)
		expectInvalidGrant(t, r.repeat(e))
	})
	t.Run("D-27: access_token_ttl is what the client is told", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "access_token_ttl = 60" })
		tokens := e.LogIn("alice", "SHORTDEVICE")
		if tokens.ExpiresIn != 60 {
			t.Errorf("expires_in is %v", tokens.ExpiresIn)
		}
		e.Clock.Advance(60 * time.Second)
		expectAlive(t, e, tokens.Access)
		e.Clock.Advance(30 * time.Second)
		expectStatus(e, e.WhoAmI(tokens.Access), 401)
	})
}

func TestFailingRefresh(t *testing.T) {
	tests := []struct{ name, write string }{
		{"D-03: while the rotation cannot be written", "UPDATE ON sessions"},
		{"D-03: while the access token cannot be written", "INSERT ON access_tokens"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" the client is asked to try again, and has lost nothing", func(t *testing.T) {
			e := harness.Start(t)
			tokens := e.LogIn("alice", "FAILDEVICE")
			repair := broken(e, tt.write)
			a := e.Refresh(tokens.ClientID, tokens.Refresh)
			repair()
			harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
			if strings.Contains(string(a.Body), "disk") || !strings.Contains(e.Log.String(), "disk I/O error") {
				t.Errorf("D-04: the cause is for the log, not for %s", a.Body)
			}
			expectAlive(t, e, tokens.Access)
			expectAlive(t, e, e.MustRefresh(tokens.ClientID, tokens.Refresh).Access)
		})
	}
	t.Run("D-03 D-25: while a reuse cannot end the session, nothing is said about it", func(t *testing.T) {
		e := harness.Start(t)
		r := rotate(e, "FAILDEVICE")
		expectAlive(t, e, r.second.Access)
		repair := broken(e, "UPDATE ON sessions")
		a := r.repeat(e)
		repair()
		harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
		expectAlive(t, e, r.second.Access)
	})
}
