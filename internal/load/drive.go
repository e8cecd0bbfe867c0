package load

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// act is one thing that a client does; n counts what this client has done. With
// errNoMore the client stops, for there is nothing left to do.
type act func(ctx context.Context, c *client, worker, n int) error

var errNoMore = errors.New("there is no more")

// sample is what all clients together have seen.
type sample struct {
	took   []time.Duration // of what went well, sorted
	failed int
	first  error // of what did not
	lasted time.Duration
}

// drive lets so many clients act, each again as soon as it is done, until the
// time is over.
func drive(ctx context.Context, clients int, length time.Duration, do act) sample {
	samples := make([]sample, clients)
	began := time.Now()
	end := began.Add(length)
	var all sync.WaitGroup
	for i := range samples {
		all.Go(func() { samples[i] = driveOne(ctx, i, end, do) })
	}
	all.Wait()
	whole := sample{lasted: time.Since(began)}
	for _, s := range samples {
		whole.took = append(whole.took, s.took...)
		whole.failed += s.failed
		if whole.first == nil {
			whole.first = s.first
		}
	}
	slices.Sort(whole.took)
	return whole
}

func driveOne(ctx context.Context, worker int, end time.Time, do act) (s sample) {
	c := newClient()
	defer c.close()
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		if began.After(end) {
			return s
		}
		err := do(ctx, c, worker, n)
		if errors.Is(err, errNoMore) {
			return s
		}
		if err != nil {
			s.failed++
			s.first = err
			continue
		}
		s.took = append(s.took, time.Since(began))
	}
	return s
}

// quantile is the smallest duration that so much of all (0 to 1) are no longer
// than; 0 of none. What is passed must be sorted.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}
