package store_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/e2ekeys"
	"keymaker/store"
	"keymaker/store/storetest"
)

const (
	home  = "192.0.2.1"
	email = "alice@home.example"
)

func eachWithNotices(t *testing.T, test func(*fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		f := open(t, d)
		f.options.Notices = true
		f.Store, f.ctx = f.again(), store.WithAddress(f.ctx, home)
		test(f)
	})
}

// person makes a user with an address.
func (f *fixture) person(localpart string) store.Login {
	f.t.Helper()
	l := f.login(localpart)
	f.exec("UPDATE users SET email = ? WHERE localpart = ?", localpart+"@home.example", localpart)
	return l
}

// mails are the jobs of notices that wait, oldest first.
func (f *fixture) mails() []store.Job {
	f.t.Helper()
	waiting, err := f.Jobs(f.ctx, []store.JobState{store.JobWaiting}, 1000)
	f.must(err)
	slices.Reverse(waiting)
	return waiting
}

// notified is what waits for people, without whom it goes to.
func (f *fixture) notified() []store.Notice {
	f.t.Helper()
	var notices []store.Notice
	for _, j := range f.mails() {
		n, _, err := f.ReadNotice(f.ctx, j)
		f.must(err)
		if j.Kind != store.JobNotice || j.Lane != "notice "+n.Localpart {
			f.t.Errorf("a job of kind %q in lane %q", j.Kind, j.Lane)
		}
		notices = append(notices, n)
	}
	f.exec("DELETE FROM jobs")
	return notices
}

func TestWhatPeopleAreToldByMail(t *testing.T) {
	changed := func(_ bool, err error) error { return err }
	second := store.NewLink{ProviderID: "other", Issuer: "https://other.example", Subject: "1", Localpart: "alice"}
	link := store.UpstreamLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "alice"}
	tests := []struct {
		name string
		do   func(f *fixture, g grant) error
		want []store.Notice
	}{
		{"that somebody signs in", func(f *fixture, _ grant) error { f.start(f.login("alice"), "TABLET", "c2"); return nil },
			[]store.Notice{{Kind: store.NoticeSignIn, Localpart: "alice", ClientID: "c2", DeviceID: "TABLET", ProviderID: "idp"}}},
		{"that an account leads to theirs", func(f *fixture, _ grant) error { return f.AddLink(f.ctx, second) },
			[]store.Notice{{Kind: store.NoticeLinked, Localpart: "alice", ProviderID: "other"}}},
		{"and the same at a first login with it", func(f *fixture, _ grant) error { _, err := f.Link(f.ctx, second); return err },
			[]store.Notice{{Kind: store.NoticeLinked, Localpart: "alice", ProviderID: "other"}}},
		{"nothing of the account that made theirs", func(f *fixture, _ grant) error { f.login("bob"); return nil }, nil},
		{"that an account leads there no more", func(f *fixture, _ grant) error {
			return f.Unlink(f.ctx, "alice", link, store.Unlinking{Actor: store.ActorAdmin, Last: true})
		}, []store.Notice{{Kind: store.NoticeUnlinked, Localpart: "alice", ProviderID: "idp"}}},
		{"that nothing leads there any more", func(f *fixture, _ grant) error {
			_, err := f.DetachUser(f.ctx, "alice", store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin})
			return err
		}, []store.Notice{{Kind: store.NoticeUnlinked, Localpart: "alice", ProviderID: "idp"}}},
		{"that a reset is approved", func(f *fixture, _ grant) error {
			_, x := f.waiting(f.login("alice"), "TABLET")
			f.exec("DELETE FROM jobs")
			f.exec("UPDATE sessions SET client_id = 'c2' WHERE id = ?", x.SessionID)
			x.ClientID = "c2"
			f.approve(x)
			return nil
		}, []store.Notice{{Kind: store.NoticeResetApproved, Localpart: "alice", ClientID: "c2", DeviceID: "TABLET", ProviderID: "idp"}}},
		{"and the same of an administrator's approval", func(f *fixture, g grant) error { _, err := f.AllowReset(f.ctx, "alice", g.ID); return err },
			[]store.Notice{{Kind: store.NoticeResetApproved, Localpart: "alice", ClientID: "c1", DeviceID: "PHONE", ProviderID: "idp"}}},
		{"that the keys were replaced, and not that there are some", func(f *fixture, g grant) error {
			replace := crossSigning("other")
			replace.Replaces = true
			f.must(f.change(crossSigning("master")))
			f.allow(g.ID)
			return f.ChangeCrossSigning(f.ctx, &store.Session{ID: g.ID, DeviceID: "PHONE", ClientID: "c1", Login: store.Login{Localpart: "alice"}},
				func(store.PublicKeys) (e2ekeys.Change, error) { return replace, nil })
		}, []store.Notice{{Kind: store.NoticeKeysReplaced, Localpart: "alice", ClientID: "c1", DeviceID: "PHONE"}}},
		{"that an administrator closed the account, once", func(f *fixture, _ grant) error {
			f.must(changed(f.DeactivateUser(f.ctx, "alice")))
			return changed(f.DeactivateUser(f.ctx, "alice"))
		}, []store.Notice{{Kind: store.NoticeDeactivated, Localpart: "alice"}}},
		{"that they closed it", func(f *fixture, _ grant) error {
			return f.CloseAccount(f.ctx, f.proof(f.login("alice"), "deactivate"), true)
		}, []store.Notice{{Kind: store.NoticeDeactivated, Localpart: "alice"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eachWithNotices(t, func(f *fixture) {
				g := f.start(f.person("alice"), "PHONE", "c1")
				f.exec("DELETE FROM jobs")
				f.must(tt.do(f, g))
				if got := f.notified(); jsonOf(t, got) != jsonOf(t, tt.want) {
					t.Errorf("told %s, want %s", jsonOf(t, got), jsonOf(t, tt.want))
				}
			})
		})
	}
}

func TestWhoIsToldNothingByMail(t *testing.T) {
	t.Run("nobody where no mails are sent", func(t *testing.T) {
		each(t, func(f *fixture) {
			f.start(f.person("alice"), "PHONE", "c1")
			f.must(f.KeepLanguage(f.ctx, "alice", "de"))
			if user, err := f.User(f.ctx, "alice"); len(f.notified()) != 0 || user.Language != "" || err != nil {
				t.Errorf("the language %q is kept, error %v", user.Language, err)
			}
		})
	})
	t.Run("whoever has no address", func(t *testing.T) {
		eachWithNotices(t, func(f *fixture) {
			f.start(f.login("alice"), "PHONE", "c1")
			if got := f.notified(); len(got) != 0 {
				t.Errorf("told %+v", got)
			}
		})
	})
	t.Run("whose change failed", func(t *testing.T) {
		eachWithNotices(t, func(f *fixture) {
			l := f.person("alice")
			f.want("unlink", f.Unlink(f.ctx, "alice", store.UpstreamLink{ProviderID: l.ProviderID, Issuer: l.UpstreamIssuer, Subject: "alice"}, store.Unlinking{}), store.ErrLastLink)
			if got := f.notified(); len(got) != 0 {
				t.Errorf("told %+v", got)
			}
		})
	})
}

func TestWhichSignInsAreNew(t *testing.T) {
	tests := []struct {
		name                             string
		device, client, browser, address string
		end                              store.EndReason
		told                             bool
	}{
		{name: "another device of the same client, by the same browser", device: "OTHER", client: "c1", browser: "b1", address: "198.51.100.7"},
		{name: "the same browser after a sign-out", device: "OTHER", client: "c1", browser: "b1", address: home, end: store.EndLogout},
		{name: "the same device from the same address, by another browser", device: "PHONE", client: "c1", browser: "b2", address: home},
		{name: "the same device from elsewhere, by another browser", device: "PHONE", client: "c1", browser: "b2", address: "198.51.100.7", told: true},
		{name: "the same device where no address is known", device: "PHONE", client: "c1", told: true},
		{name: "another device at the same address", device: "OTHER", client: "c1", browser: "b2", address: home, told: true},
		{name: "another client in the same browser", device: "OTHER", client: "c2", browser: "b1", address: home, told: true},
		{name: "another client on the same device", device: "PHONE", client: "c2", browser: "b2", address: home, told: true},
		{name: "the browser of one whom the person threw out", device: "OTHER", client: "c1", browser: "b1", address: home, end: store.EndUserRequest, told: true},
		{name: "the browser of a token thief", device: "OTHER", client: "c1", browser: "b1", address: home, end: store.EndRefreshReused, told: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eachWithNotices(t, func(f *fixture) {
				l := f.person("alice")
				l.BrowserHash = "b1"
				g := f.start(l, "PHONE", "c1")
				if tt.end != "" {
					f.must(f.EndSession(f.ctx, g.ID, store.End{Reason: tt.end, Actor: store.ActorUser}))
				}
				f.exec("DELETE FROM jobs")
				l.BrowserHash = tt.browser
				f.in(store.WithAddress(f.ctx, tt.address)).start(l, tt.device, tt.client)
				if got := f.notified(); len(got) > 1 || tt.told != (len(got) == 1) {
					t.Errorf("told %+v", got)
				}
			})
		})
	}
	t.Run("what another user did in the same browser counts for nothing", func(t *testing.T) {
		eachWithNotices(t, func(f *fixture) {
			for _, name := range []string{"alice", "bob"} {
				l := f.person(name)
				l.BrowserHash = "b1"
				f.start(l, "PHONE", "c1")
			}
			if got := f.notified(); len(got) != 2 {
				t.Errorf("told %+v", got)
			}
		})
	})
	t.Run("an address that nobody knows is no address", func(t *testing.T) {
		eachWithNotices(t, func(f *fixture) {
			l, nowhere := f.person("alice"), f.in(store.WithAddress(f.ctx, ""))
			nowhere.start(l, "PHONE", "c1")
			nowhere.start(l, "PHONE", "c1")
			if got := f.notified(); len(got) != 2 {
				t.Errorf("told %+v", got)
			}
		})
	})
	t.Run("a device that the homeserver has just made is new", func(t *testing.T) {
		eachWithNotices(t, func(f *fixture) {
			l := f.person("alice")
			f.must(f.EnsureDevice(f.ctx, "alice", "PHONE", "Phone"))
			f.exec("UPDATE devices SET last_seen_address = ?", home)
			f.start(l, "PHONE", "")
			if got := f.notified(); len(got) != 1 {
				t.Errorf("told %+v", got)
			}
		})
	})
}

func TestWhomANoticeGoesTo(t *testing.T) {
	read := func(f *fixture) (store.Job, store.Recipient) {
		f.t.Helper()
		mails := f.mails()
		if len(mails) != 1 {
			f.t.Fatalf("%d mails wait", len(mails))
		}
		_, to, err := f.ReadNotice(f.ctx, mails[0])
		f.must(err)
		return mails[0], to
	}
	t.Run("to the address and in the language of then, and nobody reads that in the database", func(t *testing.T) {
		eachWithNotices(t, func(f *fixture) {
			l := f.person("alice")
			f.must(f.KeepLanguage(f.ctx, "alice", "de"))
			f.must(f.CloseAccount(f.ctx, f.proof(l, "deactivate"), true))
			if j, to := read(f); to != (store.Recipient{Email: email, Language: "de", Address: home}) || strings.Contains(string(j.Payload), home) {
				t.Errorf("it goes to %+v by %s", to, j.Payload)
			}
			if dump := f.dump(); strings.Contains(dump, email) || strings.Contains(dump, "language=de") {
				t.Errorf("what was erased is there:\n%s", dump)
			}
			j, err := f.TakeJob(f.ctx, []string{store.JobNotice}, lease)
			f.must(err)
			f.must(f.FinishJob(f.ctx, j))
			if f.number("SELECT count(*) FROM jobs WHERE secret_sealed IS NOT NULL") != 0 {
				t.Error("the address is kept")
			}
		})
	})
	t.Run("one of an administrator's command to the address of when it is sent", func(t *testing.T) {
		eachWithNotices(t, func(f *fixture) {
			f.person("alice")
			f.must(f.KeepLanguage(f.ctx, "alice", "de"))
			f.options.Sealer = nil
			_, err := f.again().DeactivateUser(t.Context(), "alice")
			f.must(err)
			if _, to := read(f); to != (store.Recipient{Email: email, Language: "de"}) {
				t.Errorf("it goes to %+v", to)
			}
		})
	})
	t.Run("one that was given up to the address of when it is tried again", func(t *testing.T) {
		eachWithNotices(t, func(f *fixture) {
			f.start(f.person("alice"), "PHONE", "c1")
			j, err := f.TakeJob(f.ctx, []string{store.JobNotice}, lease)
			f.must(err)
			f.must(f.FailJob(f.ctx, j, "refused"))
			if f.number("SELECT count(*) FROM jobs WHERE secret_sealed IS NOT NULL") != 0 {
				t.Error("whom it was for is kept")
			}
			f.exec("UPDATE users SET email = 'new@home.example'")
			f.must(f.RetryJob(f.ctx, j.ID))
			if _, to := read(f); to != (store.Recipient{Email: "new@home.example"}) {
				t.Errorf("it goes to %+v", to)
			}
		})
	})
	t.Run("a payload that is none", func(t *testing.T) {
		each(t, func(f *fixture) {
			_, _, err := f.ReadNotice(f.ctx, store.Job{Payload: json.RawMessage(`[]`)})
			if err == nil || !strings.HasPrefix(err.Error(), "read the payload") {
				t.Errorf("error %v", err)
			}
		})
	})
}

func TestKeepLanguage(t *testing.T) {
	eachWithNotices(t, func(f *fixture) {
		f.person("alice")
		f.person("bob")
		for _, lang := range []string{"de", "de", "fr"} {
			f.must(f.KeepLanguage(f.ctx, "alice", lang))
		}
		alice, err := f.User(f.ctx, "alice")
		f.must(err)
		bob, err := f.User(f.ctx, "bob")
		if alice.Language != "fr" || bob.Language != "" || err != nil {
			t.Errorf("alice %q, bob %q, error %v", alice.Language, bob.Language, err)
		}
	})
}

func TestSweepOfMailsThatNobodySends(t *testing.T) {
	eachWithNotices(t, func(f *fixture) {
		f.start(f.person("alice"), "PHONE", "c1")
		f.job("other work")
		f.clock.Advance(7 * 24 * time.Hour)
		f.sweep()
		if n := len(f.mails()); n != 2 {
			t.Fatalf("%d jobs wait, want both", n)
		}
		f.clock.Advance(time.Millisecond)
		f.sweep()
		if left := f.mails(); len(left) != 1 || left[0].Kind != kind {
			t.Errorf("%+v are left", left)
		}
	})
}
