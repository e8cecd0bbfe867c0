package store_test

import (
	"slices"
	"testing"

	"keymaker/store"
)

var byAdmin = store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin}

func TestDeleteSession(t *testing.T) {
	keeping := store.End{Reason: store.EndRefreshReused, Actor: store.ActorServer, KeepDevice: true}
	tests := []struct {
		name   string
		begin  func(f *fixture, alice store.Login) (id string)
		left   []string // devices
		reason store.EndReason
	}{
		{"a live session goes with its device", func(f *fixture, alice store.Login) string { return f.start(alice, "D1", "c1").ID }, []string{"OTHER"}, store.EndAdminRequest},
		{"the device that an ended session has left goes", func(f *fixture, alice store.Login) string {
			g := f.start(alice, "D1", "c1")
			f.must(f.EndSession(f.ctx, g.ID, keeping))
			return g.ID
		}, []string{"OTHER"}, store.EndRefreshReused},
		{"a device on which another session lives stays", func(f *fixture, alice store.Login) string {
			g := f.start(alice, "D1", "c1")
			f.start(alice, "D1", "c1")
			return g.ID
		}, []string{"D1", "OTHER"}, store.EndReplaced},
		{"a session without a device", func(f *fixture, alice store.Login) string { return f.start(alice, "", "c1").ID }, []string{"OTHER"}, store.EndAdminRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				alice := f.login("alice")
				f.start(alice, "OTHER", "c1")
				id := tt.begin(f, alice)
				f.must(f.DeleteSession(f.ctx, id, byAdmin))
				devices, err := f.Devices(f.ctx, "alice")
				f.must(err)
				var left []string
				for _, d := range devices {
					left = append(left, d.ID)
				}
				slices.Sort(left)
				if !slices.Equal(left, tt.left) {
					f.t.Errorf("the devices %q are left, want %q", left, tt.left)
				}
				if reason, _, _, err := f.EndedSession(f.ctx, id); err != nil || reason != tt.reason {
					f.t.Errorf("it ended for %s, error %v", reason, err)
				}
			})
		})
	}
	each(t, func(f *fixture) {
		f.want("a session that is not there", f.DeleteSession(f.ctx, "nothing", byAdmin), store.ErrNotFound)
	})
}

func TestDetachUser(t *testing.T) {
	each(t, func(f *fixture) {
		alice, bob := f.login("alice"), f.login("bob")
		g := f.start(alice, "D1", "c1")
		f.start(bob, "D1", "c1")
		f.must(f.EnsureDevice(f.ctx, "alice", "LEGACY", ""))
		f.associate("alice", "sub=2")
		f.associate("bob", "sub=3")
		f.must(f.SignInBrowser(f.ctx, "alice's cookie", alice, f.clock.Now().AddDate(1, 0, 0)))
		removed, err := f.DetachUser(f.ctx, "alice", byAdmin)
		f.must(err)
		if want := (store.Detached{Links: 1, Associations: 1, Sessions: 1, Devices: 2}); removed != want {
			f.t.Errorf("removed %+v, want %+v", removed, want)
		}
		for _, table := range []string{"upstream_links", "associations", "devices", "browser_sessions"} {
			if n := f.number("SELECT COUNT(*) FROM " + table + " WHERE localpart = 'alice'"); n != 0 {
				f.t.Errorf("%d rows of alice are left in %s", n, table)
			}
		}
		if reason, by, _, err := f.EndedSession(f.ctx, g.ID); err != nil || reason != store.EndAdminRequest || by != store.ActorAdmin {
			f.t.Errorf("the session ended for %s by %s, error %v", reason, by, err)
		}
		if _, err := f.User(f.ctx, "alice"); err != nil {
			f.t.Errorf("the account is gone: %v", err)
		}
		if _, err := f.Link(f.ctx, store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "9", Localpart: "alice", CreateUser: true}); err == nil {
			f.t.Error("the name is given to somebody else")
		}
		if users, err := f.ListUsers(f.ctx, store.UserPage{After: "alice", Limit: 1}); err != nil || users[0].Links != 1 || users[0].Sessions != 1 || users[0].Devices != 1 {
			f.t.Errorf("bob has %+v, error %v", users, err)
		}
		events, err := f.AuditEvents(f.ctx, "alice", 1)
		if err != nil || events[0].Action != store.ActionUserDetached || events[0].Actor != store.ActorAdmin {
			f.t.Errorf("the event is %+v, error %v", events[0], err)
		}
		_, err = f.DetachUser(f.ctx, "nobody", byAdmin)
		f.want("a user who is not there", err, store.ErrNotFound)
	})
}
