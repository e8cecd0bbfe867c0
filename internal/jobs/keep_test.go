package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"keymaker/internal/jobs"
	"keymaker/store"
)

// slow is a runner whose jobs may take longer than their lease.
func (f *fixture) slow(h jobs.Handler) *jobs.Runner {
	r := jobs.New(jobs.Options{Store: f.Store, Clock: f.clock, Logger: slog.New(slog.DiscardHandler), Handlers: map[string]jobs.Handler{kind: h},
		Limits: map[string]time.Duration{kind: time.Hour}, Grace: time.Minute})
	r.KeepEvery(time.Millisecond)
	return r
}

func TestAJobThatTakesLongerThanItsLeaseIsNobodyElses(t *testing.T) {
	each(t, func(f *fixture) {
		f.add("a")
		r := f.slow(func(ctx context.Context, _ store.Job) error {
			for range 3 {
				f.clock.Advance(jobs.Lease - time.Second)
				for f.job().LeaseEnds.Before(f.clock.Now().Add(jobs.Lease)) {
					if ctx.Err() != nil {
						return ctx.Err()
					}
				}
			}
			if _, err := f.TakeJob(ctx, []string{kind}, jobs.Lease); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("somebody else may take it: %v", err)
			}
			return nil
		})
		f.runDue(r, 1)
		if j := f.job(); j.State != store.JobDone || j.Attempts != 1 {
			t.Errorf("it is %+v", j)
		}
	})
}

func TestAJobThatIsSomebodyElsesByNowEnds(t *testing.T) {
	each(t, func(f *fixture) {
		f.add("a")
		r := f.slow(func(ctx context.Context, _ store.Job) error {
			for ctx.Err() == nil { // between two times that the lease begins anew
				f.clock.Advance(2 * jobs.Lease)
				if _, err := f.TakeJob(ctx, []string{kind}, jobs.Lease); err == nil {
					<-ctx.Done()
				}
			}
			return ctx.Err()
		})
		f.runDue(r, 1)
		if j := f.job(); j.State != store.JobWaiting || j.LeaseEnds.IsZero() {
			t.Errorf("it is %+v, want one that somebody is at", j)
		}
	})
}
