package store

import (
	"context"
	"slices"
	"sync"
	"time"
)

// patience is how many urgent turns in a row may go before one that is not.
const patience = 16

// queue gives one turn at a time: to the urgent first, and of each kind to whoever
// came first. It is safe for concurrent use.
type queue struct {
	mu     sync.Mutex
	taken  bool
	urgent []*waiting
	others []*waiting
	// passed are the urgent turns since one of the others had its own, or nobody
	// else waited.
	passed int
	// waits and waited are how many had to wait, and for how long in all.
	waits  int64
	waited time.Duration
}

// waiting is somebody who waits for a turn.
type waiting struct {
	alone bool          // begins what others may join, and joins nothing
	turn  chan struct{} // closed when it is theirs
	given bool
}

// take waits for a turn, which give gives on. The error is that of ctx.
func (q *queue) take(ctx context.Context, alone bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if !q.taken {
		q.taken = true
		q.mu.Unlock()
		return nil
	}
	w := &waiting{alone: alone, turn: make(chan struct{})}
	line := q.line(ctx)
	*line = append(*line, w)
	q.waits++
	q.mu.Unlock()
	began := time.Now() //nolint:forbidigo // a duration, not a point in time
	defer func() {
		q.mu.Lock()
		q.waited += time.Since(began)
		q.mu.Unlock()
	}()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !w.given {
		*line = slices.DeleteFunc(*line, func(other *waiting) bool { return other == w })
		return ctx.Err()
	}
	return nil // what it asks with this context is refused, and so the turn goes on
}

func (q *queue) line(ctx context.Context) *[]*waiting {
	if urgencyOf(ctx) == urgent {
		return &q.urgent
	}
	return &q.others
}

// joins tells whether whoever is next may join what is going on.
func (q *queue) joins() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.first()
	return line != nil && !(*line)[0].alone
}

// give gives the turn to the next, or to whoever comes.
func (q *queue) give() {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.first()
	if line == nil {
		q.taken = false
		return
	}
	next := (*line)[0]
	(*line)[0] = nil
	*line = (*line)[1:]
	if line == &q.urgent && len(q.others) > 0 {
		q.passed++
	} else {
		q.passed = 0
	}
	next.given = true
	close(next.turn)
}

// first is the line whose first is next; nil if nobody waits.
func (q *queue) first() *[]*waiting {
	switch {
	case len(q.others) > 0 && (len(q.urgent) == 0 || q.passed >= patience):
		return &q.others
	case len(q.urgent) > 0:
		return &q.urgent
	}
	return nil
}

// stats are how many had to wait so far, and for how long in all.
func (q *queue) stats() (waits int64, waited time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waits, q.waited
}
