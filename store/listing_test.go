package store_test

import (
	"slices"
	"testing"
	"time"

	"keymaker/store"
)

func TestListUsers(t *testing.T) {
	each(t, func(f *fixture) {
		for _, name := range []string{"carol", "alice", "bob"} {
			f.login(name)
		}
		_, err := f.Link(f.ctx, store.NewLink{ProviderID: "other", Issuer: "https://other.example", Subject: "1", Localpart: "bob"})
		f.must(err)
		bob := f.login("bob")
		f.start(bob, "ONE", "c1")
		over := f.start(bob, "TWO", "c1")
		f.must(f.EndSession(f.ctx, over.ID, store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin, KeepDevice: true}))
		tests := []struct {
			name string
			page store.UserPage
			want []string
		}{
			{"in the order of their names", store.UserPage{Limit: 9}, []string{"alice", "bob", "carol"}},
			{"no more than asked for", store.UserPage{Limit: 2}, []string{"alice", "bob"}},
			{"after one of them", store.UserPage{After: "bob", Limit: 9}, []string{"carol"}},
			{"after one that is not there", store.UserPage{After: "b", Limit: 9}, []string{"bob", "carol"}},
			{"those of a provider", store.UserPage{ProviderID: "other", Limit: 9}, []string{"bob"}},
			{"those of a provider of nobody", store.UserPage{ProviderID: "nobody", Limit: 9}, nil},
		}
		for _, tt := range tests {
			f.t.Run(tt.name, func(t *testing.T) {
				users, err := f.ListUsers(f.ctx, tt.page)
				f.must(err)
				var names []string
				for _, u := range users {
					names = append(names, u.User.Localpart)
					if u.User.Localpart == "bob" && (u.Links != 2 || u.Sessions != 1 || u.Devices != 2) {
						t.Errorf("bob has %d links, %d live sessions and %d devices", u.Links, u.Sessions, u.Devices)
					}
				}
				if !slices.Equal(names, tt.want) {
					t.Errorf("listed %q, want %q", names, tt.want)
				}
			})
		}
	})
}

func TestListSessions(t *testing.T) {
	each(t, func(f *fixture) {
		alice, bob := f.login("alice"), f.login("bob")
		bob.ProviderID = "other"
		first := f.start(alice, "ONE", "c1")
		f.clock.Advance(time.Minute)
		second := f.start(bob, "TWO", "c2")
		f.clock.Advance(time.Minute)
		ended := f.start(alice, "THREE", "c2")
		f.must(f.EndSession(f.ctx, ended.ID, logout))
		tests := []struct {
			name string
			page store.SessionPage
			want []grant
		}{
			{"the newest first, and none that has ended", store.SessionPage{Limit: 9}, []grant{second, first}},
			{"with those that have ended", store.SessionPage{Ended: true, Limit: 9}, []grant{ended, second, first}},
			{"no more than asked for", store.SessionPage{Ended: true, Limit: 1}, []grant{ended}},
			{"before one of them", store.SessionPage{Before: second.ID, Limit: 9}, []grant{first}},
			{"those of a user", store.SessionPage{Localpart: "alice", Ended: true, Limit: 9}, []grant{ended, first}},
			{"those of a provider", store.SessionPage{ProviderID: "other", Limit: 9}, []grant{second}},
			{"those of a client", store.SessionPage{ClientID: "c2", Ended: true, Limit: 9}, []grant{ended, second}},
			{"those of a client of a user", store.SessionPage{ClientID: "c2", Localpart: "bob", Limit: 9}, []grant{second}},
		}
		for _, tt := range tests {
			f.t.Run(tt.name, func(t *testing.T) {
				sessions, err := f.ListSessions(f.ctx, tt.page)
				f.must(err)
				if !slices.EqualFunc(sessions, tt.want, func(s store.SessionRecord, g grant) bool { return s.ID == g.ID }) {
					t.Errorf("listed %+v, want %+v", sessions, tt.want)
				}
			})
		}
		f.t.Run("an ended session says when, why and by whom, and a live one does not", func(t *testing.T) {
			over, err := f.SessionRecord(f.ctx, ended.ID)
			f.must(err)
			if !over.EndedAt.Equal(f.clock.Now()) || over.EndReason != logout.Reason || over.EndedBy != logout.Actor || over.Login.Localpart != "alice" || over.DeviceID != "THREE" {
				t.Errorf("the ended session is %+v", over)
			}
			live, err := f.SessionRecord(f.ctx, first.ID)
			f.must(err)
			if !live.EndedAt.IsZero() || live.EndReason != "" || live.DeviceName != "App" || live.Generation != 1 || !live.HasRefresh {
				t.Errorf("the live session is %+v", live)
			}
			_, err = f.SessionRecord(f.ctx, "nothing")
			f.want("a session that is not there", err, store.ErrNotFound)
		})
	})
}

func TestListDevices(t *testing.T) {
	each(t, func(f *fixture) {
		alice, bob := f.login("alice"), f.login("bob")
		bob.ProviderID = "other"
		f.start(alice, "B", "c1")
		f.start(bob, "A", "c1")
		f.must(f.EnsureDevice(f.ctx, "alice", "A", "Legacy"))
		tests := []struct {
			name string
			page store.DevicePage
			want []string
		}{
			{"in the order of their users and ids", store.DevicePage{Limit: 9}, []string{"alice/A", "alice/B", "bob/A"}},
			{"OIDC devices alone", store.DevicePage{OIDC: true, Limit: 9}, []string{"alice/B", "bob/A"}},
			{"those of a user", store.DevicePage{Localpart: "alice", Limit: 9}, []string{"alice/A", "alice/B"}},
			{"those of a provider", store.DevicePage{ProviderID: "other", Limit: 9}, []string{"bob/A"}},
			{"after one of them", store.DevicePage{AfterLocalpart: "alice", AfterDevice: "A", Limit: 9}, []string{"alice/B", "bob/A"}},
			{"after the last of a user", store.DevicePage{AfterLocalpart: "alice", AfterDevice: "B", Limit: 9}, []string{"bob/A"}},
			{"no more than asked for", store.DevicePage{Limit: 1}, []string{"alice/A"}},
		}
		for _, tt := range tests {
			f.t.Run(tt.name, func(t *testing.T) {
				devices, err := f.ListDevices(f.ctx, tt.page)
				f.must(err)
				var names []string
				for _, d := range devices {
					names = append(names, d.Localpart+"/"+d.ID)
				}
				if !slices.Equal(names, tt.want) {
					t.Errorf("listed %q, want %q", names, tt.want)
				}
			})
		}
	})
}

func TestProviderUses(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		f.login("bob")
		f.start(alice, "ONE", "c1")
		f.must(f.EndSession(f.ctx, f.start(alice, "TWO", "c1").ID, store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin, KeepDevice: true}))
		_, err := f.Link(f.ctx, store.NewLink{ProviderID: "other", Issuer: "https://other.example", Subject: "1", Localpart: "bob"})
		f.must(err)
		uses, err := f.ProviderUses(f.ctx)
		f.must(err)
		if want := (store.ProviderUse{Users: 2, Sessions: 1, Devices: 2}); len(uses) != 2 || uses["idp"] != want {
			f.t.Errorf("idp %+v, want %+v", uses["idp"], want)
		}
		if want := (store.ProviderUse{Users: 1}); uses["other"] != want {
			f.t.Errorf("other %+v, want %+v", uses["other"], want)
		}
	})
}
