package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestReseal(t *testing.T) {
	each(t, func(f *fixture) {
		f.must(f.AddSigningKey(f.ctx, signingKey("k1", "ES256", storetest.Start)))
		want, err := f.ServerSecret(f.ctx, "tokens", secret.Bytes(32))
		f.must(err)
		login := store.UpstreamLogin{ProviderID: "idp", RequestID: "r"}
		f.must(f.BeginUpstream(f.ctx, "browser", "state", login, f.clock.Now().Add(time.Minute)))
		sealer, err := secret.NewSealer(secret.Bytes(secret.KeySize))
		f.must(err)
		o := f.options
		o.Sealer = sealer
		fresh := storetest.Open(f.t, o)

		f.t.Run("the wrong file seals nothing again", func(t *testing.T) {
			if _, err := fresh.Reseal(f.ctx, sealer); !errors.Is(err, secret.ErrSealed) {
				t.Errorf("error %v", err)
			}
			if _, err := f.SigningKeys(f.ctx); err != nil {
				t.Errorf("the right file: %v", err)
			}
		})
		n, err := f.Reseal(f.ctx, sealer)
		f.must(err)
		f.t.Run("the new file opens everything, as it was", func(t *testing.T) {
			keys, err := fresh.SigningKeys(f.ctx)
			if err != nil || len(keys) != 1 || !bytes.Equal(keys[0].PKCS8, signingKey("k1", "ES256", storetest.Start).PKCS8) {
				t.Errorf("keys %+v, error %v", keys, err)
			}
			if got, err := fresh.ServerSecret(f.ctx, "tokens", secret.Bytes(32)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("another secret, or error %v", err)
			}
			if n != 2 {
				t.Errorf("%d values were sealed again, want 2", n)
			}
		})
		f.t.Run("the old file opens nothing any more, and adds no key", func(t *testing.T) {
			if _, err := f.SigningKeys(f.ctx); !errors.Is(err, secret.ErrSealed) {
				t.Errorf("signing keys: %v", err)
			}
			err := f.ChangeSigningKeys(f.ctx, func(context.Context, []store.SigningKey) error { t.Error("asked for a change"); return nil })
			if !errors.Is(err, secret.ErrSealed) {
				t.Errorf("change: %v", err)
			}
		})
		f.t.Run("who was at an identity provider begins anew", func(*testing.T) {
			_, err := fresh.TakeUpstream(f.ctx, "browser", "idp", "state")
			f.want("take the login", err, store.ErrNotFound)
		})
	})
}

// TestResealKnowsEverySealedColumn fails when a migration adds one.
func TestResealKnowsEverySealedColumn(t *testing.T) {
	scripts, err := os.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?m)^CREATE TABLE (\w+)|^ALTER TABLE (\w+)|\b(\w+_sealed)\b\s+BYTEA`)
	var found []string
	for _, script := range scripts {
		text, err := os.ReadFile("migrations/" + script.Name())
		if err != nil {
			t.Fatal(err)
		}
		current := ""
		for _, m := range table.FindAllStringSubmatch(string(text), -1) {
			if m[3] != "" {
				found = append(found, current+"."+m[3])
				continue
			}
			current = m[1] + m[2]
		}
	}
	slices.Sort(found)
	if known := store.SealedColumns(); !slices.Equal(found, known) {
		t.Errorf("the migrations have %v, resealing knows %v", found, known)
	}
}
