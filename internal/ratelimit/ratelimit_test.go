package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/ratelimit"
	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

var limit = ratelimit.Limit{Name: "test", Every: time.Second, Burst: 5}

// take takes n, and returns how many it got.
func take(l *ratelimit.Limiter, n int, who string) (got int) {
	for range n {
		if l.Take(limit, who) == 0 {
			got++
		}
	}
	return got
}

// newLimiter returns a limiter that is told of every limit of these tests.
func newLimiter(key []byte, c clock.Clock) *ratelimit.Limiter { return ratelimit.New(key, c, limit) }

func TestLimit(t *testing.T) {
	c := clock.NewManual(storetest.Start)
	l := newLimiter(secret.Bytes(32), c)
	if got := take(l, 7, "a"); got != 5 {
		t.Errorf("%d at once, want the burst of 5", got)
	}
	if got := take(l, 7, "b"); got != 5 {
		t.Errorf("somebody else got %d", got)
	}
	if wait := l.Wait(limit, "a"); wait != time.Second {
		t.Errorf("wait %v, want a second", wait)
	}
	c.Advance(900 * time.Millisecond)
	if wait := l.Take(limit, "a"); wait != 100*time.Millisecond {
		t.Errorf("wait %v, want 100ms", wait)
	}
	c.Advance(100 * time.Millisecond)
	if wait := l.Wait(limit, "a"); wait != 0 {
		t.Errorf("whoever waits as long as told has to wait for another %v", wait)
	}
	if got := take(l, 2, "a"); got != 1 {
		t.Errorf("%d after a second, want 1", got)
	}
	c.Advance(time.Hour)
	if got := take(l, 9, "a"); got != 5 {
		t.Errorf("%d after an hour, want the burst of 5", got)
	}
	if off := (ratelimit.Limit{Name: "off"}); l.Take(off, "a") != 0 || l.Wait(off, "a") != 0 {
		t.Error("a limit that is off refuses")
	}
}

// two are two servers on one database.
func two(t *testing.T, d storetest.Database) (db *store.Store, c *clock.Manual, first, second *ratelimit.Limiter) {
	t.Helper()
	c = clock.NewManual(storetest.Start)
	db = d.Open(t, func(o *store.Options) { o.Clock = c })
	key := secret.Bytes(32)
	return db, c, newLimiter(key, c), newLimiter(key, c)
}

func merge(t *testing.T, shared ratelimit.Shared, all ...*ratelimit.Limiter) {
	t.Helper()
	for _, l := range all {
		if err := l.Merge(t.Context(), shared); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServersShareALimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		db, c, first, second := two(t, d)
		if take(first, 3, "a") != 3 || take(second, 1, "a") != 1 {
			t.Fatal("refused within the burst")
		}
		merge(t, db, first, second, first)
		if one, other := take(first, 2, "a"), take(second, 1, "b"); one != 1 || other != 1 {
			t.Errorf("the first one gave %d of the 1 that is left, and %d to somebody else", one, other)
		}
		merge(t, db, first, second, first, second)
		if first.Wait(limit, "a") != time.Second || second.Wait(limit, "a") != time.Second {
			t.Errorf("wait %v and %v, want a second at both", first.Wait(limit, "a"), second.Wait(limit, "a"))
		}
		for range 10 { // as much as comes back is taken, here and there
			c.Advance(time.Second)
			if take(first, 2, "a") != 1 {
				t.Fatal("what came back was not there")
			}
			merge(t, db, first, second)
			if second.Wait(limit, "a") == 0 {
				t.Fatal("what one server gave the other gives again")
			}
		}
		c.Advance(5 * time.Second)
		merge(t, db, first, second)
		if got := take(second, 9, "a"); got != 5 {
			t.Errorf("after all has come back: %d, want 5", got)
		}
	})
}

func TestAServerLearnsOfWhomItHasNotSeen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		db, _, first, second := two(t, d)
		take(first, 5, "a")
		merge(t, db, first, second)
		if got := take(second, 1, "a"); got != 0 {
			t.Error("the other server does not know of it")
		}
	})
}

// Both servers give the whole burst before they know of each other: then both
// wait until that has come back.
func TestWhatServersGaveTooMuchIsWaitedFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		db, c, first, second := two(t, d)
		take(first, 5, "a")
		take(second, 5, "a")
		merge(t, db, first, second, first)
		if first.Wait(limit, "a") != 6*time.Second || second.Wait(limit, "a") != 6*time.Second {
			t.Errorf("wait %v and %v, want 6s", first.Wait(limit, "a"), second.Wait(limit, "a"))
		}
		c.Advance(6 * time.Second)
		if take(first, 2, "a") != 1 {
			t.Error("whoever waited as long as told is refused, or gets more than one")
		}
	})
}

// A steady use below the limit is never refused, however the merges fall.
func TestSteadyUseIsNotRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		db, c, first, second := two(t, d)
		for i := range 60 {
			for _, l := range []*ratelimit.Limiter{first, second} {
				if wait := l.Take(limit, "a"); wait > 0 {
					t.Fatalf("round %d: wait %v", i, wait)
				}
			}
			c.Advance(2 * time.Second)
			if i%3 == 0 {
				merge(t, db, first, second)
			}
		}
	})
}

func TestAWrongClockDoesNotLockOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		db, c, _, _ := two(t, d)
		fast := clock.NewManual(c.Now().Add(time.Hour))
		key := secret.Bytes(32)
		first, wrong := newLimiter(key, c), newLimiter(key, fast)
		take(wrong, 1, "a")
		merge(t, db, wrong, first)
		if wait := first.Wait(limit, "a"); wait > 15*time.Second {
			t.Errorf("wait %v", wait)
		}
		c.Advance(15 * time.Second)
		take(first, 1, "a")
		merge(t, db, first)
		c.Advance(16 * time.Second)
		merge(t, db, first)
		if got := take(first, 5, "a"); got != 5 {
			t.Errorf("got %d: what the wrong clock wrote still counts", got)
		}
	})
}

// broken is a database that does not answer.
type broken struct{ during func() }

func (b broken) MergeLimits(context.Context, []store.Taken, time.Duration) ([]store.Spent, error) {
	b.during()
	return nil, store.ErrUnavailable
}

func TestAnOutageRefusesNobody(t *testing.T) {
	c := clock.NewManual(storetest.Start)
	l := newLimiter(secret.Bytes(32), c)
	take(l, 3, "a")
	err := l.Merge(t.Context(), broken{func() {
		if take(l, 1, "a") != 1 {
			t.Error("refused during the merge")
		}
	}})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	if got := take(l, 9, "a"); got != 1 {
		t.Errorf("%d of the 1 that is left", got)
	}
	c.Advance(5 * time.Second)
	if got := take(l, 9, "a"); got != 5 {
		t.Errorf("%d after all has come back", got)
	}
}

// What is taken while a merge is on its way is told by the next one.
func TestTakenDuringAMerge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		db, _, first, second := two(t, d)
		take(first, 2, "a")
		merge(t, during{db, func() { take(first, 2, "a") }}, first)
		if got := take(first, 9, "a"); got != 1 {
			t.Errorf("%d of the 1 that is left", got)
		}
		merge(t, db, first, second)
		if got := take(second, 9, "a"); got != 0 {
			t.Errorf("the other one gave %d", got)
		}
	})
}

type during struct {
	ratelimit.Shared
	do func()
}

func (d during) MergeLimits(ctx context.Context, taken []store.Taken, ahead time.Duration) ([]store.Spent, error) {
	spent, err := d.Shared.MergeLimits(ctx, taken, ahead)
	d.do()
	return spent, err
}

func TestManyAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		db, _, first, second := two(t, d)
		var wg sync.WaitGroup
		got := make([]int, 20)
		for i := range got {
			wg.Go(func() { got[i] = take(first, 10, "a") + take(first, 10, fmt.Sprint(i)) - 5 })
			wg.Go(func() { take(second, 3, fmt.Sprint(i)) })
			if i%5 == 0 {
				wg.Go(func() { merge(t, db, first, second) })
			}
		}
		wg.Wait()
		total := 0
		for _, n := range got {
			total += n
		}
		if total > 5 {
			t.Errorf("%d were given of 5", total)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	l := ratelimit.New(secret.Bytes(32), clock.System{}, ratelimit.PerSecond("address", 10, 100))
	address := ratelimit.PerSecond("address", 10, 100)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		i := 0
		for p.Next() {
			i++
			l.Take(address, addresses[i%len(addresses)])
		}
	})
}

// BenchmarkMerge is one second's merge of a server that a thousand addresses
// have used.
func BenchmarkMerge(b *testing.B) {
	for _, d := range storetest.Databases() {
		b.Run(d.Name, func(b *testing.B) {
			db := d.Open(b, func(o *store.Options) { o.Clock = clock.System{} })
			address := ratelimit.PerSecond("address", 10, 100)
			l := ratelimit.New(secret.Bytes(32), clock.System{}, address)
			for b.Loop() {
				for _, a := range addresses {
					l.Take(address, a)
				}
				if err := l.Merge(b.Context(), db); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var addresses = func() (all []string) {
	for i := range 1000 {
		all = append(all, fmt.Sprintf("192.0.%d.%d/32", i/250, i%250))
	}
	return all
}()
