package upstream

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"keymaker/internal/clock"
)

const (
	refreshAfter = time.Hour       // then a use loads anew, in the background
	retryAfter   = 5 * time.Second // a failure is not repeated before
)

// cache holds one value that is loaded at its first use, is renewed in the
// background of a later one, and stays in use while it cannot be renewed. Uses
// at the same time share one load.
type cache[T any] struct {
	clock clock.Clock
	// load need not end when its context does, but must end.
	load func(context.Context) (*T, error)
	// stale is told when a value could not be renewed.
	stale func(error)

	flight   singleflight.Group
	mu       sync.Mutex
	value    *T
	loadedAt time.Time
	err      error // of the last load
	failedAt time.Time
}

// get returns the value. A caller waits no longer than its context lasts; the
// load that it started goes on for the others.
func (c *cache[T]) get(ctx context.Context) (*T, error) {
	now := c.clock.Now()
	c.mu.Lock()
	value, err := c.value, c.err
	age, rest := now.Sub(c.loadedAt), now.Sub(c.failedAt)
	c.mu.Unlock()
	switch {
	case value != nil && (age < refreshAfter || rest < retryAfter):
		return value, nil
	case value != nil:
		c.begin(ctx)
		return value, nil
	case err != nil && rest < retryAfter:
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, unavailable("wait for the provider's configuration", ctx.Err())
	case result := <-c.begin(ctx):
		value, _ := result.Val.(*T)
		return value, result.Err
	}
}

// begin loads unless that is under way.
func (c *cache[T]) begin(ctx context.Context) <-chan singleflight.Result {
	ctx = context.WithoutCancel(ctx)
	return c.flight.DoChan("", func() (any, error) {
		value, err := c.load(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.err = err
		if err != nil {
			c.failedAt = c.clock.Now()
			if c.value != nil {
				c.stale(err)
			}
			return (*T)(nil), err
		}
		c.value, c.loadedAt = value, c.clock.Now()
		return value, nil
	})
}
