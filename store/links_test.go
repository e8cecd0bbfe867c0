package store_test

import (
	"testing"
	"time"

	"keymaker/store"
)

// proof gives a browser a proof of alice's for a purpose.
func (f *fixture) proof(l store.Login, purpose string) store.ProofKey {
	f.t.Helper()
	k := store.ProofKey{Browser: "browser", Localpart: l.Localpart, Purpose: purpose}
	f.must(f.AddProof(f.ctx, k, l))
	return k
}

func TestPendingLink(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		p := store.PendingLink{NewLink: store.NewLink{ProviderID: "other", Issuer: "https://other.example", Subject: "1", Localpart: "alice", AccountName: "alice there"},
			AuthTime: f.clock.Now(), Taken: true, RequestID: "request", Return: "/page"}
		id, err := f.BeginLink(f.ctx, "browser", p, f.clock.Now().Add(time.Minute))
		f.must(err)
		f.t.Run("it is there for its browser, until it expires", func(t *testing.T) {
			got, err := f.PendingLink(f.ctx, "browser", id)
			if err != nil || got != p {
				t.Errorf("got %+v, error %v, want %+v", got, err, p)
			}
			_, err = f.PendingLink(f.ctx, "other browser", id)
			f.want("another browser", err, store.ErrNotFound)
			f.want("to end it in another browser", f.EndLink(f.ctx, "other browser", id), store.ErrConflict)
		})
		f.t.Run("L-27: of many answers one links, by a proof", func(t *testing.T) {
			k := store.ProofKey{Browser: "browser", Localpart: "alice", Purpose: "link"}
			f.want("without a proof", f.LinkProven(f.ctx, k, id, p), store.ErrNotFound)
			f.proof(alice, "link")
			wantOnce(t, together(20, func(int) error { return f.LinkProven(f.ctx, k, id, p) }), store.ErrNotFound)
			linked, err := f.LinkedUser(f.ctx, "other", "https://other.example", "1")
			if err != nil || linked != "alice" {
				t.Errorf("linked to %q, error %v", linked, err)
			}
			f.proof(alice, "link")
			f.want("once more", f.LinkProven(f.ctx, k, id, p), store.ErrConflict)
		})
		f.t.Run("what is linked already is not linked, and the proof stays", func(*testing.T) {
			id, err := f.BeginLink(f.ctx, "browser", p, f.clock.Now().Add(time.Minute))
			f.must(err)
			k := f.proof(alice, "link")
			f.want("linked", f.LinkProven(f.ctx, k, id, p), store.ErrExists)
			_, err = f.Proof(f.ctx, k)
			f.want("the proof", err, nil)
		})
		f.t.Run("H-07: nothing is linked to a user who has left", func(*testing.T) {
			_, err := f.DeactivateUser(f.ctx, "alice")
			f.must(err)
			n := p.NewLink
			n.Subject = "2"
			f.want("a closed account", f.AddLink(f.ctx, n), store.ErrNotFound)
			n.Localpart = "nobody"
			f.want("nobody's account", f.AddLink(f.ctx, n), store.ErrNotFound)
		})
		f.t.Run("it is gone afterwards", func(*testing.T) {
			f.clock.Advance(time.Hour)
			_, err := f.PendingLink(f.ctx, "browser", id)
			f.want("expired", err, store.ErrNotFound)
			_, err = f.Sweep(f.ctx)
			f.must(err)
			if n := f.number("SELECT COUNT(*) FROM pending_links"); n != 0 {
				f.t.Errorf("%d rows are left", n)
			}
		})
	})
}

func TestUnlink(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		first := store.UpstreamLink{ProviderID: alice.ProviderID, Issuer: alice.UpstreamIssuer, Subject: alice.UpstreamSubject}
		k := f.proof(alice, "unlink")
		f.want("the only link", f.UnlinkProven(f.ctx, k, first), store.ErrLastLink)
		f.must(f.AddLink(f.ctx, store.NewLink{ProviderID: "other", Issuer: "https://other.example", Subject: "1", Localpart: "alice"}))
		second := alice
		second.ProviderID, second.UpstreamIssuer, second.UpstreamSubject = "other", "https://other.example", "1"
		later := f.clock.Now().Add(time.Hour)
		f.must(f.SignInBrowser(f.ctx, "by the first", alice, later))
		f.must(f.SignInBrowser(f.ctx, "by the second", second, later))
		f.must(f.AddLoginToken(f.ctx, "token", alice, later))
		waits := func(l store.Login) string {
			id, err := f.Begin(f.ctx, "browser", store.AuthorizationRequest{Kind: store.RequestSSO, Params: []byte("{}"), ExpiresAt: later})
			f.must(err)
			f.must(f.SignedIn(f.ctx, "browser", id, l))
			return id
		}
		byFirst, bySecond := waits(alice), waits(second)
		f.start(alice, "D1", "c1")
		f.want("somebody else's", f.Unlink(f.ctx, "bob", first, store.Unlinking{Actor: store.ActorUser}), store.ErrNotFound)
		f.must(f.UnlinkProven(f.ctx, k, first))
		_, err := f.LinkedUser(f.ctx, first.ProviderID, first.Issuer, first.Subject)
		f.want("the link", err, store.ErrNotFound)
		_, err = f.BrowserSession(f.ctx, "by the first")
		f.want("a browser that used it", err, store.ErrNotFound)
		_, err = f.BrowserSession(f.ctx, "by the second")
		f.want("another browser", err, nil)
		_, err = f.LoginToken(f.ctx, "token")
		f.want("a login on its way", err, store.ErrNotFound)
		_, err = f.Request(f.ctx, "browser", byFirst)
		f.want("a sign-in that waits for an approval", err, store.ErrNotFound)
		_, err = f.Request(f.ctx, "browser", bySecond)
		f.want("one that began with the other", err, nil)
		if got := f.live("alice"); len(got) != 1 {
			f.t.Errorf("the live sessions are of %q", got)
		}
		f.want("the proof again", f.UnlinkProven(f.ctx, k, first), store.ErrNotFound)
		events, err := f.AuditEvents(f.ctx, "alice", 1)
		if err != nil || events[0].Action != store.ActionUserUnlinked || events[0].Reason != "idp" {
			f.t.Errorf("the newest event is %+v, error %v", events, err)
		}
	})
}

func TestUnlinkByAdmin(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		only := store.UpstreamLink{ProviderID: alice.ProviderID, Issuer: alice.UpstreamIssuer, Subject: alice.UpstreamSubject}
		f.must(f.SignInBrowser(f.ctx, "cookie", alice, f.clock.Now().Add(time.Hour)))
		f.want("the only link", f.Unlink(f.ctx, "alice", only, store.Unlinking{Actor: store.ActorAdmin}), store.ErrLastLink)
		_, err := f.BrowserSession(f.ctx, "cookie")
		f.want("the browser, when nothing was unlinked", err, nil)
		f.must(f.Unlink(f.ctx, "alice", only, store.Unlinking{Actor: store.ActorAdmin, Last: true}))
		links, err := f.UpstreamLinks(f.ctx, "alice")
		if err != nil || len(links) != 0 {
			f.t.Errorf("the links are %+v, error %v", links, err)
		}
		events, err := f.AuditEvents(f.ctx, "alice", 1)
		if err != nil || events[0].Action != store.ActionUserUnlinked || events[0].Actor != store.ActorAdmin || events[0].Reason != "idp" {
			f.t.Errorf("the newest event is %+v, error %v", events, err)
		}
	})
}

func TestCloseAccount(t *testing.T) {
	each(t, func(f *fixture) {
		for _, tt := range []struct {
			name  string
			erase bool
			want  string
		}{{"alice", false, "Name"}, {"bob", true, ""}} {
			l := f.login(tt.name)
			f.start(l, "D1", "c1")
			_, err := f.SetDisplayName(f.ctx, tt.name, "Name", store.ActorUser)
			f.must(err)
			picture := f.usePicture(tt.name, "content")
			f.addPicture(tt.name, "not used")
			f.exec("UPDATE upstream_links SET picture_url = 'https://idp.example/picture' WHERE localpart = ?", tt.name)
			k := store.ProofKey{Browser: "browser", Localpart: tt.name, Purpose: "deactivate"}
			f.want("without a proof", f.CloseAccount(f.ctx, k, tt.erase), store.ErrNotFound)
			f.proof(l, "deactivate")
			f.must(f.CloseAccount(f.ctx, k, tt.erase))
			user, err := f.User(f.ctx, tt.name)
			if err != nil || !user.Account.Deactivated || user.DisplayName != tt.want || len(f.live(tt.name)) != 0 {
				f.t.Errorf("user %+v, error %v, sessions %q", user, err, f.live(tt.name))
			}
			kept := f.number("SELECT count(*) FROM pictures WHERE localpart = ?", tt.name) + f.number("SELECT count(*) FROM upstream_links WHERE localpart = ? AND picture_url <> ''", tt.name)
			if tt.erase != (kept == 0) || tt.erase != (user.AvatarURL == "") {
				f.t.Errorf("%d pictures or links to them are kept, the user has %q", kept, user.AvatarURL)
			}
			_, err = f.Picture(f.ctx, picture.ID)
			f.want("the picture of who has left", err, store.ErrNotFound)
			events, err := f.AuditEvents(f.ctx, tt.name, 9)
			f.must(err)
			erased := false
			for _, e := range events {
				if e.Action == store.ActionUserDeactivated && e.Actor != store.ActorUser {
					f.t.Errorf("the audit log has %+v", e)
				}
				erased = erased || e.Action == store.ActionUserErased
			}
			if erased != tt.erase {
				f.t.Errorf("erased is %t in the audit log", erased)
			}
		}
	})
}
