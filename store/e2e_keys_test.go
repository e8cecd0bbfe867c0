package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"keymaker/internal/e2ekeys"
	"keymaker/store"
)

func oneTimeKeys(ids ...string) (keys []e2ekeys.OneTimeKey) {
	for _, id := range ids {
		keys = append(keys, e2ekeys.OneTimeKey{Algorithm: "curve25519", ID: id, JSON: []byte(fmt.Sprintf("%q", "key "+id))})
	}
	return keys
}

// withKeys is a user with a session on a device that has keys of every kind.
func (f *fixture) withKeys(localpart, device string) store.Login {
	f.t.Helper()
	l := f.login(localpart)
	f.must(f.EnsureDevice(f.ctx, localpart, device, "Phone"))
	_, err := f.UploadKeys(f.ctx, localpart, device, store.KeyUpload{Device: []byte(`{"keys":1}`), OneTime: oneTimeKeys("A"), Fallback: oneTimeKeys("F")})
	f.must(err)
	f.must(f.SignKeys(f.ctx, localpart, func(store.PublicKeys) ([]e2ekeys.Signature, error) {
		return []e2ekeys.Signature{{Target: device, KeyID: "ed25519:self", DeviceID: device, Signature: "x"}}, nil
	}))
	return l
}

// keyRows are how many rows there are of each kind of key of a device.
func (f *fixture) keyRows() [4]int64 {
	var rows [4]int64
	for i, table := range []string{"device_keys", "one_time_keys", "fallback_keys", "key_signatures"} {
		rows[i] = f.number("SELECT COUNT(*) FROM " + table)
	}
	return rows
}

func TestUploadKeys(t *testing.T) {
	each(t, func(f *fixture) {
		f.withKeys("alice", "PHONE")
		counts, err := f.UploadKeys(f.ctx, "alice", "PHONE", store.KeyUpload{Device: []byte(`{"keys":1}`), OneTime: oneTimeKeys("A", "B"), Fallback: oneTimeKeys("G")})
		if err != nil || counts["curve25519"] != 2 {
			f.t.Fatalf("counts %v, error %v", counts, err)
		}
		if got := f.keyRows(); got != [4]int64{1, 2, 1, 1} {
			f.t.Errorf("the same device keys leave %v", got)
		}
		other := oneTimeKeys("A")
		other[0].JSON = []byte(`"other"`)
		_, err = f.UploadKeys(f.ctx, "alice", "PHONE", store.KeyUpload{Device: []byte(`{"keys":2}`), OneTime: append(oneTimeKeys("C"), other...)})
		if err != nil {
			f.t.Errorf("other device keys begin anew, and so do the one-time keys: %v", err)
		}
		if got := f.keyRows(); got != [4]int64{1, 2, 0, 0} {
			f.t.Errorf("other device keys leave %v", got)
		}
		_, err = f.UploadKeys(f.ctx, "alice", "PHONE", store.KeyUpload{OneTime: oneTimeKeys("A")})
		f.want("another key of the same name", err, store.ErrConflict)
		_, err = f.UploadKeys(f.ctx, "alice", "GONE", store.KeyUpload{OneTime: oneTimeKeys("A")})
		f.want("a device that is gone", err, store.ErrNotFound)
		many := make([]e2ekeys.OneTimeKey, 21)
		for i := range many {
			many[i] = e2ekeys.OneTimeKey{Algorithm: fmt.Sprint("a", i), ID: "F", JSON: []byte(`"x"`)}
		}
		_, err = f.UploadKeys(f.ctx, "alice", "PHONE", store.KeyUpload{Fallback: many})
		f.want("fallback keys of too many algorithms", err, store.ErrTooMany)
		_, err = f.UploadKeys(f.ctx, "alice", "PHONE", store.KeyUpload{Fallback: many[:20]})
		f.want("fallback keys of as many as there may be", err, nil)
		keys, err := f.PublicKeys(f.ctx, "alice")
		if err != nil || len(keys.Devices) != 1 || keys.Devices[0].DisplayName != "Phone" || string(keys.Devices[0].JSON) != `{"keys":2}` {
			f.t.Errorf("the keys are %+v, error %v", keys, err)
		}
	})
}

func TestClaimKeys(t *testing.T) {
	each(t, func(f *fixture) {
		f.withKeys("alice", "PHONE")
		for _, want := range []string{"A", "F", "F"} {
			keys, err := f.ClaimKeys(f.ctx, "alice", map[string]string{"PHONE": "curve25519", "GONE": "curve25519"})
			if err != nil || len(keys) != 1 || keys["PHONE"].ID != want {
				f.t.Errorf("claimed %+v, error %v, want %s", keys, err, want)
			}
		}
		for _, algorithms := range []map[string]string{{"PHONE": "other"}, {}, nil} {
			if keys, err := f.ClaimKeys(f.ctx, "alice", algorithms); err != nil || len(keys) > 0 {
				f.t.Errorf("claimed %+v, error %v", keys, err)
			}
		}
		if keys, err := f.ClaimKeys(f.ctx, "bob", map[string]string{"PHONE": "curve25519"}); err != nil || len(keys) > 0 {
			f.t.Errorf("bob claimed %+v, error %v", keys, err)
		}
	})
}

// Whatever makes a device go, its keys go with it.
func TestKeysGoWithTheirDevice(t *testing.T) {
	ways := []struct {
		name string
		end  func(f *fixture, l store.Login) error
	}{
		{"its session ends", func(f *fixture, _ store.Login) error {
			return f.EndAllSessions(f.ctx, "alice", store.End{Reason: store.EndLogout, Actor: store.ActorUser})
		}},
		{"the person removes it", func(f *fixture, _ store.Login) error {
			f.must(f.EndAllSessions(f.ctx, "alice", store.End{Reason: store.EndRefreshReused, Actor: store.ActorServer, KeepDevice: true}))
			if got := f.keyRows(); got != [4]int64{1, 1, 1, 1} {
				f.t.Errorf("an ended session leaves %v", got)
			}
			return f.EndPlaces(f.ctx, "alice", store.Places{Devices: []string{"PHONE"}})
		}},
		{"an administrator signs the user out", func(f *fixture, _ store.Login) error {
			_, err := f.SignOutUser(f.ctx, "alice", store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin})
			return err
		}},
		{"the account is closed", func(f *fixture, _ store.Login) error {
			_, err := f.DeactivateUser(f.ctx, "alice")
			return err
		}},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				l := f.withKeys("alice", "PHONE")
				f.start(l, "PHONE", "")
				if got := f.keyRows(); got != [4]int64{1, 1, 1, 1} {
					f.t.Errorf("a new session of the device leaves %v", got)
				}
				f.must(way.end(f, l))
				if got := f.keyRows(); got != [4]int64{} {
					f.t.Errorf("there are %v", got)
				}
			})
		})
	}
}

// crossSigning are keys as an upload sets them.
func crossSigning(ids ...string) e2ekeys.Change {
	var c e2ekeys.Change
	for i, id := range ids {
		c.Set = append(c.Set, e2ekeys.Key{Usage: e2ekeys.Usages()[i], ID: id, JSON: []byte(`{"id":"` + id + `"}`)})
	}
	return c
}

func (f *fixture) change(c e2ekeys.Change) error {
	return f.ChangeCrossSigning(f.ctx, &store.Session{ID: "s1", DeviceID: "PHONE", Login: store.Login{Localpart: "alice"}},
		func(store.PublicKeys) (e2ekeys.Change, error) { return c, nil })
}

func TestChangeCrossSigning(t *testing.T) {
	each(t, func(f *fixture) {
		f.withKeys("alice", "PHONE")
		first := crossSigning("master", "self", "user")
		first.Signatures = []e2ekeys.Signature{{Target: "master", KeyID: "ed25519:PHONE", DeviceID: "PHONE", Signature: "y"}}
		f.must(f.change(first))
		keys, err := f.PublicKeys(f.ctx, "alice")
		if err != nil || len(keys.CrossSigning) != 3 || len(keys.Signatures) != 2 {
			f.t.Fatalf("the keys are %+v, error %v", keys, err)
		}
		events, err := f.AuditEvents(f.ctx, "alice", 1)
		if err != nil || events[0].Action != store.ActionKeysSet || events[0].DeviceID != "PHONE" || events[0].SessionID != "s1" {
			f.t.Errorf("recorded %+v, error %v", events, err)
		}
		f.must(f.change(e2ekeys.Change{})) // nothing
		again := crossSigning("other")
		again.Replaces = true
		f.want("replace without an approval", f.change(again), store.ErrNotApproved)
		refused := errors.New("refused")
		err = f.ChangeCrossSigning(f.ctx, &store.Session{Login: store.Login{Localpart: "alice"}}, func(store.PublicKeys) (e2ekeys.Change, error) { return again, refused })
		f.want("a plan that fails", err, refused)
		if after, err := f.PublicKeys(f.ctx, "alice"); err != nil || len(after.CrossSigning) != 3 || f.number("SELECT COUNT(*) FROM audit_events WHERE action LIKE 'cross_signing%'") != 1 {
			f.t.Errorf("what failed left %+v, %v", after, err)
		}
	})
}

// allow lets a session replace the keys once.
func (f *fixture) allow(sessionID string) {
	f.t.Helper()
	now := f.clock.Now()
	f.exec("INSERT INTO reset_approvals (session_id, localpart, approved_at, expires_at) VALUES (?, 'alice', ?, ?)",
		sessionID, now.UnixMilli(), now.Add(time.Minute).UnixMilli())
}

func TestReplaceCrossSigning(t *testing.T) {
	replacing := func(c e2ekeys.Change) e2ekeys.Change {
		c.Replaces = true
		return c
	}
	tests := []struct {
		name       string
		change     e2ekeys.Change
		keys       string
		signatures int64
	}{
		{"other keys, and no signature stays", replacing(crossSigning("m2", "s2", "u2")), "m2 s2 u2 ", 0},
		{"another master key drops the others", replacing(e2ekeys.Change{Set: crossSigning("m2").Set, Drop: []e2ekeys.Usage{e2ekeys.SelfSigning, e2ekeys.UserSigning}}), "m2 ", 0},
		{"another self-signing key takes its signatures along", replacing(e2ekeys.Change{Set: crossSigning("", "s2").Set[1:]}), "master s2 user ", 1},
		{"another user-signing key takes none", replacing(e2ekeys.Change{Set: crossSigning("", "", "u2").Set[2:]}), "master self u2 ", 2},
		{"the same keys in another form keep the signatures", replacing(crossSigning("master", "self", "user")), "master self user ", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				l := f.withKeys("alice", "PHONE")
				by := &store.Session{ID: f.start(l, "PHONE", "").ID, DeviceID: "PHONE", Login: l}
				change := func(c e2ekeys.Change) error {
					return f.ChangeCrossSigning(f.ctx, by, func(store.PublicKeys) (e2ekeys.Change, error) { return c, nil })
				}
				first := crossSigning("master", "self", "user")
				first.Signatures = []e2ekeys.Signature{{Target: "master", KeyID: "ed25519:PHONE", DeviceID: "PHONE", Signature: "y"}}
				f.must(change(first))
				f.want("without an approval", change(tt.change), store.ErrNotApproved)
				f.allow(by.ID)
				f.must(change(tt.change))
				f.want("with an approval that was used", change(tt.change), store.ErrNotApproved)
				keys, err := f.PublicKeys(f.ctx, "alice")
				f.must(err)
				got := ""
				for _, k := range keys.CrossSigning {
					got += k.ID + " "
				}
				if got != tt.keys || f.number("SELECT COUNT(*) FROM key_signatures") != tt.signatures {
					f.t.Errorf("the keys are %q, and the signatures %+v", got, keys.Signatures)
				}
				if events, err := f.AuditEvents(f.ctx, "alice", 1); err != nil || events[0].Action != store.ActionKeysReplaced || events[0].SessionID != by.ID {
					f.t.Errorf("recorded %+v, error %v", events, err)
				}
			})
		})
	}
}

func TestADeviceIsNoKey(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.withKeys("alice", "PHONE")
		f.must(f.change(crossSigning("KEY")))
		f.want("a device", f.EnsureDevice(f.ctx, "alice", "KEY", ""), store.ErrIsKey)
		f.want("a session", f.startAs(f.newGrant(), l, "KEY", ""), store.ErrIsKey)
		f.login("bob")
		f.want("the device of another user", f.EnsureDevice(f.ctx, "bob", "KEY", ""), nil)
		f.want("a device again", f.EnsureDevice(f.ctx, "alice", "PHONE", "Other"), nil)
		if d, err := f.Device(f.ctx, "alice", "PHONE"); err != nil || d.DisplayName != "Phone" {
			f.t.Errorf("the device is %+v, error %v", d, err)
		}
	})
}
