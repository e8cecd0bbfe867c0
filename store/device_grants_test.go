package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/ory/fosite"

	"keymaker/internal/secret"
	"keymaker/store"
)

// deviceGrant stores a grant for ten minutes, as the device authorization
// endpoint does.
func (f *fixture) deviceGrant(code string, userHash []byte) {
	f.t.Helper()
	f.must(f.tryDeviceGrant(code, userHash))
}

func (f *fixture) tryDeviceGrant(code string, userHash []byte) error {
	f.t.Helper()
	r := fosite.NewDeviceRequest()
	r.Client = f.client("TV")
	r.SetRequestedScopes(fosite.Arguments{"openid"})
	r.SetSession(&store.Session{ID: store.NewID(f.clock.Now()), PollInterval: 5 * time.Second, ExpiresAt: f.clock.Now().Add(10 * time.Minute),
		Requester: store.Requester{Address: "203.0.113.7", Agent: "TV/1"}})
	return store.Fosite{Store: f.Store}.CreateDeviceAuthSession(f.ctx, string(secret.Hash(code)), string(userHash), r)
}

func TestDeviceGrant(t *testing.T) {
	userHash := secret.Hash("BCDFGHJK")
	tests := []struct {
		name string
		do   func(f *fixture, alice store.Login)
	}{
		{"a pending grant is found by its user code, with where it came from", func(f *fixture, _ store.Login) {
			g, err := f.DeviceGrant(f.ctx, userHash)
			f.must(err)
			if g.Scope != "openid" || g.Requester != (store.Requester{Address: "203.0.113.7", Agent: "TV/1"}) || !g.RequestedAt.Equal(f.clock.Now()) {
				f.t.Errorf("the grant is %+v", g)
			}
		}},
		{"a user code that is taken is drawn again", func(f *fixture, _ store.Login) {
			f.want("a second grant", f.tryDeviceGrant("another", userHash), fosite.ErrExistingUserCodeSignature)
		}},
		{"G-13: an unknown one is not found", func(f *fixture, _ store.Login) {
			_, err := f.DeviceGrant(f.ctx, secret.Hash("other"))
			f.want("read", err, store.ErrNotFound)
		}},
		{"G-13: an expired one is not found, and not decided", func(f *fixture, alice store.Login) {
			f.clock.Advance(10 * time.Minute)
			_, err := f.DeviceGrant(f.ctx, userHash)
			f.want("read", err, store.ErrNotFound)
			f.want("approve", f.DecideDevice(f.ctx, userHash, store.DeviceAnswer{Login: alice, Approved: true, Scope: "openid"}), store.ErrConflict)
		}},
		{"G-14: of many answers one counts", func(f *fixture, alice store.Login) {
			errs := together(8, func(i int) error {
				return f.DecideDevice(f.ctx, userHash, store.DeviceAnswer{Login: alice, Approved: i%2 == 0, Scope: "openid"})
			})
			wantOnce(f.t, errs, store.ErrConflict)
			_, err := f.DeviceGrant(f.ctx, userHash)
			f.want("read", err, store.ErrNotFound)
		}},
		{"G-15: it is bound to who approved it, and where they signed in", func(f *fixture, alice store.Login) {
			f.must(f.DecideDevice(f.ctx, userHash, store.DeviceAnswer{Login: alice, Approved: true, Scope: "openid"}))
			if n := f.number("SELECT count(*) FROM device_grants WHERE localpart = 'alice' AND provider_id = 'idp' AND upstream_subject = 'alice'"); n != 1 {
				f.t.Errorf("%d grants are alice's", n)
			}
		}},
		{"signing a user out everywhere voids what they approved", func(f *fixture, alice store.Login) {
			f.must(f.DecideDevice(f.ctx, userHash, store.DeviceAnswer{Login: alice, Approved: true, Scope: "openid"}))
			_, err := f.SignOutUser(f.ctx, "alice", logout)
			f.must(err)
			if n := f.number("SELECT count(*) FROM device_grants"); n != 0 {
				f.t.Errorf("%d grants are left", n)
			}
		}},
		{"G-26: an approved grant is redeemed once", func(f *fixture, alice store.Login) {
			f.must(f.DecideDevice(f.ctx, userHash, store.DeviceAnswer{Login: alice, Approved: true, Scope: "openid"}))
			wantOnce(f.t, together(8, func(int) error {
				ctx := f.BeginExchange(f.ctx)
				if err := f.LoadDevice(ctx, secret.Hash("device code")); err != nil {
					return err
				}
				return f.InTx(ctx, func(ctx context.Context) error {
					// Without a session behind it there is no answer to repeat.
					return store.Fosite{Store: f.Store}.InvalidateDeviceCodeSession(ctx, string(secret.Hash("device code")))
				})
			}), store.ErrConflict)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				alice := f.login("alice")
				f.deviceGrant("device code", userHash)
				tt.do(f, alice)
			})
		})
	}
}

func TestEnteredCode(t *testing.T) {
	each(t, func(f *fixture) {
		id, err := f.BeginDevice(f.ctx, "browser", "BCDFGHJK", f.clock.Now().Add(time.Minute))
		f.must(err)
		code, login, err := f.EnteredCode(f.ctx, "browser", id)
		if err != nil || code != "BCDFGHJK" || login != nil {
			f.t.Errorf("code %q, login %v, error %v", code, login, err)
		}
		_, _, err = f.EnteredCode(f.ctx, "another browser", id)
		f.want("in another browser", err, store.ErrNotFound)
		f.must(f.SignedIn(f.ctx, "browser", id, f.login("alice")))
		if _, login, err := f.EnteredCode(f.ctx, "browser", id); err != nil || login == nil || login.Localpart != "alice" {
			f.t.Errorf("after the sign-in: login %v, error %v", login, err)
		}
		other, err := f.Begin(f.ctx, "browser", store.AuthorizationRequest{Kind: store.RequestSSO, Params: []byte(`{}`), ExpiresAt: f.clock.Now().Add(time.Minute)})
		f.must(err)
		_, _, err = f.EnteredCode(f.ctx, "browser", other)
		f.want("a request of another kind", err, store.ErrNotFound)
	})
}
