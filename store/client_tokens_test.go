package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/secret"
	"keymaker/store"
)

func TestUseAssertion(t *testing.T) {
	each(t, func(f *fixture) {
		until := f.clock.Now().Add(time.Minute)
		other := f.again()
		errs := together(40, func(i int) error {
			if i%2 == 0 {
				return other.UseAssertion(f.ctx, "c1", "the jti", until)
			}
			return f.UseAssertion(f.ctx, "c1", "the jti", until)
		})
		wantOnce(f.t, errs, store.ErrExists)
		f.must(f.UseAssertion(f.ctx, "c2", "the jti", until))
		f.must(f.UseAssertion(f.ctx, "c1", "another jti", until))
		f.want("a jti that would be another client's, if the two were joined", f.UseAssertion(f.ctx, "c1t", "he jti", until), nil)

		f.clock.Advance(time.Minute + time.Millisecond)
		removed, err := f.Sweep(f.ctx)
		f.must(err)
		if removed != 4 {
			f.t.Errorf("%d rows were swept, want 4", removed)
		}
	})
}

func TestClientTokens(t *testing.T) {
	each(t, func(f *fixture) {
		f.must(f.Configure(f.ctx, []store.NewClient{{ID: "bot", Metadata: []byte(appMetadata)}}))
		registered := f.client("App")
		token := func(clientID string) (hash []byte, want store.ClientToken) {
			f.t.Helper()
			hash = secret.Bytes(32)
			want = store.ClientToken{ClientID: clientID, Scope: "a b", IssuedAt: f.clock.Now(), ExpiresAt: f.clock.Now().Add(5 * time.Minute)}
			f.must(f.AddClientToken(f.ctx, hash, want))
			return hash, want
		}
		valid := func(when string, hash []byte, want *store.ClientToken) {
			f.t.Helper()
			got, err := f.ClientToken(f.ctx, hash)
			if want == nil {
				f.want(when, err, store.ErrNotFound)
				return
			}
			f.must(err)
			if diff := cmp.Diff(*want, got); diff != "" {
				f.t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		for _, id := range []string{"bot", registered.ID} {
			hash, want := token(id)
			valid("of "+id, hash, &want)
			f.must(f.RemoveClientToken(f.ctx, hash))
			valid("of "+id+", removed", hash, nil)
			f.must(f.RemoveClientToken(f.ctx, hash))
		}
		valid("never a token", secret.Bytes(32), nil)

		gone, _ := token("nobody")
		valid("of a client that is gone", gone, nil)
		hash, want := token("bot")
		f.clock.Advance(5*time.Minute - time.Millisecond)
		valid("at its end", hash, &want)
		f.clock.Advance(time.Millisecond)
		valid("expired", hash, nil)
	})
}

func TestSweepKeepsClientsThatHaveTokensOfTheirOwn(t *testing.T) {
	each(t, func(f *fixture) {
		confidential := func(id string) {
			_, err := f.Register(f.ctx, store.NewClient{ID: id, Metadata: []byte(appMetadata), SecretHash: secret.Hash(id)})
			f.must(err)
		}
		confidential("unused")
		confidential("used")
		left := func(after time.Duration, want string) {
			f.t.Helper()
			f.clock.Advance(after)
			_, err := f.Sweep(f.ctx)
			f.must(err)
			var ids []string
			f.must(f.Writer(f.ctx).Raw("SELECT id FROM clients ORDER BY id").Scan(&ids).Error)
			if got := fmt.Sprint(ids); got != want {
				f.t.Errorf("%v later there is %s, want %s", after, got, want)
			}
		}
		f.clock.Advance(time.Minute)
		f.must(f.AddClientToken(f.ctx, secret.Bytes(32), store.ClientToken{ClientID: "used", IssuedAt: f.clock.Now(), ExpiresAt: f.clock.Now().Add(time.Minute)}))
		left(25*time.Hour, "[used]")
		left(28*24*time.Hour, "[used]")
		left(24*time.Hour, "[]")
	})
}
