package store_test

import (
	"testing"
	"time"

	"keymaker/store"
	"keymaker/store/storetest"
)

func TestSetDisplayName(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		for i, want := range []bool{true, false} {
			f.clock.Advance(time.Minute)
			changed, err := f.SetDisplayName(f.ctx, "alice", "Alice", store.ActorUser)
			if err != nil || changed != want {
				f.t.Errorf("attempt %d: changed %t, error %v, want %t", i, changed, err, want)
			}
		}
		user, err := f.User(f.ctx, "alice")
		if err != nil || user.DisplayName != "Alice" || !user.ProfileChangedAt.Equal(storetest.Start.Add(time.Minute)) {
			f.t.Errorf("user %+v, error %v", user, err)
		}
		events, err := f.AuditEvents(f.ctx, "alice", 2)
		if err != nil || events[0].Action != store.ActionDisplayNameChanged || events[0].Actor != store.ActorUser || events[1].Action == store.ActionDisplayNameChanged {
			f.t.Errorf("events %+v, error %v", events, err)
		}
		_, err = f.SetDisplayName(f.ctx, "nobody", "x", store.ActorUser)
		f.want("a user that does not exist", err, store.ErrNotFound)
	})
}

func TestSeeLinkOfAUserWhoHasLeft(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.login("alice")
		_, err := f.DeactivateUser(f.ctx, "alice")
		f.must(err)
		f.must(f.SeeLink(f.ctx, store.SeenLink{ProviderID: l.ProviderID, Issuer: l.UpstreamIssuer, Subject: l.UpstreamSubject, Localpart: "alice",
			AccountName: "alice there", DisplayName: new("Alice"), Email: new("alice@example.org"), FirstEmail: "alice@example.org"}))
		user, err := f.User(f.ctx, "alice")
		f.must(err)
		links, err := f.UpstreamLinks(f.ctx, "alice")
		if err != nil || links[0].AccountName != "" || user.DisplayName != "" || user.Email != "" {
			f.t.Errorf("user %+v, links %+v, error %v", user, links, err)
		}
	})
}
