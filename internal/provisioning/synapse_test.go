package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/clock"
	"keymaker/internal/fakesynapse"
	"keymaker/internal/faketuwunel"
	"keymaker/internal/provisioning"
	"keymaker/internal/secret"
	"keymaker/internal/synapsetest"
)

func TestMain(m *testing.M) { os.Exit(synapsetest.Run(m, "the calls")) }

// eachSynapse runs a test with a fake one, and with a real one where there is
// one: where it answers.
func eachSynapse(t *testing.T, delegates bool, test func(t *testing.T, url string)) {
	t.Run("the fake", func(t *testing.T) {
		s, url := fakesynapse.Start(t, clock.System{})
		if delegates {
			s.Delegate("http://127.0.0.1:9", sharedSecret)
		}
		test(t, url)
	})
	if !synapsetest.Wanted() {
		return
	}
	t.Run("the real one", func(t *testing.T) {
		o := synapsetest.Options{}
		if delegates {
			o.Endpoint, o.Secret = "http://127.0.0.1:9", sharedSecret
		}
		test(t, synapsetest.Start(t, o).URL)
	})
}

// conversation is what is said to Synapse, and wanted of it, in this order.
var conversation = []struct {
	name string
	call func(*asking) error
	want error // nil for a success
}{
	{"it is there", func(a *asking) error { return a.Check(a.ctx()) }, nil},
	{"alice is nobody yet", func(a *asking) error { _, err := a.QueryUser(a.ctx(), "alice"); return err }, provisioning.ErrNotFound},
	{"her name is free", func(a *asking) error { return a.LocalpartAvailable(a.ctx(), "alice") }, nil},
	{"she has no devices", func(a *asking) error { _, err := a.UpsertDevice(a.ctx(), "alice", "A", ""); return err }, provisioning.ErrNotFound},
	{"she is made", func(a *asking) error {
		return a.user(true, provisioning.Profile{DisplayName: pointer("Alice"), AvatarURL: pointer("mxc://a/b"), Emails: &[]string{"alice@example.com"}, Locked: pointer(false)})
	}, nil},
	{"she is as she was made", func(a *asking) error { return a.is(provisioning.User{DisplayName: "Alice", AvatarURL: "mxc://a/b"}) }, nil},
	{"she is there already", func(a *asking) error { return a.user(false, provisioning.Profile{}) }, nil},
	{"her name is taken", func(a *asking) error { return a.LocalpartAvailable(a.ctx(), "alice") }, provisioning.ErrNameInUse},
	{"nobody is called so", func(a *asking) error { return a.LocalpartAvailable(a.ctx(), "_Alice") }, provisioning.ErrNameInvalid},
	{"nor made", func(a *asking) error {
		_, err := a.ProvisionUser(a.ctx(), "_Alice", provisioning.Profile{})
		return err
	}, provisioning.ErrNameInvalid},
	{"her picture goes", func(a *asking) error { return a.user(false, provisioning.Profile{AvatarURL: pointer("")}) }, nil},
	{"her name stays", func(a *asking) error { return a.is(provisioning.User{DisplayName: "Alice"}) }, nil},
	{"she has a long name", func(a *asking) error { return a.SetDisplayName(a.ctx(), "alice", strings.Repeat("é", 300)) }, nil},
	{"which is cut", func(a *asking) error { return a.is(provisioning.User{DisplayName: strings.Repeat("é", 256)}) }, nil},
	{"her name goes", func(a *asking) error { return a.UnsetDisplayName(a.ctx(), "alice") }, nil},
	{"she has none", func(a *asking) error { return a.is(provisioning.User{}) }, nil},
	{"her device is made", func(a *asking) error { return a.device(true, strings.Repeat("📱", 200)) }, nil},
	{"it is there already", func(a *asking) error { return a.device(false, "") }, nil},
	{"it is named", func(a *asking) error {
		return a.UpdateDeviceDisplayName(a.ctx(), "alice", "A", strings.Repeat("📱", 200))
	}, nil},
	{"there is no other to name", func(a *asking) error { return a.UpdateDeviceDisplayName(a.ctx(), "alice", "B", "") }, provisioning.ErrNotFound},
	{"it is deleted", func(a *asking) error { return a.DeleteDevice(a.ctx(), "alice", "A") }, nil},
	{"it is not there", func(a *asking) error { return a.DeleteDevice(a.ctx(), "alice", "A") }, nil},
	{"she has two", func(a *asking) error { return a.SyncDevices(a.ctx(), "alice", []string{"A", "B"}) }, nil},
	{"they are there", func(a *asking) error { return a.device(false, "") }, nil},
	{"she has none any more", func(a *asking) error { return a.SyncDevices(a.ctx(), "alice", nil) }, nil},
	{"they are gone", func(a *asking) error { return a.device(true, "") }, nil},
	{"she may reset her keys", func(a *asking) error { return a.AllowCrossSigningReset(a.ctx(), "alice") }, nil},
	{"bob may not", func(a *asking) error { return a.AllowCrossSigningReset(a.ctx(), "bob") }, provisioning.ErrNotFound},
	{"she leaves", func(a *asking) error { return a.DeleteUser(a.ctx(), "alice", true) }, nil},
	{"she has left", func(a *asking) error { return a.is(provisioning.User{Deactivated: true}) }, nil},
	{"she leaves again", func(a *asking) error { return a.DeleteUser(a.ctx(), "alice", true) }, nil},
	{"bob cannot", func(a *asking) error { return a.DeleteUser(a.ctx(), "bob", true) }, provisioning.ErrNotFound},
	{"she comes back", func(a *asking) error { return a.ReactivateUser(a.ctx(), "alice") }, nil},
	{"she is back", func(a *asking) error { return a.is(provisioning.User{}) }, nil},
	{"carol is made without a name", func(a *asking) error {
		_, err := a.ProvisionUser(a.ctx(), "carol", provisioning.Profile{DisplayName: pointer("")})
		return err
	}, nil},
	{"and has none", func(a *asking) error { return a.called("carol", provisioning.User{}) }, nil},
	{"a picture of no good address is refused", func(a *asking) error {
		_, err := a.ProvisionUser(a.ctx(), "carol", provisioning.Profile{AvatarURL: pointer(strings.Repeat("x", 1001))})
		if refused := new(provisioning.Refused); !errors.As(err, &refused) || *refused != (provisioning.Refused{Status: 400, Errcode: "M_UNKNOWN"}) {
			a.Errorf("error %v", err)
		}
		return nil
	}, nil},
}

// asking is a client in a test.
type asking struct {
	*testing.T
	*provisioning.Client
}

func (a *asking) ctx() context.Context { return a.Context() }

// user makes alice exist, who is new or not.
func (a *asking) user(isNew bool, p provisioning.Profile) error {
	created, err := a.ProvisionUser(a.ctx(), "alice", p)
	if err == nil && created != isNew {
		a.Errorf("created %t", created)
	}
	return err
}

// device makes the device A of alice exist, which is new or not.
func (a *asking) device(isNew bool, name string) error {
	created, err := a.UpsertDevice(a.ctx(), "alice", "A", name)
	if err == nil && created != isNew {
		a.Errorf("created %t", created)
	}
	return err
}

func (a *asking) is(want provisioning.User) error { return a.called("alice", want) }

func (a *asking) called(localpart string, want provisioning.User) error {
	want.UserID = "@" + localpart + ":example.com"
	got, err := a.QueryUser(a.ctx(), localpart)
	if diff := cmp.Diff(want, got); err == nil && diff != "" {
		a.Errorf("-want +got\n%s", diff)
	}
	return err
}

func TestAConversationWithSynapse(t *testing.T) {
	eachSynapse(t, true, func(t *testing.T, url string) {
		a := &asking{t, newClient(t, url)}
		for _, c := range conversation {
			err := c.call(a)
			if c.want == nil && err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if c.want != nil {
				expectKind(t, err, c.want)
			}
		}
	})
}

// What Tuwunel says in another way: a name that nobody has is refused without
// saying that it is the name, and any address of a picture is good.
var otherInTuwunel = []string{"nor made", "a picture of no good address is refused"}

func TestAConversationWithTuwunel(t *testing.T) {
	a := &asking{t, newClient(t, faketuwunel.Start(t, "example.com", sharedSecret).URL())}
	for _, c := range conversation {
		if slices.Contains(otherInTuwunel, c.name) {
			continue
		}
		err := c.call(a)
		if c.want == nil && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != nil {
			expectKind(t, err, c.want)
		}
	}
	var refused *provisioning.Refused
	if _, err := a.ProvisionUser(a.ctx(), "_Alice", provisioning.Profile{}); !errors.As(err, &refused) {
		t.Errorf("a name that nobody has: %v", err)
	}
}

func TestTuwunelKnowsAnotherSecret(t *testing.T) {
	for _, known := range []string{"another", ""} {
		c := newClient(t, faketuwunel.Start(t, "example.com", known).URL())
		expectKind(t, c.Check(t.Context()), provisioning.ErrSecret)
		for _, call := range calls {
			expectKind(t, call.call(t.Context(), c), provisioning.ErrSecret)
		}
	}
}

func TestSynapseKnowsAnotherSecret(t *testing.T) {
	eachSynapse(t, true, func(t *testing.T, url string) {
		c, err := provisioning.New(provisioning.Options{Endpoint: url, Secret: secret.Text("another"), Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		expectKind(t, c.Check(t.Context()), provisioning.ErrSecret)
		for _, call := range calls {
			expectKind(t, call.call(t.Context(), c), provisioning.ErrSecret)
		}
	})
}

func TestSynapseDelegatesNothing(t *testing.T) {
	eachSynapse(t, false, func(t *testing.T, url string) {
		c := newClient(t, url)
		expectKind(t, c.Check(t.Context()), provisioning.ErrDisabled)
		for _, call := range calls {
			expectKind(t, call.call(t.Context(), c), provisioning.ErrDisabled)
		}
	})
}

// Two browsers of somebody new may come at the same moment.
func TestManyMayMakeTheSameUser(t *testing.T) {
	eachSynapse(t, true, func(t *testing.T, url string) {
		c := newClient(t, url)
		var made atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if created, err := c.ProvisionUser(t.Context(), "alice", provisioning.Profile{Locked: pointer(false)}); err != nil {
					t.Error(err)
				} else if created {
					made.Add(1)
				}
				if _, err := c.UpsertDevice(t.Context(), "alice", fmt.Sprint(i%3), "Phone"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("she is new %d times", made.Load())
		}
	})
}
