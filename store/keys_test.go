package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

func signingKey(kid, alg string, at time.Time) store.SigningKey {
	return store.SigningKey{KID: kid, Alg: alg, State: store.KeyActive, NotBefore: at, PKCS8: []byte("private key " + kid)}
}

func TestSigningKeys(t *testing.T) {
	each(t, func(f *fixture) {
		f.t.Run("a key comes back as it was stored", func(t *testing.T) {
			want := signingKey("k1", "ES256", storetest.Start)
			f.must(f.AddSigningKey(f.ctx, want))
			keys, err := f.SigningKeys(f.ctx)
			if err != nil || len(keys) != 1 {
				t.Fatalf("%d keys, error %v", len(keys), err)
			}
			if got := keys[0]; got.KID != want.KID || got.Alg != want.Alg || got.State != want.State || !got.NotBefore.Equal(want.NotBefore) ||
				!bytes.Equal(got.PKCS8, want.PKCS8) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
		f.t.Run("the oldest comes first, whatever its state", func(t *testing.T) {
			f.clock.Advance(time.Second)
			next := signingKey("k0", "ES256", f.clock.Now())
			next.State = "next"
			f.must(f.AddSigningKey(f.ctx, next))
			keys, err := f.SigningKeys(f.ctx)
			f.must(err)
			if len(keys) != 2 || keys[0].KID != "k1" || keys[1].KID != "k0" {
				t.Errorf("got %+v", keys)
			}
		})
	})
}

func TestSigningKeysOfServersThatStartAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*store.Store{f.Store, f.again()}
		algs := []string{"ES256", "RS256"}
		wantAll(f.t, together(40, func(i int) error {
			alg := algs[i/2%2]
			return servers[i%2].AddSigningKey(f.ctx, signingKey(fmt.Sprint(alg, i), alg, f.clock.Now()))
		}))
		keys, err := f.SigningKeys(f.ctx)
		f.must(err)
		var found []string
		for _, k := range keys {
			found = append(found, k.Alg+" "+string(k.State))
		}
		slices.Sort(found)
		if want := []string{"ES256 active", "RS256 active"}; !slices.Equal(found, want) {
			f.t.Errorf("keys %v, want %v", found, want)
		}
	})
}

func TestServerSecret(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*store.Store{f.Store, f.again()}
		got := make([][]byte, 40)
		wantAll(f.t, together(len(got), func(i int) (err error) {
			got[i], err = servers[i%2].ServerSecret(f.ctx, "tokens", secret.Bytes(32))
			return err
		}))
		for _, value := range got {
			if len(value) != 32 || !bytes.Equal(value, got[0]) {
				f.t.Fatalf("servers got %x and %x", value, got[0])
			}
		}
		other, err := f.ServerSecret(f.ctx, "forms", secret.Bytes(32))
		if err != nil || bytes.Equal(other, got[0]) {
			f.t.Errorf("another purpose has the same secret, or error %v", err)
		}
	})
}

func TestLifeOfASigningKey(t *testing.T) {
	each(t, func(f *fixture) {
		first, second := signingKey("k1", "ES256", f.clock.Now()), signingKey("k2", "ES256", f.clock.Now())
		other := signingKey("r1", "RS256", f.clock.Now())
		second.State = store.KeyNext
		for _, k := range []store.SigningKey{first, second, other} {
			f.must(f.AddSigningKey(f.ctx, k))
		}
		f.want("remove the key that signs", f.RemoveSigningKey(f.ctx, "k1"), store.ErrNotFound)
		f.clock.Advance(time.Hour)
		retire := f.clock.Now().Add(2 * time.Hour)
		f.must(f.ActivateSigningKey(f.ctx, second, retire))

		f.t.Run("F-34: the next key signs, and the one of before retires", func(t *testing.T) {
			keys, err := f.SigningKeys(f.ctx)
			f.must(err)
			got := map[string]store.SigningKey{}
			for _, k := range keys {
				got[k.KID] = k
			}
			if k := got["k1"]; k.State != store.KeyRetiring || !k.RetireAfter.Equal(retire) {
				t.Errorf("k1 is %s until %s", k.State, k.RetireAfter)
			}
			if k := got["k2"]; k.State != store.KeyActive || !k.NotBefore.Equal(f.clock.Now()) || !k.Published.Equal(storetest.Start) || !k.RetireAfter.IsZero() {
				t.Errorf("k2 is %s since %s, published %s, until %s", k.State, k.NotBefore, k.Published, k.RetireAfter)
			}
			if k := got["r1"]; k.State != store.KeyActive {
				t.Errorf("the key of another algorithm is %s", k.State)
			}
		})
		f.t.Run("F-34: what signs already is not next", func(*testing.T) {
			f.want("activate it again", f.InTx(f.ctx, func(ctx context.Context) error { return f.ActivateSigningKey(ctx, second, retire) }), store.ErrConflict)
			if n := f.number("SELECT COUNT(*) FROM oidc_signingkey WHERE state = 'active'"); n != 2 {
				f.t.Errorf("%d keys sign, want 2", n)
			}
		})
		f.t.Run("F-34: a retiring key can be removed, once", func(*testing.T) {
			f.must(f.RemoveSigningKey(f.ctx, "k1"))
			f.want("remove it again", f.RemoveSigningKey(f.ctx, "k1"), store.ErrNotFound)
		})
	})
}

func TestChangesOfSigningKeysWaitForEachOther(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*store.Store{f.Store, f.again()}
		wantAll(f.t, together(20, func(i int) error {
			s := servers[i%2]
			return s.ChangeSigningKeys(f.ctx, func(ctx context.Context, keys []store.SigningKey) error {
				if len(keys) > 0 {
					return nil // another one was faster
				}
				next := signingKey(fmt.Sprint("k", i), "ES256", f.clock.Now())
				next.State = store.KeyNext
				return s.AddSigningKey(ctx, next)
			})
		}))
		if n := f.number("SELECT COUNT(*) FROM oidc_signingkey"); n != 1 {
			f.t.Errorf("%d servers found no key, want 1", n)
		}
		refused := errors.New("refused")
		err := f.ChangeSigningKeys(f.ctx, func(ctx context.Context, _ []store.SigningKey) error {
			f.must(f.AddSigningKey(ctx, signingKey("k99", "RS256", f.clock.Now())))
			return refused
		})
		f.want("a change that fails", err, refused)
		if n := f.number("SELECT COUNT(*) FROM oidc_signingkey"); n != 1 {
			f.t.Error("what a failed change did was kept")
		}
	})
}
