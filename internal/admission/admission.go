// Package admission bounds how many requests are worked on at a time, so that a
// server which is asked for more than it can do goes on doing what it can.
package admission

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrFull is returned where there is no place, and none becomes free in time.
var ErrFull = errors.New("too much is asked at once")

// Places are where requests are worked on, and the queue of those that wait for
// one. It is safe for concurrent use.
type Places struct {
	free    *semaphore.Weighted
	queued  atomic.Int64
	longest int64
	wait    time.Duration
}

// New returns so many places, with a queue in which at most so many wait, each
// for no longer than wait: who waits longer has been given up by the client.
func New(places, queue int, wait time.Duration) *Places {
	return &Places{free: semaphore.NewWeighted(int64(places)), longest: int64(queue), wait: wait}
}

// Enter waits for a place, in the order of those who came, and returns what gives
// it back. The error is ErrFull, also when ctx ends.
func (p *Places) Enter(ctx context.Context) (leave func(), err error) {
	leave = func() { p.free.Release(1) }
	if p.free.TryAcquire(1) {
		return leave, nil
	}
	defer p.queued.Add(-1)
	if p.queued.Add(1) > p.longest {
		return nil, ErrFull
	}
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	if p.free.Acquire(ctx, 1) != nil {
		return nil, ErrFull
	}
	return leave, nil
}
