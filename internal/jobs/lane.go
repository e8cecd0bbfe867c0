package jobs

import (
	"context"
	"errors"
	"time"

	"keymaker/store"
)

const (
	// PromptLimit is how long whoever adds prompt jobs waits for them.
	PromptLimit = 5 * time.Second
	// laneInterval is between two looks at a lane that somebody else is at.
	laneInterval = 10 * time.Millisecond
)

// ErrWaiting says that a lane has jobs that could not be done now.
var ErrWaiting = errors.New("earlier changes are still to be made")

// Clear does what waits in a lane, whether it is due or not, and waits for those
// who are at it. It returns nil when nothing waits any more, and an error that
// is ErrWaiting when something does: the first job that failed is tried again
// later, as any other. No error names the lane: it can hold a user's name.
func (r *Runner) Clear(ctx context.Context, lane string) error {
	ctx, cancel := context.WithTimeout(ctx, PromptLimit)
	defer cancel()
	for {
		j, err := r.Store.TakeLaneJob(ctx, lane, Lease)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil
		case errors.Is(err, store.ErrConflict):
			if err := pause(ctx, laneInterval); err != nil {
				return ErrWaiting
			}
			continue
		case err != nil:
			return err
		case r.Handlers[j.Kind] == nil:
			return errors.Join(ErrWaiting, r.Store.ReturnJob(ctx, j))
		case !r.do(ctx, j):
			return ErrWaiting
		}
	}
}

// Prompt is for Store.Prompt: it does what can be done now in each lane, and
// leaves the rest to Run.
func (r *Runner) Prompt(ctx context.Context, lanes []string) {
	for _, lane := range lanes {
		if err := r.Clear(ctx, lane); err != nil {
			r.Logger.InfoContext(ctx, "left for later", "error", err)
		}
	}
}

// pause waits, or returns the error of a context that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
