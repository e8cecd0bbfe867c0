package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/jobs"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const kind = "notice"

// fixture is a store with a clock that the test moves.
type fixture struct {
	*store.Store
	t     *testing.T
	clock *clock.Manual
}

func each(t *testing.T, test func(f *fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		manual := clock.NewManual(storetest.Start)
		test(&fixture{Store: d.Open(t, func(o *store.Options) { o.Clock = manual }), t: t, clock: manual})
	})
}

func (f *fixture) runner(h jobs.Handler) *jobs.Runner {
	return jobs.New(jobs.Options{Store: f.Store, Clock: f.clock, Logger: slog.New(slog.DiscardHandler), Handlers: map[string]jobs.Handler{kind: h}, Grace: time.Minute})
}

func (f *fixture) add(lane string) string {
	f.t.Helper()
	id, err := f.AddJob(f.t.Context(), store.NewJob{Kind: kind, Lane: lane})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// job is the one job that there is.
func (f *fixture) job() store.Job {
	f.t.Helper()
	all, err := f.Jobs(f.t.Context(), []store.JobState{store.JobWaiting, store.JobDone, store.JobFailed}, 2)
	if err != nil || len(all) != 1 {
		f.t.Fatalf("%d jobs, error %v", len(all), err)
	}
	return all[0]
}

func (f *fixture) runDue(r *jobs.Runner, want int) {
	f.t.Helper()
	if n, err := r.RunDue(f.t.Context()); n != want || err != nil {
		f.t.Fatalf("did %d jobs, error %v, want %d", n, err, want)
	}
}

func TestJobThatFailsIsTriedAgainWithLongerAndLongerPauses(t *testing.T) {
	each(t, func(f *fixture) {
		id := f.add("a")
		attempts := 0
		r := f.runner(func(_ context.Context, j store.Job) error {
			attempts++
			if j.ID != id || j.Attempts != attempts {
				f.t.Errorf("attempt %d is of job %s as number %d", attempts, j.ID, j.Attempts)
			}
			return fmt.Errorf("no answer to attempt %d", attempts)
		})
		begun := f.clock.Now()
		for n := 1; n < jobs.MaxAttempts; n++ {
			f.runDue(r, 1)
			j := f.job()
			pause := j.NextAttempt.Sub(f.clock.Now())
			if longest := min(time.Hour, 10*time.Second<<(n-1)); j.State != store.JobWaiting || pause < longest/2 || pause > longest {
				f.t.Fatalf("after attempt %d it is %s, and waits %s of at most %s", n, j.State, pause, longest)
			}
			f.clock.Advance(pause - time.Millisecond)
			f.runDue(r, 0)
			f.clock.Advance(time.Millisecond)
		}
		f.runDue(r, 1)
		if j := f.job(); j.State != store.JobFailed || j.LastError != "no answer to attempt 12" {
			f.t.Errorf("after the last attempt it is %+v", j)
		}
		if took := f.clock.Now().Sub(begun); took < 90*time.Minute || took > 4*time.Hour {
			f.t.Errorf("it was tried for %s", took)
		}
	})
}

func TestOutcomeOfAJob(t *testing.T) {
	tests := []struct {
		name string
		err  error
		do   func()
		want store.JobState
	}{
		{"success is the end of it", nil, func() {}, store.JobDone},
		{"an error is tried again", errors.New("no answer"), func() {}, store.JobWaiting},
		{"a final error is given up at once", fmt.Errorf("refused: %w", jobs.ErrFinal), func() {}, store.JobFailed},
		{"a panic is an error", nil, func() { panic("broken") }, store.JobWaiting},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				f.add("a")
				f.runDue(f.runner(func(context.Context, store.Job) error { tt.do(); return tt.err }), 1)
				if j := f.job(); j.State != tt.want || !j.LeaseEnds.IsZero() {
					f.t.Errorf("it is %+v, want %s", j, tt.want)
				}
			})
		})
	}
}

// A process that dies while it does a job leaves the lease behind. One that
// every process dies of is not done for ever.
func TestJobThatEveryProcessDiesOf(t *testing.T) {
	each(t, func(f *fixture) {
		f.add("a")
		for range jobs.MaxAttempts {
			if _, err := f.TakeJob(t.Context(), []string{kind}, jobs.Lease); err != nil {
				f.t.Fatal(err)
			}
			f.clock.Advance(jobs.Lease)
		}
		f.runDue(f.runner(func(context.Context, store.Job) error { f.t.Error("tried once more"); return nil }), 1)
		if j := f.job(); j.State != store.JobFailed {
			f.t.Errorf("it is %+v", j)
		}
	})
}

// Whoever wants to be tried on decides when it is enough.
func TestJobThatIsTriedForAsLongAsItIsOfUse(t *testing.T) {
	each(t, func(f *fixture) {
		f.add("a")
		failure := fmt.Errorf("come back: %w", jobs.ErrPatience)
		r := f.runner(func(context.Context, store.Job) error { return failure })
		for range 5 * jobs.MaxAttempts {
			f.runDue(r, 1)
			j := f.job()
			if pause := j.NextAttempt.Sub(f.clock.Now()); j.State != store.JobWaiting || j.Attempts > jobs.MaxAttempts || pause < time.Second || pause > time.Hour {
				t.Fatalf("it is %+v", j)
			}
			f.clock.Advance(time.Hour)
		}
		failure = fmt.Errorf("enough: %w", jobs.ErrFinal)
		f.runDue(r, 1)
		if j := f.job(); j.State != store.JobFailed || j.LastError != "enough: given up" {
			t.Errorf("it is %+v", j)
		}
	})
}

// run runs a runner until the function that it returns is called.
func (f *fixture) run(r *jobs.Runner) (stop func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		f.t.Helper()
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("the runner ended with %v", err)
		}
	}
}

func TestRunnerIsWokenByWhatItsProcessLeavesBehind(t *testing.T) {
	each(t, func(f *fixture) {
		done := make(chan string, 100)
		defer f.run(f.runner(func(_ context.Context, j store.Job) error { done <- j.ID; return nil }))()
		for range 3 {
			want := map[string]bool{}
			begun := time.Now()
			for i := range 10 { // more than there are workers, two of each lane
				want[f.add(fmt.Sprint(i/2))] = true
			}
			for range 10 {
				id := <-done
				if !want[id] {
					f.t.Errorf("job %s was done twice, or is another", id)
				}
				delete(want, id)
			}
			if took := time.Since(begun); took > jobs.PollInterval-time.Second {
				f.t.Errorf("it took %s, as if nobody had been woken", took)
			}
		}
	})
}

func TestRunnersShareTheJobs(t *testing.T) {
	each(t, func(f *fixture) {
		const total = 40
		var mu sync.Mutex
		done := map[string]int{}
		all := make(chan struct{}, total)
		h := func(_ context.Context, j store.Job) error {
			mu.Lock()
			done[j.ID]++
			mu.Unlock()
			all <- struct{}{}
			return nil
		}
		for i := range total {
			f.add(fmt.Sprint(i % 7))
		}
		stopA, stopB := f.run(f.runner(h)), f.run(f.runner(h))
		for range total {
			<-all
		}
		stopA()
		stopB()
		for id, n := range done {
			if n != 1 {
				f.t.Errorf("job %s was done %d times", id, n)
			}
		}
	})
}

func TestRunnerFinishesWhatItHasBegun(t *testing.T) {
	each(t, func(f *fixture) {
		begun, finish := make(chan struct{}, 3), make(chan struct{}) // the third job may begin, or not
		f.add("a")
		f.add("b")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		r := f.runner(func(ctx context.Context, _ store.Job) error {
			begun <- struct{}{}
			<-finish
			return ctx.Err()
		})
		go func() { done <- r.Run(ctx) }()
		<-begun
		<-begun
		f.add("c")
		cancel()
		close(finish)
		if err := <-done; err != nil {
			f.t.Error(err)
		}
		finished, err := f.Jobs(f.t.Context(), []store.JobState{store.JobDone}, 10)
		if err != nil || len(finished) < 2 {
			f.t.Errorf("%d jobs are done, error %v, want those that had begun", len(finished), err)
		}
	})
}

func TestRunnerReturnsWhatItCannotFinish(t *testing.T) {
	each(t, func(f *fixture) {
		f.add("a")
		begun := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		r := f.runner(func(ctx context.Context, _ store.Job) error { close(begun); <-ctx.Done(); return ctx.Err() })
		r.Grace = time.Millisecond
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		<-begun
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
		if j := f.job(); j.State != store.JobWaiting || j.Attempts != 0 || !j.LeaseEnds.IsZero() {
			f.t.Errorf("it is %+v, want one that waits as if nothing had been", j)
		}
	})
}
