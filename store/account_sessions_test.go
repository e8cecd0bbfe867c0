package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

// live are the devices of a user's live sessions.
func (f *fixture) live(localpart string) []string {
	f.t.Helper()
	sessions, err := f.LiveSessions(f.ctx, localpart)
	f.must(err)
	var devices []string
	for _, s := range sessions {
		devices = append(devices, s.DeviceID)
	}
	slices.Sort(devices)
	return devices
}

func TestEndPlaces(t *testing.T) {
	each(t, func(f *fixture) {
		alice, bob := f.login("alice"), f.login("bob")
		one, two := f.start(alice, "ONE", "c1"), f.start(alice, "TWO", "c1")
		bobs := f.start(bob, "BOBS", "c1")
		f.start(alice, "IDLE", "c1")
		f.must(f.EndSession(f.ctx, f.newestSession("IDLE"), store.End{Reason: store.EndRefreshReused, Actor: store.ActorServer, KeepDevice: true}))
		f.start(bob, "BOBIDLE", "c1")
		f.must(f.EndSession(f.ctx, f.newestSession("BOBIDLE"), store.End{Reason: store.EndRefreshReused, Actor: store.ActorServer, KeepDevice: true}))
		f.t.Run("a device without a session is idle", func(t *testing.T) {
			idle, err := f.IdleDevices(f.ctx, "alice")
			if err != nil || len(idle) != 1 || idle[0].ID != "IDLE" {
				t.Errorf("idle %+v, error %v", idle, err)
			}
		})
		f.t.Run("H-06: only the person's own places end, and none that has a session ends as a device", func(t *testing.T) {
			f.must(f.EndPlaces(f.ctx, "alice", store.Places{Sessions: []string{one.ID, bobs.ID, "nothing"}, Devices: []string{"IDLE", "TWO", "BOBIDLE", "nothing"}}))
			if got := f.live("alice"); !slices.Equal(got, []string{"TWO"}) {
				t.Errorf("alice has %q", got)
			}
			if got := f.live("bob"); !slices.Equal(got, []string{"BOBS"}) {
				t.Errorf("bob has %q", got)
			}
			if n := f.number("SELECT COUNT(*) FROM devices"); n != 3 { // TWO, BOBS, BOBIDLE
				t.Errorf("%d devices are left", n)
			}
			reason, by, _, err := f.EndedSession(f.ctx, one.ID)
			if err != nil || reason != store.EndUserRequest || by != store.ActorUser {
				t.Errorf("ended for %s by %s, error %v", reason, by, err)
			}
			events, err := f.AuditEvents(f.ctx, "alice", 1)
			if err != nil || events[0].Action != store.ActionDeviceRemoved || events[0].DeviceID != "IDLE" {
				t.Errorf("the newest event is %+v, error %v", events, err)
			}
		})
		f.t.Run("nothing is no error", func(*testing.T) {
			f.must(f.EndPlaces(f.ctx, "alice", store.Places{}))
			f.must(f.EndPlaces(f.ctx, "nobody", store.Places{Sessions: []string{two.ID}, Devices: []string{"TWO"}}))
			if got := f.live("alice"); !slices.Equal(got, []string{"TWO"}) {
				f.t.Errorf("alice has %q", got)
			}
		})
	})
}

// newestSession is the id of a device's session.
func (f *fixture) newestSession(device string) string {
	f.t.Helper()
	var id string
	f.must(f.Writer(f.ctx).Raw("SELECT id FROM sessions WHERE device_id = ? ORDER BY id DESC LIMIT 1", device).Scan(&id).Error)
	return id
}

func TestSignOutElsewhere(t *testing.T) {
	each(t, func(f *fixture) {
		alice, bob := f.login("alice"), f.login("bob")
		here := alice
		here.BrowserHash = string(secret.Hash("here"))
		there := alice
		there.BrowserHash = string(secret.Hash("there"))
		later := f.clock.Now().Add(time.Hour)
		f.must(f.SignInBrowser(f.ctx, "cookie here", here, later))
		f.must(f.SignInBrowser(f.ctx, "cookie there", there, later))
		f.must(f.SignInBrowser(f.ctx, "cookie of bob", bob, later))
		f.start(here, "HERE", "c1")
		f.start(there, "THERE", "c1")
		f.start(alice, "UNKNOWN", "c1")
		f.start(bob, "BOBS", "c1")
		f.must(f.SignOutElsewhere(f.ctx, here, "cookie here"))
		if got := f.live("alice"); !slices.Equal(got, []string{"HERE"}) {
			f.t.Errorf("alice has %q", got)
		}
		if got := f.live("bob"); !slices.Equal(got, []string{"BOBS"}) {
			f.t.Errorf("bob has %q", got)
		}
		for cookie, want := range map[string]error{"cookie here": nil, "cookie there": store.ErrNotFound, "cookie of bob": nil} {
			login, err := f.BrowserSession(f.ctx, cookie)
			if !errors.Is(err, want) {
				f.t.Errorf("%s: error %v, want %v", cookie, err, want)
			}
			if cookie == "cookie here" && login != here {
				f.t.Errorf("the browser session is %+v", login)
			}
		}
		f.t.Run("a browser that has approved nothing keeps nothing", func(t *testing.T) {
			here.BrowserHash = ""
			f.must(f.SignOutElsewhere(f.ctx, here, "cookie here"))
			if got := f.live("alice"); len(got) != 0 {
				t.Errorf("alice has %q", got)
			}
		})
	})
}

func TestKnowSignIns(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		known := func() time.Time {
			user, err := f.User(f.ctx, "alice")
			f.must(err)
			return user.SignInsKnownAt
		}
		if !known().IsZero() {
			f.t.Errorf("at first it is %v", known())
		}
		now := f.clock.Now()
		for _, at := range []time.Time{now, now.Add(-time.Hour)} {
			f.must(f.KnowSignIns(f.ctx, "alice", at))
			if !known().Equal(now) {
				f.t.Errorf("it is %v, want %v: it never goes back", known(), now)
			}
		}
	})
}

func TestWhereASessionWasUsed(t *testing.T) {
	each(t, func(f *fixture) {
		from := func(address string, do func()) {
			ctx := f.ctx
			f.ctx = store.WithAddress(f.ctx, address)
			do()
			f.ctx = ctx
		}
		lastUse := func() string {
			sessions, err := f.LiveSessions(f.ctx, "alice")
			f.must(err)
			_, address := sessions[0].LastUse()
			return address
		}
		alice := f.login("alice")
		var g grant
		from("192.0.2.1", func() { g = f.start(alice, "D", "c1") })
		steps := []struct {
			name, from string
			do         func()
			want       string
		}{
			{"at its start", "", func() {}, "192.0.2.1"},
			{"by a use", "192.0.2.2", func() { f.use(g.Access) }, "192.0.2.2"},
			{"by a use that nobody knows the origin of", "", func() { f.use(g.Access) }, "192.0.2.2"},
			{"by a rotation", "192.0.2.3", func() { g.Refresh, g.Access = f.rotate(g.Refresh) }, "192.0.2.3"},
			{"by a use of another day", "192.0.2.4", func() { f.use(g.Access) }, "192.0.2.4"},
		}
		for _, step := range steps {
			f.clock.Advance(time.Hour)
			from(step.from, step.do)
			f.must(f.FlushUsage(f.ctx))
			if got := lastUse(); got != step.want {
				f.t.Errorf("%s: %q, want %q", step.name, got, step.want)
			}
		}
	})
}
