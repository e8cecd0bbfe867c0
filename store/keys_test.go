package store_test

import (
	"bytes"
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
			found = append(found, k.Alg+" "+k.State)
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
