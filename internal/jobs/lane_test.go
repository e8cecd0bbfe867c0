package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"keymaker/internal/jobs"
	"keymaker/store"
)

func TestClearDoesALaneInOrderWhateverIsDue(t *testing.T) {
	each(t, func(f *fixture) {
		const lane = "homeserver alice"
		first, second, other := f.add(lane), f.add(lane), f.add("b")
		var done []string
		fail := true
		r := f.runner(func(_ context.Context, j store.Job) error {
			if fail {
				return errors.New("no answer")
			}
			done = append(done, j.ID)
			return nil
		})
		if err := r.Clear(t.Context(), lane); !errors.Is(err, jobs.ErrWaiting) || strings.Contains(err.Error(), "alice") {
			t.Fatalf("while nobody answers: %v, want an error that names nobody", err)
		}
		fail = false
		f.runDue(r, 1) // of the other lane: the first of this one waits for its next attempt
		if err := r.Clear(t.Context(), lane); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(done), fmt.Sprint([]string{other, first, second}); got != want {
			t.Errorf("did %s, want %s", got, want)
		}
		if err := r.Clear(t.Context(), lane); err != nil {
			t.Errorf("a lane without jobs: %v", err)
		}
	})
}

func TestClearWaitsForWhoeverIsAtTheLane(t *testing.T) {
	each(t, func(f *fixture) {
		f.add("a")
		j, err := f.TakeJob(t.Context(), []string{kind}, jobs.Lease)
		if err != nil {
			t.Fatal(err)
		}
		r := f.runner(func(context.Context, store.Job) error { t.Error("done twice"); return nil })
		cleared := make(chan error, 1)
		go func() { cleared <- r.Clear(t.Context(), "a") }()
		select {
		case err := <-cleared:
			t.Fatalf("it did not wait: %v", err)
		case <-time.After(50 * time.Millisecond): // not a deadline: what is wrong shows at once
		}
		if err := f.FinishJob(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if err := <-cleared; err != nil {
			t.Error(err)
		}
	})
}

func TestClearEndsWithItsContext(t *testing.T) {
	each(t, func(f *fixture) {
		f.add("a")
		ctx, cancel := context.WithCancel(t.Context())
		r := f.runner(func(ctx context.Context, _ store.Job) error { cancel(); <-ctx.Done(); return ctx.Err() })
		if err := r.Clear(ctx, "a"); !errors.Is(err, jobs.ErrWaiting) {
			t.Errorf("error %v", err)
		}
		if j := f.job(); j.State != store.JobWaiting || j.Attempts != 0 || !j.LeaseEnds.IsZero() {
			t.Errorf("it is %+v, want one that waits as if nothing had been", j)
		}
	})
}

func TestPromptJobIsDoneBeforeWhoeverCommitsGoesOn(t *testing.T) {
	each(t, func(f *fixture) {
		done := map[string]bool{}
		r := f.runner(func(ctx context.Context, j store.Job) error {
			done[j.Lane] = true
			return nil
		})
		f.Prompt(r.Prompt)
		err := f.InTx(t.Context(), func(ctx context.Context) error {
			for _, n := range []store.NewJob{{Kind: kind, Lane: "now", Prompt: true}, {Kind: kind, Lane: "later"}} {
				if _, err := f.AddJob(ctx, n); err != nil {
					return err
				}
			}
			if done["now"] {
				t.Error("done before the commit")
			}
			return nil
		})
		if err != nil || !done["now"] || done["later"] {
			t.Errorf("after the commit: %v, error %v", done, err)
		}
		failed := errors.New("no")
		err = f.InTx(t.Context(), func(ctx context.Context) error {
			_, err := f.AddJob(ctx, store.NewJob{Kind: kind, Lane: "never", Prompt: true})
			return errors.Join(err, failed)
		})
		if !errors.Is(err, failed) || done["never"] {
			t.Errorf("after a rollback: %v, error %v", done, err)
		}
		if _, err := f.AddJob(t.Context(), store.NewJob{Kind: kind, Lane: "alone", Prompt: true}); err != nil || !done["alone"] {
			t.Errorf("without a transaction: %v, error %v", done, err)
		}
	})
}

// Whoever is not there is waited for without end, and found soon after they are
// back.
func TestJobForSomebodyWhoIsAwayIsNeverGivenUp(t *testing.T) {
	each(t, func(f *fixture) {
		f.add("a")
		away := true
		r := f.runner(func(context.Context, store.Job) error {
			if away {
				return fmt.Errorf("connection refused: %w", jobs.ErrAway)
			}
			return nil
		})
		for begun := f.clock.Now(); f.clock.Now().Sub(begun) < 24*time.Hour; {
			f.runDue(r, 1)
			j := f.job()
			pause := j.NextAttempt.Sub(f.clock.Now())
			if j.State != store.JobWaiting || j.Attempts != 0 || j.LastError != "connection refused: not there" || pause < time.Second || pause > time.Minute {
				t.Fatalf("after %s it is %+v", f.clock.Now().Sub(begun), j)
			}
			f.clock.Advance(max(pause, 10*time.Minute)) // a look now and then is enough for the test
		}
		away = false
		f.runDue(r, 1)
		if j := f.job(); j.State != store.JobDone {
			t.Errorf("it is %+v", j)
		}
	})
}
