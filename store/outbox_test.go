package store_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"keymaker/store"
	"keymaker/store/storetest"
)

// told is what waits for the homeserver, oldest first.
func (f *fixture) told() []store.HomeserverChange {
	f.t.Helper()
	waiting, err := f.Jobs(f.ctx, []store.JobState{store.JobWaiting}, 1000)
	f.must(err)
	var changes []store.HomeserverChange
	for _, j := range slices.Backward(waiting) {
		var c store.HomeserverChange
		f.must(json.Unmarshal(j.Payload, &c))
		if j.Kind != store.JobHomeserver || j.Lane != store.HomeserverLane(c.Localpart) {
			f.t.Errorf("a job of kind %q in lane %q", j.Kind, j.Lane)
		}
		changes = append(changes, c)
	}
	f.exec("DELETE FROM jobs")
	return changes
}

func eachWithOutbox(t *testing.T, test func(*fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		f := open(t, d)
		f.options.Outbox = true
		f.Store = f.again()
		test(f)
	})
}

func TestWhatTheHomeserverIsTold(t *testing.T) {
	changed := func(_ bool, err error) error { return err }
	tests := []struct {
		name string
		do   func(f *fixture, g grant) error
		want []store.HomeserverChange
	}{
		{"that a user is there", func(f *fixture, _ grant) error { f.login("bob"); return nil },
			[]store.HomeserverChange{{Change: store.ChangeUserCreated, Localpart: "bob"}}},
		{"that the device of an ended session is gone", func(f *fixture, g grant) error {
			return f.EndSession(f.ctx, g.ID, store.End{Reason: store.EndLogout, Actor: store.ActorClient})
		}, []store.HomeserverChange{{Change: store.ChangeDevicesGone, Localpart: "alice", DeviceIDs: []string{"PHONE"}}}},
		{"nothing of a device that stays", func(f *fixture, g grant) error {
			return f.EndSession(f.ctx, g.ID, store.End{Reason: store.EndRefreshReused, Actor: store.ActorServer, KeepDevice: true})
		}, nil},
		{"nothing of a device that a new sign-in takes over", func(f *fixture, _ grant) error {
			return f.startAs(f.newGrant(), f.login("alice"), "PHONE", f.client("Other").ID)
		}, nil},
		{"once of all devices that go at a time", func(f *fixture, _ grant) error {
			f.start(f.login("alice"), "LAPTOP", f.client("Other").ID)
			return f.EndAllSessions(f.ctx, "alice", store.End{Reason: store.EndLogout, Actor: store.ActorClient})
		}, []store.HomeserverChange{{Change: store.ChangeDevicesGone, Localpart: "alice", DeviceIDs: []string{"LAPTOP", "PHONE"}}}},
		{"that an idle device is gone", func(f *fixture, g grant) error {
			f.must(f.EndSession(f.ctx, g.ID, store.End{Reason: store.EndRefreshReused, Actor: store.ActorServer, KeepDevice: true}))
			return f.EndPlaces(f.ctx, "alice", store.Places{Devices: []string{"PHONE"}})
		}, []store.HomeserverChange{{Change: store.ChangeDevicesGone, Localpart: "alice", DeviceIDs: []string{"PHONE"}}}},
		{"that a device has another name", func(f *fixture, _ grant) error { return f.RenameDevice(f.ctx, "alice", "PHONE", "Mine") },
			[]store.HomeserverChange{{Change: store.ChangeDeviceName, Localpart: "alice", DeviceIDs: []string{"PHONE"}}}},
		{"that a user has another name", func(f *fixture, _ grant) error {
			return changed(f.SetDisplayName(f.ctx, "alice", "Alice A.", store.ActorUser))
		}, []store.HomeserverChange{{Change: store.ChangeDisplayName, Localpart: "alice"}}},
		{"nothing of a name that stays", func(f *fixture, _ grant) error {
			f.exec("UPDATE users SET display_name = 'Alice'")
			return changed(f.SetDisplayName(f.ctx, "alice", "Alice", store.ActorUser))
		}, nil},
		{"that a user is locked", func(f *fixture, _ grant) error { return changed(f.LockUser(f.ctx, "alice")) },
			[]store.HomeserverChange{{Change: store.ChangeLocked, Localpart: "alice"}}},
		{"nothing of a suspension, which is its own", func(f *fixture, _ grant) error { return changed(f.SuspendUser(f.ctx, "alice")) }, nil},
		{"that a user is deactivated, and with that of the devices", func(f *fixture, _ grant) error { return changed(f.DeactivateUser(f.ctx, "alice")) },
			[]store.HomeserverChange{{Change: store.ChangeDeactivated, Localpart: "alice"}}},
		{"nothing of one who is deactivated already", func(f *fixture, _ grant) error {
			f.must(changed(f.DeactivateUser(f.ctx, "alice")))
			f.exec("DELETE FROM jobs")
			return changed(f.DeactivateUser(f.ctx, "alice"))
		}, nil},
		{"that a user is there again", func(f *fixture, _ grant) error {
			f.must(changed(f.DeactivateUser(f.ctx, "alice")))
			f.exec("DELETE FROM jobs")
			return changed(f.ReactivateUser(f.ctx, "alice"))
		}, []store.HomeserverChange{{Change: store.ChangeReactivated, Localpart: "alice"}}},
		{"all devices, when an administrator wishes", func(f *fixture, _ grant) error { return f.SyncDevices(f.ctx, "alice") },
			[]store.HomeserverChange{{Change: store.ChangeDevices, Localpart: "alice"}}},
		{"all devices of one who is detached", func(f *fixture, _ grant) error {
			_, err := f.DetachUser(f.ctx, "alice", store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin})
			return err
		}, []store.HomeserverChange{{Change: store.ChangeDevices, Localpart: "alice"}}},
		{"that the keys may be replaced, for as long as that is approved", func(f *fixture, _ grant) error {
			_, x := f.waiting(f.login("alice"), "TABLET")
			f.exec("DELETE FROM jobs")
			f.approve(x)
			return nil
		}, []store.HomeserverChange{{Change: store.ChangeResetAllowed, Localpart: "alice", Until: storetest.Start.Add(10 * time.Minute).UnixMilli()}}},
		{"to forget a user who wishes that", func(f *fixture, _ grant) error {
			return f.CloseAccount(f.ctx, f.proof(f.login("alice"), "deactivate"), true)
		}, []store.HomeserverChange{{Change: store.ChangeDeactivated, Localpart: "alice", Erase: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eachWithOutbox(t, func(f *fixture) {
				g := f.start(f.login("alice"), "PHONE", f.client("App").ID)
				f.told()
				f.must(tt.do(f, g))
				got, want := f.told(), tt.want
				if a, b := jsonOf(t, got), jsonOf(t, want); a != b {
					t.Errorf("told %s, want %s", a, b)
				}
			})
		})
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHomeserverThatIsThisProgramIsToldNothing(t *testing.T) {
	each(t, func(f *fixture) {
		g := f.start(f.login("alice"), "PHONE", f.client("App").ID)
		f.must(f.EndSession(f.ctx, g.ID, store.End{Reason: store.EndLogout, Actor: store.ActorClient}))
		if got := f.told(); len(got) > 0 {
			t.Errorf("told %+v", got)
		}
	})
}

func TestResetRefused(t *testing.T) {
	type told struct {
		change store.Change
		failed bool
	}
	for _, tt := range []struct {
		name  string
		told  []told // oldest first
		later time.Duration
		want  bool
	}{
		{"nothing was told", nil, 0, false},
		{"J-20: a refused one is", []told{{store.ChangeResetAllowed, true}}, 0, true},
		{"one that was taken is not", []told{{store.ChangeResetAllowed, false}}, 0, false},
		{"the last one counts", []told{{store.ChangeResetAllowed, true}, {store.ChangeResetAllowed, false}}, 0, false},
		{"and no other change", []told{{store.ChangeEmail, true}, {store.ChangeResetAllowed, false}, {store.ChangeDisplayName, true}}, 0, false},
		{"whatever came after it", []told{{store.ChangeResetAllowed, true}, {store.ChangeDisplayName, false}}, 0, true},
		{"an old one is over", []told{{store.ChangeResetAllowed, true}}, time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachWithOutbox(t, func(f *fixture) {
				lane := store.HomeserverLane("alice")
				for _, c := range tt.told {
					_, err := f.AddJob(f.ctx, store.NewJob{Kind: store.JobHomeserver, Lane: lane, Payload: store.HomeserverChange{Change: c.change, Localpart: "alice"}})
					f.must(err)
					j, err := f.TakeLaneJob(f.ctx, lane, lease)
					f.must(err)
					if c.failed {
						f.must(f.FailJob(f.ctx, j, "refused"))
					} else {
						f.must(f.FinishJob(f.ctx, j))
					}
				}
				f.clock.Advance(tt.later)
				if got, err := f.ResetRefused(f.ctx, "alice", f.clock.Now().Add(-15*time.Minute)); got != tt.want || err != nil {
					f.t.Errorf("it is %v, error %v", got, err)
				}
			})
		})
	}
}

func TestSyncDevicesOfNobody(t *testing.T) {
	eachWithOutbox(t, func(f *fixture) { f.want("sync", f.SyncDevices(f.ctx, "nobody"), store.ErrNotFound) })
}

func TestJobsOfALaneTakenByName(t *testing.T) {
	each(t, func(f *fixture) {
		first := f.job("a")
		f.job("a")
		take := func() (store.Job, error) { return f.TakeLaneJob(f.ctx, "a", lease) }
		j, err := take()
		f.must(err)
		if j.ID != first || j.Attempts != 1 {
			t.Errorf("took %+v, want the first", j)
		}
		_, err = take()
		f.want("take from a lane that somebody is at", err, store.ErrConflict)
		f.must(f.DeferJob(f.ctx, j, f.clock.Now().Add(time.Hour), "away"))
		j, err = take()
		f.must(err)
		if j.ID != first || j.Attempts != 1 || j.LastError != "away" {
			t.Errorf("took %+v, want the first once more, before it is due, and no attempt counted", j)
		}
		_, err = f.TakeLaneJob(f.ctx, "b", lease)
		f.want("take from a lane without jobs", err, store.ErrNotFound)
		f.clock.Advance(lease)
		again, err := take()
		f.must(err)
		if again.ID != first {
			t.Errorf("took %s, want the first, whose holder is gone", again.ID)
		}
		f.want("finish what somebody else has taken", f.FinishJob(f.ctx, j), store.ErrConflict)
		for range 2 {
			f.must(f.FinishJob(f.ctx, again))
			if again, err = take(); err != nil {
				f.want("take from a lane that is done", err, store.ErrNotFound)
				break
			}
		}
		if waits, err := f.LaneWaits(context.WithoutCancel(f.ctx), "a"); waits || err != nil {
			t.Errorf("it waits %t, error %v", waits, err)
		}
	})
}
