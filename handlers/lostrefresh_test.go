package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

func TestLostRefresh(t *testing.T) {
	tests := []struct {
		name       string
		wait       time.Duration
		sameAccess bool
	}{
		{"D-23 D-24: at once it gives the same pair again", 0, true},
		{"D-24: while the access token has a minute left it gives the same pair again", 4 * time.Minute, true},
		{"D-24: shortly before its end it gives a fresh access token", 4*time.Minute + 30*time.Second, false},
		{"D-24: after its end it gives a fresh access token", 6 * time.Minute, false},
		{"D-23a: a day later it gives a fresh access token", 24 * time.Hour, false},
		{"D-23: a year later it gives a fresh access token", 365 * 24 * time.Hour, false},
	}
	for _, tt := range tests {
		t.Run(tt.name+", and the same refresh token", func(t *testing.T) {
			e := harness.Start(t)
			r := rotate(e, "LOSTREFRESH")
			e.Clock.Advance(tt.wait)
			a := r.repeat(e)
			harness.ExpectJSON(t, a, http.StatusOK)
			if a.Text("refresh_token") != r.second.Refresh {
				t.Error("the refresh token is another one")
			}
			if got := a.Text("access_token") == r.second.Access; got != tt.sameAccess {
				t.Errorf("the same access token: %v, want %v", got, tt.sameAccess)
			}
			want := 300 * time.Second
			if tt.sameAccess {
				want -= tt.wait
			}
			if a.JSON()["expires_in"] != want.Seconds() {
				t.Errorf("D-2E: expires_in is %v, want %v", a.JSON()["expires_in"], want.Seconds())
			}
			again := r.repeat(e)
			harness.ExpectJSON(t, again, http.StatusOK)
			if again.Text("refresh_token") != r.second.Refresh {
				t.Error("at the third time the refresh token is another one")
			}
			e.Clock.Advance(want) // D-2E: for as long as it was promised
			expectAlive(t, e, a.Text("access_token"))
			expectAlive(t, e, again.Text("access_token"))
			expectAlive(t, e, e.MustRefresh(r.first.ClientID, r.second.Refresh).Access)
		})
	}
}

// TestTwoProcessesOfOneClient has an app and its notification extension refresh
// with the token that both of them read, one after the other.
func TestTwoProcessesOfOneClient(t *testing.T) {
	const apart = 4*time.Minute + 30*time.Second // so that each gets an access token of its own
	both := func(t *testing.T) (e *harness.Env, app, extension harness.Tokens) {
		t.Helper()
		e = harness.Start(t)
		r := rotate(e, "IPHONE")
		e.Clock.Advance(apart)
		extension = e.MustRefresh(r.first.ClientID, r.first.Refresh)
		if r.second.Access == extension.Access || r.second.Refresh != extension.Refresh {
			t.Fatal("they have the same access token, or other refresh tokens")
		}
		return e, r.second, extension
	}
	t.Run("D-23: the one that was answered first goes on with its answer", func(t *testing.T) {
		e, app, extension := both(t)
		expectAlive(t, e, app.Access)
		expectAlive(t, e, e.MustRefresh(app.ClientID, app.Refresh).Access)
		expectAlive(t, e, extension.Access) // D-26
	})
	t.Run("D-23: so does the one that was answered second", func(t *testing.T) {
		e, app, extension := both(t)
		expectAlive(t, e, extension.Access)
		expectAlive(t, e, app.Access)
		expectAlive(t, e, e.MustRefresh(app.ClientID, extension.Refresh).Access)
	})
	t.Run("D-23: both refresh again, and use what they got only then", func(t *testing.T) {
		e, app, extension := both(t)
		first := e.MustRefresh(app.ClientID, app.Refresh)
		e.Clock.Advance(apart)
		second := e.MustRefresh(app.ClientID, extension.Refresh)
		expectAlive(t, e, first.Access)
		expectAlive(t, e, second.Access)
		expectAlive(t, e, e.MustRefresh(app.ClientID, first.Refresh).Access)
	})
	t.Run("D-23: one that slept while the other went on is refused, for it could be a thief (D-25)", func(t *testing.T) {
		e, app, extension := both(t)
		expectAlive(t, e, e.MustRefresh(app.ClientID, app.Refresh).Access)
		expectInvalidGrant(t, e.Refresh(app.ClientID, extension.Refresh))
	})
}

func TestLostRefreshAcrossARestart(t *testing.T) {
	e := harness.Start(t)
	lost, used := rotate(e, "LOSTDEVICE"), rotate(e, "USEDDEVICE")
	expectAlive(t, e, used.second.Access)
	e.Clock.Advance(24 * time.Hour)
	e.Restart()
	t.Run("D-23: a lost answer is given again", func(t *testing.T) {
		e := e.For(t)
		a := lost.repeat(e)
		harness.ExpectJSON(t, a, http.StatusOK)
		if a.Text("refresh_token") != lost.second.Refresh {
			t.Error("the refresh token is another one")
		}
		expectAlive(t, e, a.Text("access_token"))
	})
	t.Run("D-23b: a use of before is known", func(t *testing.T) {
		e := e.For(t)
		expectInvalidGrant(t, used.repeat(e))
		expectInvalidGrant(t, e.Refresh(used.first.ClientID, used.second.Refresh))
	})
}

// TestRefreshAfterUse shows what counts as a use of the successor.
func TestRefreshAfterUse(t *testing.T) {
	tests := []struct {
		name string
		use  func(e *harness.Env, r rotated)
		over bool // the first refresh token is
	}{
		{"D-23: a Matrix request with the new access token", func(e *harness.Env, r rotated) { expectStatus(e, e.WhoAmI(r.second.Access), 200) }, true},
		{"D-23b F-07: its introspection", func(e *harness.Env, r rotated) { expectStatus(e, e.Introspect(r.second.Access), 200) }, true},
		{"D-23b: userinfo", func(e *harness.Env, r rotated) {
			expectStatus(e, e.As(r.second.Access, http.MethodGet, userinfoPath, ""), 200)
		}, true},
		{"D-23: the new refresh token", func(e *harness.Env, r rotated) { e.MustRefresh(r.second.ClientID, r.second.Refresh) }, true},
		{"D-23: the new refresh token, whose answer was lost too", func(e *harness.Env, r rotated) {
			e.MustRefresh(r.second.ClientID, r.second.Refresh)
			e.MustRefresh(r.second.ClientID, r.second.Refresh)
		}, true},
		{"D-23: the access token of a repeated answer", func(e *harness.Env, r rotated) {
			e.Clock.Advance(time.Hour)
			expectStatus(e, e.WhoAmI(e.MustRefresh(r.first.ClientID, r.first.Refresh).Access), 200)
		}, true},
		{"D-26: the old access token", func(e *harness.Env, r rotated) { expectStatus(e, e.WhoAmI(r.first.Access), 200) }, false},
		{"D-23: the new access token after its end", func(e *harness.Env, r rotated) {
			e.Clock.Advance(time.Hour)
			expectStatus(e, e.WhoAmI(r.second.Access), 401)
		}, false},
		{"D-23b: an introspection that was refused", func(e *harness.Env, r rotated) {
			expectStatus(e, e.Do(http.MethodPost, "/oauth2/introspect", map[string]string{"Content-Type": form, "Authorization": "Bearer wrong"}, "token="+r.second.Access), 401)
		}, false},
		{"D-23: the new refresh token in the hands of another client", func(e *harness.Env, r rotated) {
			other, _ := e.Register(strings.Replace(harness.WebClient, "My App", "Another", 1))
			expectStatus(e, e.Refresh(other, r.second.Refresh), 400)
		}, false},
		{"D-23: the new refresh token asking for too much", func(e *harness.Env, r rotated) {
			expectStatus(e, e.Form(tokenPath, with(refreshForm(r.second.ClientID, r.second.Refresh), "scope", "email")), 400)
		}, false},
	}
	for _, tt := range tests {
		verdict := "is no use"
		if tt.over {
			verdict = "is a use"
		}
		t.Run(tt.name+" "+verdict, func(t *testing.T) {
			e := harness.Start(t)
			r := rotate(e, "USEDEVICE")
			tt.use(e, r)
			a := r.repeat(e)
			if tt.over {
				expectInvalidGrant(t, a)
				return
			}
			harness.ExpectJSON(t, a, http.StatusOK)
			expectAlive(t, e, a.Text("access_token"))
		})
	}
}

func TestRefreshReuse(t *testing.T) {
	e := harness.Start(t)
	other := e.LogIn("alice", "OTHERDEVICE")
	r := rotate(e, "STOLENDEVICE")
	third := e.MustRefresh(r.second.ClientID, r.second.Refresh)
	expectAlive(t, e, third.Access)
	e.Clock.Advance(time.Second)
	expectInvalidGrant(t, r.repeat(e))

	for name, token := range map[string]string{"first": r.first.Access, "second": r.second.Access, "third": third.Access} {
		t.Run("D-25 L-17: the "+name+" access token of the session is dead", func(t *testing.T) { expectDead(t, e.For(t), token) })
	}
	for name, token := range map[string]string{"first": r.first.Refresh, "second": r.second.Refresh, "third": third.Refresh} {
		t.Run("D-25 L-17: the "+name+" refresh token of the session is dead", func(t *testing.T) {
			expectInvalidGrant(t, e.For(t).Refresh(r.first.ClientID, token))
		})
	}
	t.Run("D-25: the device stays", func(t *testing.T) {
		expectStatus(e.For(t), e.As(other.Access, http.MethodGet, "/_matrix/client/v3/devices/STOLENDEVICE", ""), 200)
	})
	t.Run("the audit log says why (D-25)", func(t *testing.T) {
		events, err := e.Server.Store().AuditEvents(t.Context(), "alice", 1)
		if err != nil || len(events) != 1 {
			t.Fatalf("%v, %v", events, err)
		}
		if got := events[0]; got.Action != "session_ended" || got.Reason != "refresh_reused" || got.Actor != "server" || got.DeviceID != "STOLENDEVICE" {
			t.Errorf("it ends with %+v", got)
		}
	})
	t.Run("D-25: the person's other sessions live", func(t *testing.T) { expectAlive(t, e.For(t), other.Access) })
	t.Run("D-25: the device can be logged in again", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, e.LogIn("alice", "STOLENDEVICE").Access)
	})
	t.Run("D-25 L-20: a made-up refresh token of a session ends nothing", func(t *testing.T) {
		e := e.For(t)
		r := rotate(e, "FORGEDDEVICE")
		expectAlive(t, e, r.second.Access)
		forged := []byte(r.first.Refresh)
		forged[len(forged)-40] ^= 1
		expectInvalidGrant(t, e.Refresh(r.first.ClientID, string(forged)))
		expectAlive(t, e, r.second.Access)
	})
}
