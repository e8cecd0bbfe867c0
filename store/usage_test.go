package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"keymaker/store"
)

func (f *fixture) usedAt(g grant) int64 {
	f.t.Helper()
	return f.number("SELECT generation_used_at FROM sessions WHERE id = ?", g.ID)
}

func (f *fixture) lastSeen(device string) time.Time {
	f.t.Helper()
	d, err := f.Device(f.ctx, "alice", device)
	f.must(err)
	return d.LastSeenAt
}

func TestFirstUse(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		f.t.Run("it is written once, with the time of the use", func(t *testing.T) {
			g := f.start(alice, "D1", "c1")
			f.clock.Advance(time.Second)
			used := f.clock.Now().UnixMilli()
			f.use(g.Access)
			f.clock.Advance(time.Second)
			f.use(g.Access)
			f.must(f.FlushUsage(f.ctx))
			f.clock.Advance(time.Hour)
			f.use(g.Access)
			f.must(f.FlushUsage(f.ctx))
			if got := f.usedAt(g); got != used {
				t.Errorf("used at %d, want %d", got, used)
			}
		})
		f.t.Run("a token of an older generation leaves no mark", func(t *testing.T) {
			g := f.start(alice, "D2", "c1")
			f.rotate(g.Refresh)
			f.use(g.Access)
			if cost := f.spent(func() { f.must(f.FlushUsage(f.ctx)) }); cost.Statements != 0 || f.usedAt(g) != -1 {
				t.Errorf("%d statements, used at %d, want none and never", cost.Statements, f.usedAt(g))
			}
		})
		f.t.Run("a mark that is written after a rotation is not one of the new generation", func(t *testing.T) {
			g := f.start(alice, "D3", "c1")
			f.use(g.Access)
			f.rotate(g.Refresh)
			f.must(f.FlushUsage(f.ctx))
			if got := f.usedAt(g); got != -1 {
				t.Errorf("used at %d, want never", got)
			}
		})
		f.t.Run("a use of the new generation is not lost behind one of the old", func(t *testing.T) {
			g := f.start(alice, "D4", "c1")
			f.use(g.Access)
			_, access := f.rotate(g.Refresh)
			used := f.clock.Now().UnixMilli()
			f.use(access)
			f.clock.Advance(store.SeenResolution)
			f.use(g.Access)
			f.must(f.FlushUsage(f.ctx))
			if got := f.usedAt(g); got != used {
				t.Errorf("used at %d, want %d", got, used)
			}
		})
		f.t.Run("D-23: it counts before it is written", func(*testing.T) {
			g := f.start(alice, "D5", "c1")
			_, access := f.rotate(g.Refresh)
			f.use(access)
			f.wantPresented("the previous token", g.Refresh, store.ErrReused)
		})
		f.t.Run("D-23: a use of an older token does not count before it is written", func(*testing.T) {
			g := f.start(alice, "D6", "c1")
			f.rotate(g.Refresh)
			f.clock.Advance(time.Hour)
			f.use(g.Access)
			f.wantPresented("the previous token", g.Refresh, nil)
		})
		f.t.Run("it is written when the store closes", func(t *testing.T) {
			g := f.start(alice, "D7", "c1")
			other := f.again()
			session, err := other.AccessToken(f.ctx, g.Access)
			f.must(err)
			other.MarkUsed(session)
			f.must(other.Close())
			if got := f.usedAt(g); got != f.clock.Now().UnixMilli() {
				t.Errorf("used at %d, want %d", got, f.clock.Now().UnixMilli())
			}
		})
	})
}

func TestLastSeen(t *testing.T) {
	each(t, func(f *fixture) {
		g := f.start(f.login("alice"), "D1", "c1")
		start := f.clock.Now()
		steps := []struct {
			after time.Duration
			want  time.Duration // since the start
			what  string
		}{
			{time.Second, time.Second, "a first use is always written"},
			{store.SeenResolution - time.Millisecond, time.Second, "a later one is not, within the resolution"},
			{time.Millisecond, time.Second + store.SeenResolution, "and is after it"},
			{store.SeenResolution - time.Millisecond, time.Second + store.SeenResolution, "F-07: nor is one within the resolution of that"},
		}
		for _, step := range steps {
			f.clock.Advance(step.after)
			f.use(g.Access)
			cost := f.spent(func() { f.must(f.FlushUsage(f.ctx)) })
			if got := f.lastSeen("D1").Sub(start); got != step.want {
				f.t.Errorf("%s: seen after %v, want %v", step.what, got, step.want)
			}
			if wrote := cost.Statements > 0; wrote != (f.lastSeen("D1").Equal(f.clock.Now())) {
				f.t.Errorf("%s: %d statements", step.what, cost.Statements)
			}
		}
	})
}

func TestFirstUsesAreWrittenFirst(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		old := f.start(alice, "OLD", "c1")
		f.use(old.Access)
		f.must(f.FlushUsage(f.ctx))
		f.clock.Advance(store.SeenResolution)
		now := f.clock.Now()
		fresh := f.start(alice, "FRESH", "c1")
		f.use(fresh.Access)
		f.use(old.Access)
		steps := []struct {
			what  string
			write func(context.Context) error
			seen  bool
		}{
			{"F-07: a first use alone", f.FlushFirstUses, false},
			{"F-07: nothing, as there is no first use", f.FlushFirstUses, false},
			{"F-07: all of them", f.FlushUsage, true},
		}
		for _, step := range steps {
			f.must(step.write(f.ctx))
			if got := f.usedAt(fresh); got != now.UnixMilli() {
				f.t.Errorf("%s: used at %d, want %d", step.what, got, now.UnixMilli())
			}
			if seen := f.lastSeen("OLD").Equal(now); seen != step.seen {
				f.t.Errorf("%s: the other device was written: %t", step.what, seen)
			}
		}
	})
}

// TestManyUsesDoNotWait is about F-07, too.
func TestManyUsesDoNotWait(t *testing.T) {
	each(t, func(f *fixture) {
		g := f.start(f.login("alice"), "D1", "c1")
		f.use(g.Access)
		f.must(f.FlushUsage(f.ctx))
		f.clock.Advance(store.SeenResolution)
		f.use(g.Access)
		f.Pend(store.MostPending - 1)
		f.must(f.FlushFirstUses(f.ctx))
		if !f.lastSeen("D1").Equal(f.clock.Now()) {
			f.t.Error("they are still waiting")
		}
	})
}

func TestLastSeenNeverGoesBack(t *testing.T) {
	each(t, func(f *fixture) {
		g := f.start(f.login("alice"), "D1", "c1")
		f.clock.Advance(time.Hour)
		late := f.again()
		session, err := late.AccessToken(f.ctx, g.Access)
		f.must(err)
		late.MarkUsed(session)
		f.clock.Advance(time.Hour)
		f.use(g.Access)
		f.must(f.FlushUsage(f.ctx))
		f.must(late.FlushUsage(f.ctx))
		if got := f.lastSeen("D1"); !got.Equal(f.clock.Now()) {
			f.t.Errorf("seen at %v, want %v", got, f.clock.Now())
		}
	})
}

func TestMoreUsesThanOneStatementTakes(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		grants := make([]grant, store.UsesAtOnce+1)
		for i := range grants {
			grants[i] = f.start(alice, fmt.Sprint("D", i), "c1")
			f.use(grants[i].Access)
		}
		cost := f.spent(func() { f.must(f.FlushUsage(f.ctx)) })
		if want := (store.Counts{Statements: 4, Transactions: 2}); cost != want {
			f.t.Errorf("%+v, want %+v", cost, want)
		}
		for i, g := range grants {
			if f.usedAt(g) != f.clock.Now().UnixMilli() || !f.lastSeen(fmt.Sprint("D", i)).Equal(f.clock.Now()) {
				f.t.Fatalf("use %d of %d was not written", i+1, len(grants))
			}
		}
	})
}

func TestSessionsOfOneDevice(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		f.clock.Advance(time.Hour)
		old := f.start(alice, "D1", "c1")
		f.use(old.Access)
		f.clock.Advance(time.Hour)
		f.use(f.start(alice, "D1", "c1").Access)
		f.must(f.FlushUsage(f.ctx))
		if got := f.lastSeen("D1"); !got.Equal(f.clock.Now()) {
			f.t.Errorf("seen at %v, want %v: the last use counts", got, f.clock.Now())
		}
	})
}

func TestUsesThatCouldNotBeWritten(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		g, other := f.start(alice, "D1", "c1"), f.start(alice, "D2", "c1")
		_, access := f.rotate(g.Refresh)
		f.use(access)
		cancelled, cancel := context.WithCancel(f.ctx)
		cancel()
		f.want("write", f.FlushUsage(cancelled), store.ErrUnavailable)
		f.use(other.Access)

		f.wantPresented("the previous token meanwhile", g.Refresh, store.ErrReused)
		f.must(f.FlushUsage(f.ctx))
		for _, used := range []grant{g, other} {
			if got := f.usedAt(used); got != f.clock.Now().UnixMilli() {
				f.t.Errorf("used at %d, want %d", got, f.clock.Now().UnixMilli())
			}
		}
	})
}

func TestUsesDuringAFailedWrite(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		g, other := f.start(alice, "D1", "c1"), f.start(alice, "D2", "c1")
		f.use(g.Access)
		f.use(other.Access)
		_, access := f.rotate(g.Refresh)
		next, err := f.AccessToken(f.ctx, access)
		f.must(err)
		writing, cancel := context.WithCancel(f.ctx)
		defer cancel()
		failed := make(chan error, 1)
		f.must(f.InTx(f.ctx, func(ctx context.Context) error {
			for _, held := range []grant{g, other} {
				if err := f.Writer(ctx).Exec("UPDATE sessions SET scope = scope WHERE id = ?", held.ID).Error; err != nil {
					return err
				}
			}
			err := f.untilWaiting(ctx, func() { failed <- f.FlushUsage(writing) })
			f.MarkUsed(next)
			cancel()
			f.want("write", <-failed, store.ErrUnavailable)
			return err
		}))
		f.must(f.FlushUsage(f.ctx))
		for _, used := range []grant{g, other} {
			if got := f.usedAt(used); got != f.clock.Now().UnixMilli() {
				f.t.Errorf("used at %d, want %d: the newest use of each session counts", got, f.clock.Now().UnixMilli())
			}
		}
	})
}

func TestServersNoteTheSameUses(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*store.Store{f.Store, f.again()}
		alice := f.login("alice")
		var grants []grant
		for i := range 30 {
			grants = append(grants, f.start(alice, fmt.Sprint("D", i), "c1"))
		}
		for range 5 {
			f.clock.Advance(time.Hour)
			f.exec("UPDATE sessions SET generation_used_at = NULL")
			for _, g := range grants {
				for _, s := range servers {
					session, err := s.AccessToken(f.ctx, g.Access)
					f.must(err)
					s.MarkUsed(session)
				}
			}
			wantAll(f.t, together(len(servers), func(i int) error { return servers[i].FlushUsage(f.ctx) }))
		}
		if n := f.number("SELECT count(*) FROM sessions WHERE generation_used_at IS NULL"); n != 0 {
			f.t.Errorf("%d uses are missing", n)
		}
	})
}

func TestEndOfWhatIsInUse(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*store.Store{f.Store, f.again()}
		alice := f.login("alice")
		for range 4 {
			for i := range 20 {
				g := f.start(alice, fmt.Sprint("D", i), "c1")
				for _, s := range servers {
					session, err := s.AccessToken(f.ctx, g.Access)
					f.must(err)
					s.MarkUsed(session)
				}
			}
			wantAll(f.t, together(4, func(i int) error {
				if i < 2 {
					return servers[i].FlushUsage(f.ctx)
				}
				return servers[i-2].EndAllSessions(f.ctx, "alice", logout)
			}))
		}
	})
}
