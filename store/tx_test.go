package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"keymaker/store"
	"keymaker/store/storetest"
)

var errStop = errors.New("stop")

func TestInTx(t *testing.T) {
	record := func(f *fixture, ctx context.Context, localpart string) {
		f.must(f.Record(ctx, store.Event{Action: "test", Localpart: localpart, Actor: store.ActorServer}))
	}
	panics := func(do func()) (recovered any) {
		defer func() { recovered = recover() }()
		do()
		return nil
	}
	tests := []struct {
		name string
		run  func(*fixture)
		kept int // how many events are there afterwards
	}{
		{"what succeeds is kept", func(f *fixture) {
			f.must(f.InTx(f.ctx, func(ctx context.Context) error { record(f, ctx, "alice"); return nil }))
		}, 1},
		{"what fails leaves nothing", func(f *fixture) {
			f.want("InTx", f.InTx(f.ctx, func(ctx context.Context) error { record(f, ctx, "alice"); return errStop }), errStop)
		}, 0},
		{"what panics leaves nothing and frees the connection", func(f *fixture) {
			got := panics(func() { _ = f.InTx(f.ctx, func(ctx context.Context) error { record(f, ctx, "alice"); panic("boom") }) })
			if got != "boom" {
				f.t.Errorf("recovered %v", got)
			}
		}, 0},
		{"a nested one is kept with the outer one", func(f *fixture) {
			f.must(f.InTx(f.ctx, func(ctx context.Context) error {
				record(f, ctx, "alice")
				return f.InTx(ctx, func(ctx context.Context) error { record(f, ctx, "alice"); return nil })
			}))
		}, 2},
		{"a nested one is undone with the outer one", func(f *fixture) {
			f.want("InTx", f.InTx(f.ctx, func(ctx context.Context) error {
				f.must(f.InTx(ctx, func(ctx context.Context) error { record(f, ctx, "alice"); return nil }))
				return errStop
			}), errStop)
		}, 0},
		{"the error of a nested one undoes the outer one", func(f *fixture) {
			f.want("InTx", f.InTx(f.ctx, func(ctx context.Context) error {
				record(f, ctx, "alice")
				return f.InTx(ctx, func(context.Context) error { return errStop })
			}), errStop)
		}, 0},
		{"it reads what it has written, and nobody else does", func(f *fixture) {
			f.must(f.InTx(f.ctx, func(ctx context.Context) error {
				record(f, ctx, "alice")
				inside, err := f.AuditEvents(ctx, "alice", 10)
				f.must(err)
				outside, err := f.AuditEvents(f.ctx, "alice", 10)
				f.must(err)
				if len(inside) != 1 || len(outside) != 0 {
					f.t.Errorf("%d events inside and %d outside, want 1 and 0", len(inside), len(outside))
				}
				return nil
			}))
		}, 1},
		{"fosite's own joins, and cannot undo the outer one", func(f *fixture) {
			f.must(f.InTx(f.ctx, func(ctx context.Context) error {
				inner, err := f.BeginTX(ctx)
				f.must(err)
				record(f, inner, "alice")
				return f.Rollback(inner)
			}))
		}, 1},
		{"fosite's own stands alone, and is kept", func(f *fixture) {
			ctx, err := f.BeginTX(f.ctx)
			f.must(err)
			record(f, ctx, "alice")
			f.must(f.Commit(ctx))
		}, 1},
		{"fosite's own stands alone, and is undone", func(f *fixture) {
			ctx, err := f.BeginTX(f.ctx)
			f.must(err)
			record(f, ctx, "alice")
			f.must(f.Rollback(ctx))
		}, 0},
		{"without one there is nothing to end", func(f *fixture) {
			f.must(errors.Join(f.Commit(f.ctx), f.Rollback(f.ctx)))
		}, 0},
		{"a cancelled one leaves nothing", func(f *fixture) {
			ctx, cancel := context.WithCancel(f.ctx)
			defer cancel()
			f.want("InTx", f.InTx(ctx, func(ctx context.Context) error { record(f, ctx, "alice"); cancel(); return nil }), store.ErrUnavailable)
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				tt.run(f)
				events, err := f.AuditEvents(f.ctx, "alice", 10)
				f.must(err)
				if len(events) != tt.kept {
					f.t.Errorf("%d events are kept, want %d", len(events), tt.kept)
				}
				f.must(f.InTx(f.ctx, func(context.Context) error { return nil }))
			})
		})
	}
}

// A statement that one request prepares outside of a transaction while another
// one needs it inside must not make the two wait for each other: the SQLite
// writer is a single connection.
func TestTheSameStatementInsideAndOutsideATransaction(t *testing.T) {
	f := open(t, storetest.Databases()[0])
	event := store.Event{Action: "test", Localpart: "alice", Actor: store.ActorServer}
	outside := make(chan error, 1)
	f.must(f.InTx(f.ctx, func(ctx context.Context) error {
		if err := f.untilWaiting(ctx, func() { outside <- f.Record(f.ctx, event) }); err != nil {
			return err
		}
		return f.Record(ctx, event)
	}))
	f.must(<-outside)
	events, err := f.AuditEvents(f.ctx, "alice", 10)
	if err != nil || len(events) != 2 {
		t.Errorf("%d events, error %v, want 2", len(events), err)
	}
}

func TestWritersAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*store.Store{f.Store, f.again()}
		wantAll(f.t, together(60, func(i int) error {
			return servers[i%2].InTx(f.ctx, func(ctx context.Context) error {
				if _, err := servers[i%2].AuditEvents(ctx, "alice", 1); err != nil {
					return err
				}
				return servers[i%2].Record(ctx, store.Event{Action: fmt.Sprint(i), Localpart: "alice", Actor: store.ActorServer})
			})
		}))
		if n := f.number("SELECT count(*) FROM audit_events"); n != 60 {
			f.t.Errorf("%d events, want 60", n)
		}
	})
}
