package store_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

func (f *fixture) rendezvous(id, network string) error {
	_, err := f.BeginRendezvous(f.ctx, id, store.NewRendezvous{Protocol: store.MSC4388, Network: network, ExpiresAt: f.clock.Now().Add(time.Minute)})
	return err
}

func TestRendezvous(t *testing.T) {
	write := func(f *fixture, sequence int64, payload, transaction string) (store.Rendezvous, error) {
		return f.WriteRendezvous(f.ctx, store.MSC4388, "id", store.RendezvousWrite{Sequence: sequence, Payload: []byte(payload), Transaction: transaction})
	}
	want := func(f *fixture, payload string, sequence int64) {
		f.t.Helper()
		got, err := f.Rendezvous(f.ctx, store.MSC4388, "id")
		if err != nil || string(got.Payload) != payload || got.Sequence != sequence {
			f.t.Errorf("payload %q, sequence %d, error %v; want %q and %d", got.Payload, got.Sequence, err, payload, sequence)
		}
	}
	gone := func(f *fixture) {
		f.t.Helper()
		_, err := f.Rendezvous(f.ctx, store.MSC4388, "id")
		f.want("read", err, store.ErrNotFound)
		_, err = write(f, 1, "x", "")
		f.want("write", err, store.ErrNotFound)
		f.want("end", f.EndRendezvous(f.ctx, store.MSC4388, "id"), store.ErrNotFound)
	}
	tests := []struct {
		name string
		do   func(f *fixture)
	}{
		{"it begins with a payload, which may be empty", func(f *fixture) { want(f, "", 1) }},
		{"a write replaces the payload, with any bytes", func(f *fixture) {
			f.clock.Advance(time.Second)
			got, err := write(f, 1, "\x00\xff\xfe", "")
			f.must(err)
			if got.Sequence != 2 || !got.ChangedAt.Equal(f.clock.Now()) || !got.ExpiresAt.Equal(f.clock.Now().Add(59*time.Second)) {
				f.t.Errorf("the session is %+v", got)
			}
			want(f, "\x00\xff\xfe", 2)
		}},
		{"the same payload again is another sequence", func(f *fixture) {
			_, err := write(f, 1, "", "")
			f.must(err)
			want(f, "", 2)
		}},
		{"of many writes one wins, and the others see what it wrote", func(f *fixture) {
			var mu sync.Mutex
			var seen [][]byte
			wantOnce(f.t, together(8, func(i int) error {
				got, err := write(f, 1, fmt.Sprint(i), "")
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, got.Payload)
				return err
			}), store.ErrConflict)
			for _, s := range seen {
				if !bytes.Equal(s, seen[0]) {
					f.t.Errorf("one sees %q, another %q", s, seen[0])
				}
			}
		}},
		{"of many writes on two servers one wins", func(f *fixture) {
			other := f.again()
			wantOnce(f.t, together(8, func(i int) error {
				s := f.Store
				if i%2 == 0 {
					s = other
				}
				_, err := s.WriteRendezvous(f.ctx, store.MSC4388, "id", store.RendezvousWrite{Sequence: 1, Payload: []byte{byte(i)}, Transaction: fmt.Sprint(i)})
				return err
			}), store.ErrConflict)
		}},
		{"a transaction gets its answer again, whatever it says and whatever came later", func(f *fixture) {
			_, err := write(f, 1, "first", "one")
			f.must(err)
			_, err = write(f, 1, "late", "late")
			f.want("a late write", err, store.ErrConflict)
			_, err = write(f, 2, "second", "two")
			f.must(err)
			got, err := write(f, 3, "other", "one")
			if err != nil || got.Sequence != 2 {
				f.t.Errorf("again: sequence %d, error %v", got.Sequence, err)
			}
			_, err = write(f, 3, "late", "late")
			f.want("the late write again", err, store.ErrConflict)
			want(f, "second", 3)
		}},
		{"one transaction many times at once is one write", func(f *fixture) {
			for i, err := range together(8, func(int) error {
				got, err := write(f, 1, "x", "one")
				if got.Sequence != 2 {
					f.t.Errorf("sequence %d", got.Sequence)
				}
				return err
			}) {
				f.want(fmt.Sprint("write ", i), err, nil)
			}
			want(f, "x", 2)
		}},
		{"a session takes and remembers only so many writes", func(f *fixture) {
			for i := range store.MaxRendezvousWrites {
				_, err := write(f, int64(i+1), "x", fmt.Sprint(i))
				f.must(err)
			}
			_, err := write(f, store.MaxRendezvousWrites+1, "x", "more")
			f.want("one more", err, store.ErrTooMany)
			_, err = write(f, store.MaxRendezvousWrites+1, "x", "")
			f.want("one more without a transaction", err, store.ErrTooMany)
			_, err = write(f, 1, "x", "0")
			f.want("a known one", err, nil)
		}},
		{"it is not seen by the other protocol", func(f *fixture) {
			_, err := f.Rendezvous(f.ctx, store.MSC4108, "id")
			f.want("read", err, store.ErrNotFound)
			f.want("end", f.EndRendezvous(f.ctx, store.MSC4108, "id"), store.ErrNotFound)
			want(f, "", 1)
		}},
		{"it is gone when its time is over, however it was written to", func(f *fixture) {
			f.clock.Advance(time.Minute - time.Millisecond)
			_, err := write(f, 1, "x", "one")
			f.must(err)
			f.clock.Advance(time.Millisecond)
			gone(f)
		}},
		{"it is gone when it was ended, with what it remembered", func(f *fixture) {
			_, err := write(f, 1, "x", "one")
			f.must(err)
			f.must(f.EndRendezvous(f.ctx, store.MSC4388, "id"))
			gone(f)
			if n := f.number("SELECT count(*) FROM rendezvous_writes"); n != 0 {
				f.t.Errorf("%d writes are left", n)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				f.must(f.rendezvous("id", "192.0.2.1/32"))
				tt.do(f)
			})
		})
	}
}

func TestRendezvousLimits(t *testing.T) {
	each(t, func(f *fixture) {
		// insert stores sessions without counting them.
		insert := func(n int, network string) {
			f.t.Helper()
			f.must(f.InTx(f.ctx, func(ctx context.Context) error {
				for range n {
					f.in(ctx).exec("INSERT INTO rendezvous_sessions (protocol, id_hash, network, payload, sequence, changed_at, expires_at) VALUES ('msc4108', ?, ?, '', 1, 0, ?)",
						secret.Bytes(32), network, f.clock.Now().Add(time.Minute).UnixMilli())
				}
				return nil
			}))
		}
		insert(store.MaxNetworkRendezvous-2, "192.0.2.1/32")
		began := 0
		for _, err := range together(8, func(int) error { return f.rendezvous(secret.Token(), "192.0.2.1/32") }) {
			if err == nil {
				began++
				continue
			}
			f.want("one too many of a network", err, store.ErrTooMany)
		}
		if began != 2 {
			f.t.Errorf("%d began where two were left", began)
		}
		f.want("another network", f.rendezvous("other", "192.0.2.2/32"), nil)
		insert(store.MaxRendezvous-store.MaxNetworkRendezvous-2, "192.0.2.3/32")
		f.want("the last of all", f.rendezvous("last", "192.0.2.4/32"), nil)
		f.want("one too many of all", f.rendezvous("more", "192.0.2.5/32"), store.ErrTooMany)
		f.must(f.EndRendezvous(f.ctx, store.MSC4388, "last"))
		f.want("after one has ended", f.rendezvous("more", "192.0.2.5/32"), nil)
		f.clock.Advance(time.Minute)
		f.want("after all have expired", f.rendezvous("again", "192.0.2.1/32"), nil)
	})
}
