package homeserver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/homeserver"
	"keymaker/internal/jobs"
	"keymaker/internal/provisioning"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/store/storetest"
)

// synapse is a homeserver that notes what it is told.
type synapse struct {
	users map[string]provisioning.User
	calls []string
	down  error
}

func (s *synapse) note(format string, args ...any) error {
	if s.down != nil {
		return s.down
	}
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
	return nil
}

// about is note for a call that needs the user.
func (s *synapse) about(localpart, format string, args ...any) error {
	if _, ok := s.users[localpart]; !ok && s.down == nil {
		return provisioning.ErrNotFound
	}
	return s.note(format, args...)
}

func (s *synapse) QueryUser(_ context.Context, localpart string) (provisioning.User, error) {
	u, ok := s.users[localpart]
	switch {
	case s.down != nil:
		return u, s.down
	case !ok:
		return u, provisioning.ErrNotFound
	}
	return u, nil
}

func (s *synapse) LocalpartAvailable(_ context.Context, localpart string) error {
	if _, ok := s.users[localpart]; ok && s.down == nil {
		return provisioning.ErrNameInUse
	}
	return s.down
}

func (s *synapse) ProvisionUser(_ context.Context, localpart string, p provisioning.Profile) (bool, error) {
	text := "user " + localpart
	if p.DisplayName != nil {
		text += " name=" + *p.DisplayName
	}
	if p.Emails != nil {
		text += fmt.Sprintf(" emails=%v", *p.Emails)
	}
	if p.Locked != nil {
		text += fmt.Sprintf(" locked=%t", *p.Locked)
	}
	err := s.note("%s", text)
	if err == nil {
		s.users[localpart] = provisioning.User{}
	}
	return err == nil, err
}

func (s *synapse) DeleteUser(_ context.Context, localpart string, erase bool) error {
	return s.about(localpart, "delete user %s erase=%t", localpart, erase)
}

func (s *synapse) ReactivateUser(_ context.Context, localpart string) error {
	return s.about(localpart, "reactivate %s", localpart)
}

func (s *synapse) UpsertDevice(_ context.Context, localpart, deviceID, name string) (bool, error) {
	err := s.about(localpart, "device %s %s name=%s", localpart, deviceID, name)
	return err == nil, err
}

func (s *synapse) UpdateDeviceDisplayName(_ context.Context, localpart, deviceID, name string) error {
	return s.about(localpart, "rename %s %s to %s", localpart, deviceID, name)
}

func (s *synapse) DeleteDevice(_ context.Context, localpart, deviceID string) error {
	return s.about(localpart, "delete device %s %s", localpart, deviceID)
}

func (s *synapse) SyncDevices(_ context.Context, localpart string, deviceIDs []string) error {
	return s.about(localpart, "devices of %s are %v", localpart, deviceIDs)
}

func (s *synapse) AllowCrossSigningReset(_ context.Context, localpart string) error {
	return s.about(localpart, "allow reset of %s", localpart)
}

// bench is a store with an outbox, and a homeserver at its end.
type bench struct {
	*homeserver.Synapse
	t     *testing.T
	there *synapse
	clock *clock.Manual
}

func eachSynapse(t *testing.T, test func(b *bench)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		manual := clock.NewManual(storetest.Start)
		db := d.Open(t, func(o *store.Options) { o.Clock, o.Outbox = manual, true })
		there := &synapse{users: map[string]provisioning.User{}}
		h := &homeserver.Synapse{Store: db, API: there, Clock: manual}
		runner := jobs.New(jobs.Options{Store: db, Clock: manual, Logger: slog.New(slog.DiscardHandler), Handlers: h.Jobs()})
		h.Clear = runner.Clear
		db.Prompt(runner.Prompt)
		test(&bench{Synapse: h, t: t, there: there, clock: manual})
	})
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// told checks what the homeserver has been told since the last time.
func (b *bench) told(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.there.calls, want) {
		b.t.Errorf("told %q, want %q", b.there.calls, want)
	}
	b.there.calls = nil
}

func (b *bench) create(localpart string) {
	b.t.Helper()
	_, err := b.Link(b.t.Context(), store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: localpart, Localpart: localpart, CreateUser: true,
		DisplayName: "Alice", Email: "alice@example.org"})
	b.must(err)
}

// signIn provisions a device and starts its session, as the token endpoint does.
func (b *bench) signIn(device, name string) (session string) {
	b.t.Helper()
	ctx := b.t.Context()
	b.must(b.Provision(ctx, provider.Provision{Localpart: "alice", DeviceID: device, DeviceName: name}))
	session = store.NewID(b.clock.Now())
	b.must(b.InTx(ctx, func(ctx context.Context) error {
		return b.StartSession(ctx, store.NewSession{DeviceName: name,
			Session: store.Session{ID: session, Kind: store.Legacy, DeviceID: device, Login: store.Login{Localpart: "alice"}}})
	}))
	return session
}

func (b *bench) end(session string) {
	b.t.Helper()
	b.must(b.EndSession(b.t.Context(), session, store.End{Reason: store.EndLogout, Actor: store.ActorClient}))
}

var errDown = fmt.Errorf("%w: connection refused", provisioning.ErrUnavailable)

const created = "user alice name=Alice emails=[alice@example.org] locked=false"

func TestSynapseIsToldAtOnce(t *testing.T) {
	eachSynapse(t, func(b *bench) {
		ctx := t.Context()
		b.create("alice")
		b.told(created)
		session := b.signIn("PHONE", "Phone")
		b.told("device alice PHONE name=Phone")
		b.must(b.RenameDevice(ctx, "alice", "PHONE", "Mine"))
		b.told("rename alice PHONE to Mine")
		_, err := b.SetDisplayName(ctx, "alice", "", store.ActorUser)
		b.must(err)
		b.told("user alice name=")
		_, err = b.LockUser(ctx, "alice")
		b.must(err)
		b.told("user alice locked=true")
		_, err = b.UnlockUser(ctx, "alice")
		b.must(err)
		b.told("user alice locked=false")
		b.must(b.SyncDevices(ctx, "alice"))
		b.told("devices of alice are [PHONE]")
		b.end(session)
		b.told("delete device alice PHONE")
		_, err = b.DeactivateUser(ctx, "alice")
		b.must(err)
		b.told("delete user alice erase=false")
		_, err = b.ReactivateUser(ctx, "alice")
		b.must(err)
		b.told("reactivate alice", "user alice emails=[alice@example.org] locked=false")
	})
}

func TestSynapseThatIsDown(t *testing.T) {
	eachSynapse(t, func(b *bench) {
		b.there.down = errDown
		b.create("alice")
		phone := provider.Provision{Localpart: "alice", DeviceID: "PHONE", DeviceName: "Phone"}
		if err := b.Provision(t.Context(), phone); !errors.Is(err, jobs.ErrWaiting) {
			t.Errorf("D-11: a device is there with %v", err)
		}
		b.told()
		b.there.down = nil
		session := b.signIn("PHONE", "Phone")
		b.told(created, "device alice PHONE name=Phone")

		b.there.down = errDown
		b.end(session) // the person is not kept waiting
		b.told()
		b.there.down = nil
		b.signIn("LAPTOP", "Laptop")
		b.told("delete device alice PHONE", "device alice LAPTOP name=Laptop")
	})
}

// A removal that is told late must not take what came after it.
func TestSynapseKeepsADeviceThatIsSignedInAgain(t *testing.T) {
	eachSynapse(t, func(b *bench) {
		b.create("alice")
		session := b.signIn("PHONE", "Phone")
		b.there.down = errDown
		b.end(session)
		b.there.down, b.there.calls = nil, nil
		b.signIn("PHONE", "Phone")
		b.told("device alice PHONE name=Phone")
		b.signIn("PHONE", "Other") // a client that signs in once more
		b.told("device alice PHONE name=")
	})
}

func TestSynapseThatHasLostAUser(t *testing.T) {
	eachSynapse(t, func(b *bench) {
		b.create("alice")
		delete(b.there.users, "alice")
		b.there.calls = nil
		b.signIn("PHONE", "Phone")
		b.told(created, "device alice PHONE name=Phone")
	})
}

func TestResetIsAllowedWhileTheApprovalIsGood(t *testing.T) {
	for name, late := range map[string]time.Duration{"in time": 9 * time.Minute, "too late": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			eachSynapse(t, func(b *bench) {
				ctx := t.Context()
				b.create("alice")
				session := b.signIn("PHONE", "Phone")
				b.there.down, b.there.calls = errDown, nil
				b.must(b.AddProof(ctx, store.ProofKey{Browser: "b", Localpart: "alice", Purpose: "reset", Detail: session}, store.Login{Localpart: "alice"}))
				b.must(b.ApproveReset(ctx, store.ProofKey{Browser: "b", Localpart: "alice", Purpose: "reset", Detail: session}, store.UIASession{SessionID: session}))
				b.clock.Advance(late)
				b.there.down = nil
				b.must(b.Clear(ctx, store.HomeserverLane("alice")))
				if late < 10*time.Minute {
					b.told("allow reset of alice")
				} else {
					b.told()
				}
			})
		})
	}
}

func TestNamesThatSynapseHas(t *testing.T) {
	eachSynapse(t, func(b *bench) {
		ctx := t.Context()
		b.there.users["bob"] = provisioning.User{UserID: "@bob:example.org", DisplayName: "Bob"}
		for name, want := range map[string]bool{"bob": false, "carol": true} {
			if free, err := b.Available(ctx, name); err != nil || free != want {
				t.Errorf("%s is free: %t, error %v", name, free, err)
			}
		}
		if _, err := b.User(ctx, "carol"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a user whom nobody has: %v", err)
		}
		link := store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "b", Localpart: "bob"}
		if localpart, err := b.Link(ctx, link); err != nil || localpart != "bob" {
			t.Fatalf("linked to %q, error %v", localpart, err)
		}
		if user, err := b.Store.User(ctx, "bob"); err != nil || user.DisplayName != "Bob" {
			t.Errorf("adopted %+v, error %v", user, err)
		}
		b.told() // it has them
		b.there.down = errDown
		if _, err := b.Available(ctx, "dave"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("nobody knows whether a name is free: %v", err)
		}
		if _, err := b.User(ctx, "dave"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("nobody knows whether a user is there: %v", err)
		}
	})
}
