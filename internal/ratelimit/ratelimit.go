// Package ratelimit bounds how often somebody does something. Each server
// counts in memory, and tells the others through the database once in a while:
// no request waits for it, and an outage refuses nobody.
package ratelimit

import (
	"context"
	"sync"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/store"
)

// Limit is a token bucket for everybody to whom it applies.
type Limit struct {
	// Name keeps the buckets of one limit apart from those of another.
	Name string
	// Every is how long it takes until one more may be taken. Zero switches the
	// limit off.
	Every time.Duration
	// Burst is how many may be taken at once.
	Burst int
}

// debt is how many bursts a bucket can lack at most.
const debt = 3

// window is how long an empty bucket takes to be full.
func (l Limit) window() time.Duration { return time.Duration(l.Burst) * l.Every }

// PerSecond is a limit that lets n be taken each second; 0 switches it off.
func PerSecond(name string, n, burst int) Limit {
	if n == 0 {
		return Limit{Name: name}
	}
	return Limit{Name: name, Every: time.Second / time.Duration(n), Burst: burst}
}

// Shared is where servers tell each other what they have taken.
type Shared interface {
	MergeLimits(ctx context.Context, taken []store.Taken, ahead time.Duration) ([]store.Spent, error)
}

// Limiter holds the buckets of one server. It is safe for concurrent use.
type Limiter struct {
	key   []byte
	clock clock.Clock
	// ahead is how much later than now a bucket can be full: further than that
	// only the wrong clock of another server puts it.
	ahead time.Duration

	mu      sync.Mutex
	buckets map[hash]*bucket
}

// hash is the keyed hash of whom a bucket is for: nobody's address or name is
// kept.
type hash [32]byte

// bucket is full at a time, and lacks one token for every Every before it.
type bucket struct {
	fullAt time.Time
	every  time.Duration
	// taken is what was taken since the last merge, the first of it at since.
	taken int
	since time.Time
}

// New returns a Limiter for these limits. Servers that share a database have
// the same key.
func New(key []byte, c clock.Clock, limits ...Limit) *Limiter {
	l := &Limiter{key: key, clock: c, buckets: map[hash]*bucket{}}
	for _, limit := range limits {
		// Servers that nobody had told yet may have taken a burst each.
		l.ahead = max(l.ahead, debt*limit.window())
	}
	return l
}

// Take takes one from the bucket of who, and returns 0. When it is empty, it
// returns how long to wait until there is one again.
func (l *Limiter) Take(limit Limit, who string) (wait time.Duration) { return l.use(limit, who, true) }

// Wait is what Take would return, and takes nothing.
func (l *Limiter) Wait(limit Limit, who string) (wait time.Duration) { return l.use(limit, who, false) }

func (l *Limiter) use(limit Limit, who string, take bool) (wait time.Duration) {
	if limit.Every == 0 {
		return 0
	}
	key, now := l.hash(limit, who), l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	fullAt := now
	b := l.buckets[key]
	if b != nil && b.fullAt.After(now) {
		fullAt = b.fullAt
	}
	fullAt = fullAt.Add(limit.Every)
	if wait = fullAt.Sub(now) - limit.window(); wait > 0 {
		return wait
	}
	if !take {
		return 0
	}
	if b == nil {
		b = &bucket{}
		l.buckets[key] = b
	}
	if b.taken == 0 {
		b.since = now
	}
	b.fullAt, b.every = fullAt, limit.Every
	b.taken++
	return 0
}

func (l *Limiter) hash(limit Limit, who string) hash {
	return hash(secret.MAC(l.key, []byte(limit.Name), []byte(who)))
}

// Merge tells the other servers what was taken here since the last time, and
// learns what they took. What an error keeps from them is not told again: each
// server goes on with what it has counted itself.
func (l *Limiter) Merge(ctx context.Context, shared Shared) error {
	spent, err := shared.MergeLimits(ctx, l.collect(), l.ahead)
	if err != nil {
		return err
	}
	l.learn(spent)
	return nil
}

// collect takes stock of what is to be told, and forgets the buckets that are
// full.
func (l *Limiter) collect() (taken []store.Taken) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, b := range l.buckets {
		if b.taken > 0 {
			taken = append(taken, store.Taken{Key: key[:], Since: b.since, Cost: time.Duration(b.taken) * b.every})
			b.taken = 0
		}
		if !b.fullAt.After(now) {
			delete(l.buckets, key)
		}
	}
	return taken
}

// learn puts off when a bucket is full to what all servers have taken of it.
// What was taken here during the merge is in nobody's sum yet.
func (l *Limiter) learn(spent []store.Spent) {
	latest := l.clock.Now().Add(l.ahead)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range spent {
		key := hash(s.Key)
		b := l.buckets[key]
		if b == nil {
			b = &bucket{}
			l.buckets[key] = b
		}
		fullAt := s.FullAt.Add(time.Duration(b.taken) * b.every)
		if fullAt.After(latest) {
			fullAt = latest
		}
		if fullAt.After(b.fullAt) {
			b.fullAt = fullAt
		}
	}
}
