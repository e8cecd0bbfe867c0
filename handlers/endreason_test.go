package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/store"
)

// TestWhySessionsEnd ends a session in every way there is. Its client learns no
// more than that it is over; why, and by whom, is stored and logged.
func TestWhySessionsEnd(t *testing.T) {
	as := func(path string) func(*leaver) {
		return func(l *leaver) {
			expectStatus(l.e, l.e.As(l.tokens.Access, http.MethodPost, path, "{}"), http.StatusOK)
		}
	}
	administrator := func(args ...string) func(*leaver) {
		return func(l *leaver) { admin(l.e, append([]string{"user"}, args...)...) }
	}
	tests := []struct {
		name   string
		end    func(l *leaver)
		reason store.EndReason
		by     string
		quiet  bool // the server that runs has not done it, and does not log it
	}{
		{"a logout", as(logoutPath), store.EndLogout, store.ActorUser, false},
		{"a logout everywhere", as(logoutPath + "/all"), store.EndLogout, store.ActorUser, false},
		{"a revocation", func(l *leaver) { expectRevoked(t, l.e.Form(revokePath, url.Values{"token": {l.tokens.Refresh}})) }, store.EndRevoked, store.ActorClient, false},
		{"a logout by way of the client", func(l *leaver) { l.browser.Decide(l.get(l.hint()), "approve") }, store.EndRPInitiated, store.ActorUser, false},
		{"another login on the device", func(l *leaver) { l.e.LogIn("alice", "WHYDEVICE") }, store.EndReplaced, store.ActorUser, false},
		{"a legacy login on the device", func(l *leaver) { l.e.LogInLegacy("alice", "WHYDEVICE") }, store.EndReplaced, store.ActorUser, false},
		{"the reuse of a refresh token", func(l *leaver) {
			expectAlive(t, l.e, l.e.MustRefresh(l.client, l.tokens.Refresh).Access)
			expectInvalidGrant(t, l.e.Refresh(l.client, l.tokens.Refresh))
		}, store.EndRefreshReused, store.ActorServer, false},
		{"a refresh token that nobody used in time", func(l *leaver) {
			l.e.Clock.Advance(27 * time.Hour)
			sweep(l.e)
		}, store.EndRefreshExpired, store.ActorServer, false},
		{"the closing of the account", administrator("deactivate", "--yes", "alice"), store.EndDeactivated, store.ActorAdmin, true},
		{"an administrator", administrator("end-sessions", "--yes", "alice"), store.EndAdminRequest, store.ActorAdmin, true},
	}
	for _, tt := range tests {
		t.Run("D-2B: after "+tt.name+" a refresh is refused, and the server knows why", func(t *testing.T) {
			e := harness.Start(t, func(o *harness.Options) { o.Global = "refresh_token_ttl = 3600" })
			l := signedIn(e, "openid "+harness.ScopeStable+"WHYDEVICE")
			tt.end(l)
			expectInvalidGrant(t, e.Refresh(l.client, l.tokens.Refresh))
			expectDead(t, e, l.tokens.Access)
			expectEnded(t, e, sid(t, l.tokens.IDToken), tt.reason, tt.by, !tt.quiet)
		})
	}
	t.Run("D-18: after the replay of a code a refresh is refused, and the server knows why", func(t *testing.T) {
		e := harness.Start(t)
		id, _ := e.Register(harness.WebClient)
		g := approved(e, id, "openid "+harness.ScopeStable+"WHYDEVICE")
		first := e.Form(tokenPath, g.values())
		e.Clock.Advance(time.Second)
		expectInvalidGrant(t, e.Form(tokenPath, g.values()))
		expectInvalidGrant(t, e.Refresh(id, first.Text("refresh_token")))
		expectEnded(t, e, sid(t, first.Text("id_token")), store.EndCodeReplayed, store.ActorServer, true)
	})
}

// expectEnded wants a session to have ended for a reason that is stored with
// it, in the audit log, and in the log of the server that has ended it.
func expectEnded(t *testing.T, e *harness.Env, session string, reason store.EndReason, by string, log bool) {
	t.Helper()
	why, who, _, err := e.Server.Store().EndedSession(t.Context(), session)
	if err != nil || why != reason || who != by {
		t.Errorf("stored: %q by %q, %v, want %q by %q", why, who, err, reason, by)
	}
	events, err := e.Server.Store().AuditEvents(t.Context(), "alice", 20)
	if err != nil {
		t.Fatal(err)
	}
	audited := 0
	for _, ev := range events {
		if ev.SessionID == session && ev.Action == store.ActionSessionEnded && ev.Reason == string(reason) && ev.Actor == by {
			audited++
		}
	}
	if audited != 1 {
		t.Errorf("the audit log has it %d times: %+v", audited, events)
	}
	logged := 0
	for line := range strings.Lines(e.Log.String()) {
		var entry struct{ Msg, Session, Reason, By string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "session ended" && entry.Session == session {
			logged++
			if entry.Reason != string(reason) || entry.By != by {
				t.Errorf("the log says %s", line)
			}
		}
	}
	if logged != 1 && log {
		t.Errorf("the log has it %d times", logged)
	}
}
