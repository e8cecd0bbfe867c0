package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

var logout = store.End{Reason: store.EndLogout, Actor: store.ActorUser}

// ended tells whether a session has ended, and why.
func (f *fixture) ended(g grant) string {
	f.t.Helper()
	session, err := f.AccessToken(f.ctx, g.Access)
	f.must(err)
	reason, by, at, err := f.EndedSession(f.ctx, g.ID)
	if !session.Ended {
		f.want("the end of a live session", err, store.ErrNotFound)
		return ""
	}
	f.must(err)
	if !at.Equal(f.clock.Now()) {
		f.t.Errorf("ended at %v, want %v", at, f.clock.Now())
	}
	return string(reason) + " by " + by
}

func (f *fixture) wantEnded(what string, g grant, want string) {
	f.t.Helper()
	if got := f.ended(g); got != want {
		f.t.Errorf("%s: ended %q, want %q", what, got, want)
	}
}

func TestStartSession(t *testing.T) {
	each(t, func(f *fixture) {
		alice, bob, c := f.login("alice"), f.login("bob"), f.client("App")
		old := f.start(alice, "D1", c.ID)
		other := f.start(alice, "D2", c.ID)
		bobs := f.start(bob, "D1", c.ID)
		without := f.start(alice, "", c.ID)
		before, err := f.Device(f.ctx, "alice", "D1")
		f.must(err)
		f.clock.Advance(time.Hour)
		f.must(f.RenameDevice(f.ctx, "alice", "D1", "My phone"))
		alice.ProviderID, alice.UpstreamSubject = "idp2", "alice2"
		next := f.start(alice, "D1", "c2")

		f.t.Run("C-63: the earlier session of the device is over", func(*testing.T) {
			f.wantEnded("the earlier session", old, "device_replaced by user")
			f.wantEnded("the new session", next, "")
			if _, err := f.Presented(f.ctx, old.Refresh, store.OAuth); err == nil {
				f.t.Error("the earlier refresh token works")
			}
		})
		f.t.Run("C-63: the device stays, with its name, and belongs to the new login", func(t *testing.T) {
			want := before
			want.DisplayName, want.ClientID, want.ProviderID, want.UpstreamSubject, want.LastSeenAt = "My phone", "c2", "idp2", "alice2", f.clock.Now()
			if got, err := f.Device(f.ctx, "alice", "D1"); err != nil || got != want {
				t.Errorf("device %+v, error %v, want %+v", got, err, want)
			}
		})
		f.t.Run("C-64: the same device id of another user is another device", func(*testing.T) {
			f.wantEnded("the other user's session", bobs, "")
		})
		f.t.Run("other sessions of the user go on", func(*testing.T) {
			f.wantEnded("on another device", other, "")
			f.wantEnded("without a device", without, "")
			f.start(alice, "", c.ID)
			f.wantEnded("without a device, after another one", without, "")
		})
		f.t.Run("start and end are in the audit log", func(t *testing.T) {
			want := []string{"session_started oauth by user", "session_ended device_replaced by user"}
			if got := f.actions("alice", old.ID); !slices.Equal(got, want) {
				t.Errorf("events %q, want %q", got, want)
			}
		})
	})
}

func TestStartSessionNeedsItsUser(t *testing.T) {
	each(t, func(f *fixture) {
		err := f.startAs(f.newGrant(), store.Login{Localpart: "nobody", AuthTime: f.clock.Now()}, "D1", "c1")
		f.want("start", err, store.ErrUnavailable)
		if n := f.number("SELECT count(*) FROM devices"); n != 0 {
			f.t.Errorf("%d devices are left", n)
		}
	})
}

func TestStartSessionsOfOneDeviceAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		for _, device := range []string{"new device", "new device"} { // the second time it is there
			grants := make([]grant, 20)
			wantAll(f.t, together(len(grants), func(i int) error {
				grants[i] = f.newGrant()
				return f.startAs(grants[i], alice, device, "c1")
			}))
			if n := f.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL"); n != 1 {
				f.t.Errorf("%d sessions are alive, want 1", n)
			}
		}
		if n := f.number("SELECT count(*) FROM devices"); n != 1 {
			f.t.Errorf("%d devices, want 1", n)
		}
	})
}

func TestEndSession(t *testing.T) {
	tests := []struct {
		name   string
		end    store.End
		device bool // is there afterwards
	}{
		{"with its device", logout, false},
		{"D-25: without its device", store.End{Reason: store.EndRefreshReused, Actor: store.ActorServer, KeepDevice: true}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				alice := f.login("alice")
				g, other := f.start(alice, "D1", "c1"), f.start(alice, "D2", "c1")
				f.must(f.EndSession(f.ctx, g.ID, tt.end))
				want := string(tt.end.Reason) + " by " + tt.end.Actor
				f.wantEnded("the session", g, want)
				f.wantEnded("another one", other, "")
				_, err := f.Device(f.ctx, "alice", "D1")
				if (err == nil) != tt.device {
					f.t.Errorf("device: error %v", err)
				}

				f.must(f.EndSession(f.ctx, g.ID, store.End{Reason: store.EndUserRequest, Actor: "somebody else"}))
				f.wantEnded("the session that had ended already", g, want)
				if _, err := f.Device(f.ctx, "alice", "D1"); (err == nil) != tt.device {
					f.t.Errorf("device after a second end: error %v", err)
				}
				events := []string{"session_started oauth by user", "session_ended " + want}
				if got := f.actions("alice", g.ID); !slices.Equal(got, events) {
					f.t.Errorf("events %q, want %q", got, events)
				}
				f.want("end a session that never was", f.EndSession(f.ctx, "nothing", logout), nil)
			})
		})
	}
}

func TestEndAllSessions(t *testing.T) {
	each(t, func(f *fixture) {
		alice, bob := f.login("alice"), f.login("bob")
		mine := []grant{f.start(alice, "D1", "c1"), f.start(alice, "D2", "c1"), f.start(alice, "", "c1")}
		bobs := f.start(bob, "D1", "c1")
		f.must(f.EndAllSessions(f.ctx, "alice", logout))
		for _, g := range mine {
			f.wantEnded("a session of the user", g, "logout by user")
		}
		f.wantEnded("a session of another user", bobs, "")
		devices, err := f.Devices(f.ctx, "alice")
		if err != nil || len(devices) != 0 {
			f.t.Errorf("devices %v, error %v", devices, err)
		}
	})
}

func TestEndIsUndoneWithItsTransaction(t *testing.T) {
	each(t, func(f *fixture) {
		g := f.start(f.login("alice"), "D1", "c1")
		f.want("InTx", f.InTx(f.ctx, func(ctx context.Context) error {
			f.must(f.EndSession(ctx, g.ID, logout))
			return errStop
		}), errStop)
		f.wantEnded("the session", g, "")
		if _, err := f.Device(f.ctx, "alice", "D1"); err != nil {
			f.t.Error(err)
		}
	})
}

// Every pair of these may run at once, in any number of servers. Whoever comes
// second must find what the first has left, and nobody may be told to try again.
func TestLoginsAndLogoutsAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*fixture{f, {Store: f.again(), t: f.t, ctx: f.ctx, clock: f.clock}}
		alice := f.login("alice")
		g := f.start(alice, "D1", "c1")
		wantAll(f.t, together(60, func(i int) error {
			s := servers[i%2]
			switch i / 2 % 3 {
			case 0:
				return s.startAs(s.newGrant(), alice, "D1", "c1")
			case 1:
				return s.EndSession(f.ctx, g.ID, logout)
			}
			return s.EndAllSessions(f.ctx, "alice", logout)
		}))
		live := f.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL")
		if devices := f.number("SELECT count(*) FROM devices"); live > 1 || devices != live {
			f.t.Errorf("%d live sessions on %d devices", live, devices)
		}
	})
}

func TestLegacySessionWithoutRefresh(t *testing.T) {
	each(t, func(f *fixture) {
		alice, hash := f.login("alice"), secret.Bytes(32)
		id := store.NewID(f.clock.Now())
		f.must(f.StartSession(f.ctx, store.NewSession{Session: store.Session{ID: id, DeviceID: "D1", Kind: store.Legacy, Scope: "all", Login: alice}}))
		f.must(f.AddAccessToken(f.ctx, store.NewAccessToken{Hash: hash, SessionID: id, Generation: 1, IssuedAt: f.clock.Now()}))
		session, err := f.AccessToken(f.ctx, hash)
		f.must(err)
		if session.Kind != store.Legacy || session.ClientID != "" || !session.ExpiresAt.IsZero() || session.Login != alice {
			f.t.Errorf("session %+v", session)
		}
		if device, err := f.Device(f.ctx, "alice", "D1"); err != nil || device.ClientID != "" {
			f.t.Errorf("device %+v, error %v: a legacy device has no client", device, err)
		}
		_, err = f.Presented(f.ctx, store.RefreshKey{SessionID: id, Generation: 1, Hash: secret.Bytes(32)}, store.Legacy)
		f.want("refresh", err, store.ErrNotFound)
	})
}

func TestDevices(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		f.login("bob")
		f.t.Run("a device is made once and keeps its name", func(t *testing.T) {
			f.must(f.EnsureDevice(f.ctx, "alice", "D1", "First"))
			f.clock.Advance(time.Hour)
			f.must(f.EnsureDevice(f.ctx, "alice", "D1", "Second"))
			want := store.Device{Localpart: "alice", ID: "D1", DisplayName: "First", CreatedAt: f.clock.Now().Add(-time.Hour), LastSeenAt: f.clock.Now().Add(-time.Hour)}
			if got, err := f.Device(f.ctx, "alice", "D1"); err != nil || got != want {
				t.Errorf("got %+v, error %v, want %+v", got, err, want)
			}
		})
		f.t.Run("many at once make one device", func(t *testing.T) {
			wantAll(t, together(20, func(i int) error { return f.EnsureDevice(f.ctx, "alice", "D0", fmt.Sprint(i)) }))
		})
		f.t.Run("they are listed from the oldest on, each user's own", func(t *testing.T) {
			f.must(f.EnsureDevice(f.ctx, "bob", "D3", "Bob's"))
			devices, err := f.Devices(f.ctx, "alice")
			if err != nil || len(devices) != 2 || devices[0].ID != "D1" || devices[1].ID != "D0" {
				t.Errorf("devices %+v, error %v", devices, err)
			}
		})
		f.t.Run("a new name is recorded", func(t *testing.T) {
			f.start(alice, "D1", "c1")
			f.must(f.RenameDevice(f.ctx, "alice", "D1", "Renamed"))
			if got, err := f.Device(f.ctx, "alice", "D1"); err != nil || got.DisplayName != "Renamed" {
				t.Errorf("got %+v, error %v", got, err)
			}
			if n := f.number("SELECT count(*) FROM audit_events WHERE action = ? AND device_id = 'D1'", store.ActionDeviceRenamed); n != 1 {
				t.Errorf("%d events, want 1", n)
			}
		})
		f.t.Run("a device that is not there", func(*testing.T) {
			_, err := f.Device(f.ctx, "bob", "D1")
			f.want("read", err, store.ErrNotFound)
			f.want("rename", f.RenameDevice(f.ctx, "bob", "D1", "x"), store.ErrNotFound)
		})
	})
}
