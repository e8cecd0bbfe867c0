// Package jobs does the work that changes leave behind in the database: what
// others must be told, however often it takes (store.NewJob). Any number of
// servers share it.
//
// A job is done at least once. It is done again when the process that did it
// ended, or lost the database, before it could say so; its id is the same then.
package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/errgroup"

	"keymaker/internal/clock"
	"keymaker/internal/telemetry"
	"keymaker/internal/tracing"
	"keymaker/store"
)

const (
	// workers is how many jobs a server does at a time.
	workers = 8
	// PollInterval is how late a server looks for what other processes left
	// behind, and for what is due again. Its own jobs wake it.
	PollInterval = 5 * time.Second
	// Lease is how long a job belongs to the server that took it.
	Lease = time.Minute
	// Limit is how long a handler may take, where Options.Limits says nothing
	// else: well within the lease.
	Limit = 30 * time.Second
	// keepInterval is how often the lease of a job begins anew whose handler may
	// take longer.
	keepInterval = Lease / 3
	// settleTime is how long the outcome of a job may take to be written.
	settleTime = 10 * time.Second
)

// ErrFinal in the error of a Handler says that another attempt is of no use.
var ErrFinal = errors.New("given up")

// ErrAway in the error of a Handler says that whom the job is for is not there.
// It is tried again until they are, and no attempt counts.
var ErrAway = errors.New("not there")

// ErrPatience in the error of a Handler says that the job is tried again, with
// the pauses of other failures, until the handler itself gives it up.
var ErrPatience = errors.New("tried again for as long as it is of use")

// Handler does a job of its kind. What its error says is stored and shown to
// administrators, and may hold no secret. The context ends after the limit of the
// kind, and when the job is somebody else's.
type Handler func(ctx context.Context, j store.Job) error

// Options are what a Runner is made of.
type Options struct {
	Store  *store.Store
	Clock  clock.Clock
	Logger *slog.Logger
	// Handlers are the kinds of jobs that are done here. Others are left to
	// servers that know them.
	Handlers map[string]Handler
	// AtOnce is how many jobs of a kind are done at a time, where that is fewer
	// than all workers: what others can make slow keeps nothing else waiting.
	AtOnce map[string]int
	// Limits are how long handlers of a kind may take.
	Limits map[string]time.Duration
	// Observe is told of every attempt: the kind, and done, retried or given_up.
	Observe func(kind, outcome string)
	// Tracer traces attempts; nil for nobody.
	Tracer *tracing.Tracer
	// Grace is how long jobs that are being done may take to end when the server
	// stops.
	Grace time.Duration
}

// Runner does jobs. It is safe for concurrent use.
type Runner struct {
	Options
	kinds        []string
	slots        slots
	keepInterval time.Duration
}

// New returns a Runner that does nothing yet.
func New(o Options) *Runner {
	return &Runner{Options: o, kinds: slices.Sorted(maps.Keys(o.Handlers)), slots: newSlots(o.AtOnce), keepInterval: keepInterval}
}

// Run does jobs until ctx ends, and then lets those end that have begun. What
// fails for want of the database is tried again.
func (r *Runner) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(r.Grace, cancel) })()
	next := make(chan struct{}, workers) // one value for each worker that should look
	var group errgroup.Group
	for range workers {
		group.Go(func() error { return r.work(ctx, work, next) })
	}
	poll := time.NewTicker(PollInterval)
	defer poll.Stop()
	look(next)
	for {
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-r.Store.JobsAdded():
		case <-poll.C:
		}
		look(next)
	}
}

// look makes a worker look, unless enough of them are about to.
func look(next chan struct{}) {
	select {
	case next <- struct{}{}:
	default:
	}
}

// work does one job after the other for as long as there are any.
func (r *Runner) work(ctx, work context.Context, next chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
		for ctx.Err() == nil {
			free := r.slots.reserve(r.kinds)
			j, err := r.Store.TakeJob(ctx, free, Lease)
			r.slots.release(free, j)
			if errors.Is(err, store.ErrNotFound) {
				break
			}
			if err != nil {
				if ctx.Err() == nil {
					r.Logger.ErrorContext(ctx, "look for jobs", "error", err)
				}
				break
			}
			look(next) // where there is one there may be another
			r.do(work, j)
			r.slots.done(j)
		}
	}
}

// RunDue does what is due, one after the other, and returns how many jobs that
// were.
func (r *Runner) RunDue(ctx context.Context) (int, error) {
	for n := 0; ; n++ {
		j, err := r.Store.TakeJob(ctx, r.kinds, Lease)
		if errors.Is(err, store.ErrNotFound) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		r.do(ctx, j)
	}
}

// do does a job, writes what became of it, and returns whether it is over: done
// or given up. If that cannot be written, the job is done again when the lease
// has ended.
func (r *Runner) do(ctx context.Context, j store.Job) (over bool) {
	failed := r.attempt(ctx, j)
	stopped := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if !stopped {
		r.observe(j, failed)
	}
	now, log := r.Clock.Now(), r.Logger.With("job", j.ID, "kind", j.Kind, "attempt", j.Attempts)
	var err error
	switch {
	case failed == nil:
		over, err = true, r.Store.FinishJob(ctx, j)
		log.InfoContext(ctx, "job done")
	case stopped:
		err = r.Store.ReturnJob(ctx, j)
		log.InfoContext(ctx, "job cut short by the end of the server")
	case errors.Is(failed, ErrAway):
		until := now.Add(away(now.Sub(j.CreatedAt)))
		err = r.Store.DeferJob(ctx, j, until, reason(failed))
		log.WarnContext(ctx, "job waits for whom it is for", "until", until, "error", failed)
	case errors.Is(failed, ErrPatience) && j.Attempts >= MaxAttempts:
		until := now.Add(backoff(j.Attempts))
		err = r.Store.DeferJob(ctx, j, until, reason(failed))
		log.WarnContext(ctx, "job failed, and is tried again", "until", until, "error", failed)
	case errors.Is(failed, ErrFinal) || j.Attempts >= MaxAttempts:
		over, err = true, r.Store.FailJob(ctx, j, reason(failed))
		log.ErrorContext(ctx, "job given up", "error", failed)
	default:
		until := now.Add(backoff(j.Attempts))
		err = r.Store.PostponeJob(ctx, j, until, reason(failed))
		log.WarnContext(ctx, "job failed, and is tried again", "until", until, "error", failed)
	}
	if err != nil {
		log.ErrorContext(ctx, "write what became of a job", "error", err)
	}
	return over && err == nil
}

// observe tells of an attempt that nothing has cut short.
func (r *Runner) observe(j store.Job, failed error) {
	outcome := "retried"
	switch {
	case r.Observe == nil:
		return
	case failed == nil:
		outcome = "done"
	case errors.Is(failed, ErrAway), errors.Is(failed, ErrPatience):
	case errors.Is(failed, ErrFinal), j.Attempts >= MaxAttempts:
		outcome = "given_up"
	}
	r.Observe(j.Kind, outcome)
}

// attempt calls the handler. What panics has failed.
func (r *Runner) attempt(ctx context.Context, j store.Job) (err error) {
	ctx, span := r.Tracer.Begin(ctx, "job "+j.Kind, attribute.Int("keymaker.job.attempt", j.Attempts))
	defer func() { span.End(err) }()
	defer func() {
		if p := recover(); p != nil {
			r.Logger.ErrorContext(ctx, "panic", "job", j.ID, telemetry.Panic(p))
			err = errors.New("the server failed while it did the job")
		}
	}()
	if j.Attempts > MaxAttempts { // each one ended with its process
		return fmt.Errorf("every attempt ended before its outcome was known: %w", ErrFinal)
	}
	limit := cmp.Or(r.Limits[j.Kind], Limit)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if limit > Limit {
		defer r.keep(ctx, cancel, j)()
	}
	return r.Handlers[j.Kind](ctx, j)
}

// keep has the lease of a job begin anew until the function that it returns is
// called, or ends the job's context when it cannot.
func (r *Runner) keep(ctx context.Context, lost context.CancelFunc, j store.Job) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		for pause(ctx, r.keepInterval) == nil {
			if err := r.Store.KeepJob(ctx, j, Lease); err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "keep a job", "job", j.ID, "error", err)
				lost()
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}
