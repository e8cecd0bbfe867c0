package handlers_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"keymaker/internal/command"
	"keymaker/internal/harness"
)

// run runs a command of the program beside the server, on its database.
func run(e *harness.Env, group string, args ...string) {
	e.T.Helper()
	path := filepath.Join(e.T.TempDir(), "keymaker.toml")
	if err := os.WriteFile(path, []byte(e.Config), 0o600); err != nil {
		e.T.Fatal(err)
	}
	var out, errs bytes.Buffer
	args = append([]string{group, "--config", path}, args...)
	if status := command.Main(args, &command.Streams{Out: &out, Err: &errs}); status != 0 {
		e.T.Fatalf("%v: exit status %d: %s%s", args, status, out.String(), errs.String())
	}
}

// admin runs `keymaker admin`.
func admin(e *harness.Env, args ...string) {
	e.T.Helper()
	run(e, "admin", args...)
}

func refreshLegacy(e *harness.Env, token string) harness.Answer {
	e.T.Helper()
	return sendJSON(e, legacyRefreshPath, `{"refresh_token":"`+token+`"}`)
}

// withToken posts a login token.
func withToken(e *harness.Env, token string) harness.Answer {
	e.T.Helper()
	return sendJSON(e, loginPath, `{"type":"m.login.token","token":"`+token+`"}`)
}

// expectLocked wants an answer that keeps the session for later.
func expectLocked(t *testing.T, a harness.Answer) {
	t.Helper()
	harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_USER_LOCKED")
	if a.JSON()["soft_logout"] != true {
		t.Errorf("K-03: soft_logout is %v", a.JSON()["soft_logout"])
	}
}

// approvedDevice is a device that a user has let in, and that has not asked
// since.
func approvedDevice(e *harness.Env, user string) deviceFlow {
	e.T.Helper()
	d := begin(e)
	b := e.NewBrowser()
	if end := b.Decide(enter(e, b, d.userCode, user), "approve"); end.StatusCode != http.StatusOK {
		e.T.Fatalf("approve a device: status %d:\n%s", end.StatusCode, end.Text())
	}
	return d
}

func TestLockedAccount(t *testing.T) {
	e := harness.Start(t)
	tokens, legacy, third := e.LogIn("alice", "FIRST"), e.LogInLegacy("alice", "SECOND"), e.LogIn("alice", "THIRD")
	bob := e.LogIn("bob", "BOBS")
	flight := approved(e, tokens.ClientID, harness.ScopeStable+"FLIGHT")
	loginToken := e.LoginToken(e.NewBrowser(), "alice")
	tv, asked := approvedDevice(e, "alice"), begin(e)
	b := e.NewBrowser()
	question := enter(e, b, asked.userCode, "alice")
	admin(e, "user", "lock", "alice")

	t.Run("F-03: the tokens of a locked user are inactive for the homeserver, from the next question on", func(t *testing.T) {
		e := e.For(t)
		expectInactive(t, e.Introspect(tokens.Access))
		expectInactive(t, e.Introspect(legacy.Access))
	})
	requests := [][2]string{{http.MethodPut, devicesPath + "/FIRST"}, {http.MethodPut, profilePath + "/@alice:example.org/displayname"}}
	for _, path := range memberPaths("FIRST") {
		requests = append(requests, [2]string{http.MethodGet, path})
	}
	for _, r := range requests {
		t.Run("K-03: a locked user is told so, and to keep the session: "+r[0]+" "+r[1], func(t *testing.T) {
			expectLocked(t, e.For(t).As(tokens.Access, r[0], r[1], `{"display_name":"x"}`))
		})
	}
	t.Run("D-2B: a refresh gives new tokens, which are locked too", func(t *testing.T) {
		e := e.For(t)
		tokens = e.MustRefresh(tokens.ClientID, tokens.Refresh)
		expectLocked(t, e.WhoAmI(tokens.Access))
	})
	t.Run("K-03: a legacy refresh says that the user is locked, and keeps the token", func(t *testing.T) {
		expectLocked(t, refreshLegacy(e.For(t), legacy.Refresh))
	})
	t.Run("C-67: a login on its way is not completed", func(t *testing.T) {
		e := e.For(t)
		expectInvalidGrant(t, e.Exchange(flight.Request, flight.code))
		expectLocked(t, withToken(e, loginToken))
		expectInvalidGrant(t, tv.poll(e))
	})
	t.Run("C-67 G-10: nor is a device let in that the user was asked about before", func(t *testing.T) {
		e := e.For(t)
		expectPage(t, b.Decide(question, "approve"), http.StatusForbidden, "Your account is locked")
		expectPage(t, enter(e, e.NewBrowser(), asked.userCode, "alice"), http.StatusForbidden, "Your account is locked")
		harness.ExpectOAuthError(t, asked.poll(e), http.StatusBadRequest, "authorization_pending")
	})
	t.Run("C-67: a sign-in ends on a page that says so, with a way back to the client", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(tokens.ClientID, harness.ScopeStable+"NEW")
		p := e.NewBrowser().Consent(r, "alice")
		expectPage(t, p, http.StatusForbidden, "Your account is locked")
		expectDenied(t, e, p, r)
	})
	t.Run("K-03: a locked user may log out", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, e.As(third.Access, http.MethodPost, logoutPath, "{}"), http.StatusOK)
		expectDead(t, e, third.Access)
	})
	t.Run("K-03: nobody else is locked", func(t *testing.T) {
		expectAlive(t, e.For(t), bob.Access)
	})

	admin(e, "user", "unlock", "alice")
	t.Run("K-03: once unlocked the same tokens work again", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, tokens.Access)
		expectAlive(t, e, legacy.Access)
		if a := e.Introspect(tokens.Access); a.JSON()["active"] != true {
			t.Errorf("introspection says %s", a.Body)
		}
		expectAlive(t, e, e.MustRefresh(tokens.ClientID, tokens.Refresh).Access)
		expectAlive(t, e, refreshLegacy(e, legacy.Refresh).Text("access_token"))
		e.LogIn("alice", "NEW")
	})
	t.Run("K-03: a locked user may log out everywhere", func(t *testing.T) {
		e := e.For(t)
		admin(e, "user", "lock", "alice")
		harness.ExpectJSON(t, e.As(tokens.Access, http.MethodPost, logoutPath+"/all", "{}"), http.StatusOK)
		admin(e, "user", "unlock", "alice")
		expectDead(t, e, tokens.Access)
		expectDead(t, e, legacy.Access)
	})
}

func TestSuspendedAccount(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "FIRST")
	setName := func(e *harness.Env, field string) harness.Answer {
		return e.As(tokens.Access, http.MethodPut, profilePath+"/@alice:example.org/"+field, `{"`+field+`":"x"}`)
	}
	t.Run("K-11: nobody changes what capabilities does not offer", func(t *testing.T) {
		harness.ExpectMatrixError(t, setName(e.For(t), "m.tz"), http.StatusForbidden, "M_FORBIDDEN")
	})
	admin(e, "user", "suspend", "alice")
	for _, field := range []string{"displayname", "avatar_url"} {
		t.Run("K-04: a suspended user who would change the profile is told why not: "+field, func(t *testing.T) {
			harness.ExpectMatrixError(t, setName(e.For(t), field), http.StatusForbidden, "M_USER_SUSPENDED")
		})
	}
	t.Run("K-04: a suspended user refreshes", func(t *testing.T) {
		e := e.For(t)
		tokens = e.MustRefresh(tokens.ClientID, tokens.Refresh)
		expectAlive(t, e, tokens.Access)
	})
	t.Run("F-03 K-04: the tokens of a suspended user are active: the homeserver says what they may do", func(t *testing.T) {
		if a := e.For(t).Introspect(tokens.Access); a.JSON()["active"] != true {
			t.Errorf("introspection says %s", a.Body)
		}
	})
	t.Run("C-67 K-04: a suspended user logs in", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, e.LogIn("alice", "SECOND").Access)
		expectAlive(t, e, e.LogInLegacy("alice", "THIRD").Access)
		expectAlive(t, e, approvedDevice(e, "alice").poll(e).Text("access_token"))
	})
	for _, path := range memberPaths("FIRST") {
		t.Run("K-04: a suspended user reads: "+path, func(t *testing.T) {
			harness.ExpectJSON(t, e.For(t).As(tokens.Access, http.MethodGet, path, ""), http.StatusOK)
		})
	}
	t.Run("K-04: a suspended user looks after the devices", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, e.As(tokens.Access, http.MethodPut, devicesPath+"/SECOND", `{"display_name":"Phone"}`), http.StatusOK)
	})
	t.Run("K-04: a suspended user logs out", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, e.As(tokens.Access, http.MethodPost, logoutPath+"/all", "{}"), http.StatusOK)
		expectDead(t, e, tokens.Access)
	})
	admin(e, "user", "unsuspend", "alice")
	t.Run("K-04: afterwards everything is as before", func(t *testing.T) {
		e := e.For(t)
		tokens = e.LogIn("alice", "FIRST")
		harness.ExpectJSON(t, setName(e, "displayname"), http.StatusOK)
	})
}

func TestDeactivatedAccount(t *testing.T) {
	e := harness.Start(t)
	tokens, legacy := e.LogIn("alice", "FIRST"), e.LogInLegacy("alice", "SECOND")
	bob := e.LogIn("bob", "BOBS")
	flight := approved(e, tokens.ClientID, harness.ScopeStable+"FLIGHT")
	loginToken := e.LoginToken(e.NewBrowser(), "alice")
	tv := approvedDevice(e, "alice")
	r := e.NewRequest(tokens.ClientID, harness.ScopeStable+"ASKED")
	b := e.NewBrowser()
	asked := b.Consent(r, "alice")
	silent := func(e *harness.Env, b *harness.Browser) string {
		quiet := e.NewRequest(tokens.ClientID, harness.ScopeStable+"QUIET")
		quiet.Values.Set("prompt", "none")
		return harness.Returned(b.Authorize(quiet)).Get("error")
	}
	if got := silent(e, b); got != "consent_required" {
		t.Fatalf("prompt=none in a browser that is signed in: %q", got)
	}
	admin(e, "user", "deactivate", "alice", "--yes")

	dead := func(t *testing.T) {
		t.Helper()
		e := e.For(t)
		for _, access := range []string{tokens.Access, legacy.Access} {
			expectDead(t, e, access)
			expectInactive(t, e.Introspect(access))
		}
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
		harness.ExpectMatrixError(t, refreshLegacy(e, legacy.Refresh), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		expectInvalidGrant(t, e.Exchange(flight.Request, flight.code))
		harness.ExpectMatrixError(t, withToken(e, loginToken), http.StatusForbidden, "M_FORBIDDEN")
		expectInvalidGrant(t, tv.poll(e))
	}
	t.Run("K-05 F-03 D-2B H-07 L-31: every token is dead, and so is every login on its way", dead)
	t.Run("C-67: who was asked for approval is told, with a way back to the client", func(t *testing.T) {
		e := e.For(t)
		p := b.Decide(asked, "approve")
		expectPage(t, p, http.StatusForbidden, "This account is closed")
		expectDenied(t, e, p, r)
	})
	t.Run("H-07: no browser is signed in any more", func(t *testing.T) {
		if got := silent(e.For(t), b); got != "login_required" {
			t.Errorf("prompt=none says %q", got)
		}
	})
	for i := range 2 {
		t.Run(fmt.Sprintf("C-67 H-07: sign-in %d ends on a page that says so, with a way back to the client", i+1), func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(tokens.ClientID, harness.ScopeStable+"NEW")
			p := e.NewBrowser().Consent(r, "alice")
			expectPage(t, p, http.StatusForbidden, "This account is closed")
			expectDenied(t, e, p, r)
		})
	}
	t.Run("C-67 H-07: a legacy sign-in ends there too", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		p := b.SignIn(b.Visit(ssoPath+"/"+e.IDP.ClientID+"?"+url.Values{"redirectUrl": {harness.LegacyRedirect}}.Encode()), "alice")
		expectPage(t, p, http.StatusForbidden, "This account is closed")
	})
	t.Run("H-07: nobody else is logged out", func(t *testing.T) {
		expectAlive(t, e.For(t), bob.Access)
	})

	admin(e, "user", "reactivate", "alice")
	t.Run("H-07: reactivation brings no token back", dead)
	t.Run("H-07: nor what was asked before", func(t *testing.T) {
		expectPage(t, b.For(t).Decide(asked, "approve"), http.StatusBadRequest, "expired")
	})
	t.Run("H-07: a reactivated user logs in again, as the same user, to none of the old devices", func(t *testing.T) {
		e := e.For(t)
		next := e.LogIn("alice", "AFTER")
		if a := e.WhoAmI(next.Access); a.Text("user_id") != "@alice:example.org" {
			t.Errorf("whoami says %s", a.Body)
		}
		devices, _ := e.As(next.Access, http.MethodGet, devicesPath, "").JSON()["devices"].([]any)
		if len(devices) != 1 {
			t.Errorf("the devices are %v", devices)
		}
	})
}

func TestEndedByAnAdministrator(t *testing.T) {
	e := harness.Start(t)
	tokens, legacy, bob := e.LogIn("alice", "FIRST"), e.LogInLegacy("alice", "SECOND"), e.LogIn("bob", "BOBS")
	flight := approved(e, tokens.ClientID, harness.ScopeStable+"FLIGHT")
	loginToken, tv := e.LoginToken(e.NewBrowser(), "alice"), approvedDevice(e, "alice")
	admin(e, "user", "end-sessions", "alice", "--yes")
	t.Run("D-2B F-03: the tokens of sessions that an administrator ended are dead, and a login on its way too", func(t *testing.T) {
		e := e.For(t)
		expectDead(t, e, tokens.Access)
		expectDead(t, e, legacy.Access)
		expectInactive(t, e.Introspect(tokens.Access))
		expectInactive(t, e.Introspect(legacy.Access))
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
		expectInvalidGrant(t, e.Exchange(flight.Request, flight.code))
		expectInvalidGrant(t, tv.poll(e))
		harness.ExpectMatrixError(t, withToken(e, loginToken), http.StatusForbidden, "M_FORBIDDEN")
		expectAlive(t, e, bob.Access)
	})
	t.Run("D-2B: the user logs in again", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, e.LogIn("alice", "FIRST").Access)
	})
}
