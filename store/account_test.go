package store_test

import (
	"slices"
	"testing"
	"time"

	"keymaker/store"
)

// stateChange is a method that changes an account, and what it leaves.
type stateChange struct {
	name   string
	change func(localpart string) (bool, error)
	undo   func(localpart string) (bool, error)
	want   store.Account
	events []string // newest first, of the change and its undoing
}

func stateChanges(f *fixture) []stateChange {
	locked := func(localpart string) (bool, error) { return f.LockUser(f.ctx, localpart) }
	unlocked := func(localpart string) (bool, error) { return f.UnlockUser(f.ctx, localpart) }
	suspended := func(localpart string) (bool, error) { return f.SuspendUser(f.ctx, localpart) }
	unsuspended := func(localpart string) (bool, error) { return f.UnsuspendUser(f.ctx, localpart) }
	deactivated := func(localpart string) (bool, error) { return f.DeactivateUser(f.ctx, localpart) }
	reactivated := func(localpart string) (bool, error) { return f.ReactivateUser(f.ctx, localpart) }
	return []stateChange{
		{"K-03: locked", locked, unlocked, store.Account{Locked: true}, []string{"user_unlocked by admin", "user_locked by admin"}},
		{"K-04: suspended", suspended, unsuspended, store.Account{Suspended: true}, []string{"user_unsuspended by admin", "user_suspended by admin"}},
		{"H-07: deactivated", deactivated, reactivated, store.Account{Deactivated: true}, []string{"user_reactivated by admin", "user_deactivated by admin"}},
	}
}

func TestAccountStates(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("bob")
		for i, c := range stateChanges(f) {
			f.t.Run(c.name, func(t *testing.T) {
				name := []string{"alice", "carol", "dave"}[i]
				f.login(name)
				wantChange(t, "the change", c.change, name, true)
				wantChange(t, "the change again", c.change, name, false)
				if user, err := f.User(f.ctx, name); err != nil || user.Account != c.want {
					t.Errorf("the account is %+v, error %v, want %+v", user.Account, err, c.want)
				}
				wantChange(t, "undoing it", c.undo, name, true)
				wantChange(t, "undoing it again", c.undo, name, false)
				if user, err := f.User(f.ctx, name); err != nil || user.Account != (store.Account{}) {
					t.Errorf("afterwards the account is %+v, error %v", user.Account, err)
				}
				events, err := f.AuditEvents(f.ctx, name, len(c.events))
				f.must(err)
				var actions []string
				for _, e := range events {
					actions = append(actions, e.Action+" by "+e.Actor)
				}
				if !slices.Equal(actions, c.events) {
					t.Errorf("events %v, want %v", actions, c.events)
				}
				for _, do := range []func(string) (bool, error){c.change, c.undo} {
					_, err := do("nobody")
					f.want("a user that does not exist", err, store.ErrNotFound)
				}
			})
		}
		if user, err := f.User(f.ctx, "bob"); err != nil || user.Account != (store.Account{}) {
			f.t.Errorf("the account of another user is %+v, error %v", user.Account, err)
		}
	})
}

func wantChange(t *testing.T, doing string, change func(string) (bool, error), localpart string, want bool) {
	t.Helper()
	if changed, err := change(localpart); err != nil || changed != want {
		t.Errorf("%s: changed %v, error %v, want %v", doing, changed, err, want)
	}
}

// everything gives a user of each thing that lets somebody in, and returns the
// session.
func everything(f *fixture, l store.Login, name string) grant {
	c := f.client(name)
	g := f.start(l, "D-"+name, c.ID)
	f.must(f.EnsureDevice(f.ctx, l.Localpart, "OLD-"+name, ""))
	expires := f.clock.Now().Add(time.Hour)
	f.must(f.SignInBrowser(f.ctx, "cookie of "+name, l, expires))
	f.must(f.AddLoginToken(f.ctx, "login token of "+name, l, expires))
	f.must(f.Consent(f.ctx, l.Localpart, c.ID, []string{"openid"}))
	f.must(f.AddProof(f.ctx, store.ProofKey{Browser: name, Localpart: l.Localpart}, l))
	f.exec("INSERT INTO reset_approvals (session_id, localpart, approved_at, expires_at) VALUES (?, ?, 0, 0)", g.ID, l.Localpart)
	f.exec(`INSERT INTO authorization_codes (session_id, code_hash, client_id, localpart, scope, redirect_uri, code_challenge, code_challenge_method, nonce,
		provider_id, upstream_issuer, upstream_subject, auth_time, created_at, expires_at) VALUES ('s', ?, ?, ?, '', '', '', '', '', '', '', '', 0, 0, 0)`,
		[]byte("code of "+name), c.ID, l.Localpart)
	return g
}

// ways counts what of a user is in the tables of what lets somebody in.
func ways(f *fixture, localpart string) map[string]int64 {
	counts := map[string]int64{"live sessions": f.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL AND localpart = ?", localpart)}
	for _, table := range []string{"devices", "browser_sessions", "login_tokens", "authorization_codes", "consents", "proofs", "reset_approvals", "upstream_links"} {
		counts[table] = f.number("SELECT count(*) FROM "+table+" WHERE localpart = ?", localpart)
	}
	return counts
}

func TestDeactivateUser(t *testing.T) {
	each(t, func(f *fixture) {
		g := everything(f, f.login("alice"), "alice")
		everything(f, f.login("bob"), "bob")
		_, err := f.DeactivateUser(f.ctx, "alice")
		f.must(err)
		for what, n := range ways(f, "alice") {
			if want := map[string]int64{"upstream_links": 1}[what]; n != want {
				f.t.Errorf("H-07: alice has %d %s, want %d", n, what, want)
			}
		}
		for what, n := range ways(f, "bob") {
			if n == 0 {
				f.t.Errorf("bob has no %s any more", what)
			}
		}
		if reason, by, _, err := f.EndedSession(f.ctx, g.ID); err != nil || reason != store.EndDeactivated || by != store.ActorAdmin {
			f.t.Errorf("D-2B: the session ended by %q because of %q, error %v", by, reason, err)
		}
		_, err = f.Link(f.ctx, store.NewLink{ProviderID: "other", Issuer: "https://other.example", Subject: "1", Localpart: "alice", CreateUser: true})
		f.want("H-07: another login that asks for the name", err, store.ErrExists)
	})
}

func TestNothingOpensAClosedAccount(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.login("alice")
		c := f.client("app")
		_, err := f.DeactivateUser(f.ctx, "alice")
		f.must(err)
		f.must(f.SignInBrowser(f.ctx, "cookie", l, f.clock.Now().Add(time.Hour)))
		_, err = f.BrowserSession(f.ctx, "cookie")
		f.want("H-07: a browser session of a closed account", err, store.ErrNotFound)
		if f.postgres { // SQLite has one writer: a login has no time to overlook it
			f.want("H-07: a login that overlooked it", f.startAs(f.newGrant(), l, "D", c.ID), store.ErrNotFound)
		}
		_, err = f.ReactivateUser(f.ctx, "alice")
		f.must(err)
		_, err = f.BrowserSession(f.ctx, "cookie")
		f.want("a browser session from before the reactivation", err, store.ErrNotFound)
		f.start(l, "D", c.ID)
	})
}

func TestReactivationFinishesNothing(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.login("alice")
		id, err := f.Begin(f.ctx, "browser", store.AuthorizationRequest{Kind: store.RequestSSO, Params: []byte("{}"), ExpiresAt: f.clock.Now().Add(time.Hour)})
		f.must(err)
		f.must(f.SignedIn(f.ctx, "browser", id, l))
		_, err = f.DeactivateUser(f.ctx, "alice")
		f.must(err)
		_, err = f.Request(f.ctx, "browser", id)
		f.want("the request of who has yet to be told that the account is closed", err, nil)
		_, err = f.ReactivateUser(f.ctx, "alice")
		f.must(err)
		_, err = f.Request(f.ctx, "browser", id)
		f.want("a request that was signed in for before", err, store.ErrNotFound)
	})
}

func TestSignOutUser(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.login("alice")
		g := everything(f, l, "alice")
		f.start(l, "SECOND", f.client("second").ID)
		everything(f, f.login("bob"), "bob")
		end := store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin}
		if n, err := f.SignOutUser(f.ctx, "alice", end); err != nil || n != 2 {
			f.t.Errorf("%d sessions ended, error %v, want 2", n, err)
		}
		// The device that had no session stays.
		want := map[string]int64{"upstream_links": 1, "devices": 1}
		for what, n := range ways(f, "alice") {
			if n != want[what] {
				f.t.Errorf("alice has %d %s, want %d", n, what, want[what])
			}
		}
		for what, n := range ways(f, "bob") {
			if n == 0 {
				f.t.Errorf("bob has no %s any more", what)
			}
		}
		if reason, by, _, err := f.EndedSession(f.ctx, g.ID); err != nil || reason != "ended_by_admin" || by != "admin" {
			f.t.Errorf("the session ended by %q because of %q, error %v", by, reason, err)
		}
		_, err := f.SignOutUser(f.ctx, "nobody", end)
		f.want("a user that does not exist", err, store.ErrNotFound)
	})
}

// A login and a deactivation at once must not leave a session, nor wait for
// each other for ever.
func TestDeactivationDuringLogins(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.login("alice")
		c := f.client("app")
		errs := together(12, func(i int) error {
			if i == 6 {
				_, err := f.DeactivateUser(f.ctx, "alice")
				return err
			}
			err := f.startAs(f.newGrant(), l, "D", c.ID)
			if f.postgres && err != nil {
				f.want("a login that came too late", err, store.ErrNotFound)
				return nil
			}
			return err
		})
		wantAll(f.t, errs)
		if n := f.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL"); f.postgres && n != 0 {
			f.t.Errorf("%d sessions live", n)
		}
	})
}

func TestLiveSessions(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.login("alice")
		c := f.client("app")
		g := f.start(l, "D1", c.ID)
		f.clock.Advance(time.Minute)
		second := f.newGrant()
		f.must(f.startAs(second, l, "", c.ID))
		f.rotate(g.Refresh)
		f.start(l, "D2", c.ID)
		f.must(f.EndSession(f.ctx, second.ID, logout))
		f.start(f.login("bob"), "D3", c.ID)
		got, err := f.LiveSessions(f.ctx, "alice")
		f.must(err)
		if len(got) != 2 || got[0].DeviceID != "D1" || got[1].DeviceID != "D2" {
			f.t.Fatalf("the sessions are %+v", got)
		}
		want := store.LiveSession{ID: g.ID, Kind: store.OAuth, DeviceID: "D1", DeviceName: "App", ClientID: c.ID, Scope: "openid", Login: got[0].Login,
			StartedAt: f.clock.Now().Add(-time.Minute), RefreshedAt: f.clock.Now(), LastSeenAt: f.clock.Now().Add(-time.Minute)}
		if got[0] != want || got[0].Login.UpstreamSubject != "alice" {
			f.t.Errorf("got %+v, want %+v", got[0], want)
		}
		if links, err := f.UpstreamLinks(f.ctx, "alice"); err != nil || len(links) != 1 || links[0].Subject != "alice" || links[0].Issuer != "https://idp.example" {
			f.t.Errorf("the links are %+v, error %v", links, err)
		}
	})
}

func TestAuditEventsOfEverybody(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.clock.Advance(time.Second)
		f.login("bob")
		events, err := f.AuditEvents(f.ctx, "", 3)
		f.must(err)
		var got []string
		for _, e := range events {
			got = append(got, e.Localpart+" "+e.Action)
		}
		if want := []string{"bob user_linked", "bob user_created", "alice user_linked"}; !slices.Equal(got, want) {
			f.t.Errorf("events %v, want %v", got, want)
		}
	})
}
