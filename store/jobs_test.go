package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

const (
	kind  = "chore"
	lease = time.Minute
)

func (f *fixture) job(lane string) string {
	f.t.Helper()
	id, err := f.AddJob(f.ctx, store.NewJob{Kind: kind, Lane: lane, Payload: map[string]string{"to": lane}})
	f.must(err)
	return id
}

// take takes a job that must be there.
func (f *fixture) take() store.Job {
	f.t.Helper()
	j, err := f.TakeJob(f.ctx, []string{kind}, lease)
	f.must(err)
	return j
}

// idle checks that nothing is to be done.
func (f *fixture) idle(when string) {
	f.t.Helper()
	_, err := f.TakeJob(f.ctx, []string{kind}, lease)
	f.want(when, err, store.ErrNotFound)
}

func TestJobIsStoredWithTheChangeThatCausesIt(t *testing.T) {
	added := func(f *fixture) bool {
		select {
		case <-f.JobsAdded():
			return true
		default:
			return false
		}
	}
	each(t, func(f *fixture) {
		failure := errors.New("no")
		f.want("roll back", f.InTx(f.ctx, func(ctx context.Context) error { f.in(ctx).job("a"); return failure }), failure)
		if added(f) {
			f.t.Error("a job that was never stored is signalled")
		}
		f.idle("after a transaction that failed")

		var id string
		f.must(f.InTx(f.ctx, func(ctx context.Context) error {
			err := f.InTx(ctx, func(ctx context.Context) error { id = f.in(ctx).job("a"); return nil })
			if added(f) {
				f.t.Error("signalled before the commit")
			}
			return err
		}))
		if !added(f) {
			f.t.Error("the commit is not signalled")
		}
		j := f.take()
		if j.ID != id || j.Kind != kind || string(j.Payload) != `{"to":"a"}` || j.Attempts != 1 || j.State != store.JobWaiting {
			f.t.Errorf("took %+v, want job %s", j, id)
		}
		f.must(f.FinishJob(f.ctx, j))
		f.idle("once it is done")
	})
}

func TestJobOfAKindThatNobodyHereKnowsIsLeftAlone(t *testing.T) {
	each(t, func(f *fixture) {
		f.job("a")
		_, err := f.TakeJob(f.ctx, []string{"other"}, lease)
		f.want("take", err, store.ErrNotFound)
	})
}

func TestJobsOfALane(t *testing.T) {
	each(t, func(f *fixture) {
		first, second, other := f.job("alice"), f.job("alice"), f.job("bob")
		a := f.take()
		b := f.take()
		if got := []string{a.ID, b.ID}; !slices.Equal(got, []string{first, other}) {
			f.t.Fatalf("took %v, want the first of each lane, %s and %s", got, first, other)
		}
		f.idle("while the first of a lane is being done")
		f.must(f.PostponeJob(f.ctx, a, f.clock.Now().Add(time.Hour), "no answer"))
		f.must(f.FinishJob(f.ctx, b))
		f.idle("while the first of a lane waits for another attempt")

		f.clock.Advance(time.Hour)
		a = f.take()
		if a.ID != first || a.Attempts != 2 || a.LastError != "no answer" {
			f.t.Fatalf("took %+v, want the second attempt of %s", a, first)
		}
		f.must(f.FailJob(f.ctx, a, "still no answer"))
		if j := f.take(); j.ID != second {
			f.t.Errorf("took %s, want %s: what was given up holds up nobody", j.ID, second)
		}
	})
}

func TestJobsKeepTheirOrderWhateverTheClockSays(t *testing.T) {
	each(t, func(f *fixture) {
		first := f.job("alice")
		f.clock.Advance(-time.Second) // another server, whose clock is behind
		second := f.job("alice")
		f.clock.Advance(time.Second)
		for _, want := range []string{first, second} {
			j := f.take()
			if j.ID != want {
				f.t.Fatalf("took %s, want %s", j.ID, want)
			}
			f.must(f.FinishJob(f.ctx, j))
		}
	})
}

func TestJobOfAServerThatIsGone(t *testing.T) {
	each(t, func(f *fixture) {
		id := f.job("a")
		gone := f.take()
		if !gone.LeaseEnds.Equal(f.clock.Now().Add(lease)) {
			f.t.Errorf("the lease ends at %s", gone.LeaseEnds)
		}
		f.clock.Advance(lease - time.Millisecond)
		f.idle("while the lease lasts")
		f.clock.Advance(time.Millisecond)
		other := f.again()
		again, err := other.TakeJob(f.ctx, []string{kind}, lease)
		f.must(err)
		if again.ID != id || again.Attempts != 2 {
			f.t.Errorf("took %+v, want the second attempt of %s", again, id)
		}
		f.want("the first one comes back with success", f.FinishJob(f.ctx, gone), store.ErrConflict)
		f.want("or with failure", f.PostponeJob(f.ctx, gone, f.clock.Now(), "x"), store.ErrConflict)
		f.must(other.FinishJob(f.ctx, again))
		f.idle("once it is done")
	})
}

func TestJobThatWasCutShort(t *testing.T) {
	each(t, func(f *fixture) {
		f.job("a")
		f.must(f.ReturnJob(f.ctx, f.take()))
		if j := f.take(); j.Attempts != 1 {
			f.t.Errorf("attempt %d, want the first: the one that was cut short does not count", j.Attempts)
		}
	})
}

// Two servers with several workers each do every job once, and those of a lane
// in their order and never two at a time.
func TestJobsAmongServers(t *testing.T) {
	const lanes, inEach = 10, 6
	each(t, func(f *fixture) {
		for i := range lanes * inEach {
			f.job(fmt.Sprintf("lane %d", i%lanes))
		}
		var mu sync.Mutex
		done, busy := map[string][]string{}, map[string]bool{}
		work := func(s *store.Store) error {
			for {
				j, err := s.TakeJob(f.ctx, []string{kind}, lease)
				if errors.Is(err, store.ErrNotFound) {
					mu.Lock()
					n := 0
					for _, ids := range done {
						n += len(ids)
					}
					mu.Unlock()
					if n == lanes*inEach {
						return nil
					}
					continue
				}
				if err != nil {
					return err
				}
				mu.Lock()
				if busy[j.Lane] || j.Attempts != 1 {
					t.Errorf("%s: two at a time, or attempt %d", j.Lane, j.Attempts)
				}
				busy[j.Lane] = true
				done[j.Lane] = append(done[j.Lane], j.ID)
				mu.Unlock()
				mu.Lock()
				busy[j.Lane] = false
				mu.Unlock()
				if err := s.FinishJob(f.ctx, j); err != nil {
					return err
				}
			}
		}
		other := f.again()
		wantAll(t, together(8, func(i int) error { return work([]*store.Store{f.Store, other}[i%2]) }))
		for lane, ids := range done {
			if len(ids) != inEach || !slices.IsSorted(ids) {
				f.t.Errorf("%s was done as %v", lane, ids)
			}
		}
	})
}

func TestSecretOfAJob(t *testing.T) {
	each(t, func(f *fixture) {
		hidden := secret.Token()
		_, err := f.AddJob(f.ctx, store.NewJob{Kind: kind, Lane: "a", Payload: struct{}{}, Secret: []byte(hidden)})
		f.must(err)
		f.job("b")
		if strings.Contains(f.dump(), hidden) {
			f.t.Error("it can be read in the database")
		}
		sealer, err := secret.NewSealer(secret.Bytes(secret.KeySize))
		f.must(err)
		if n, err := f.Reseal(f.ctx, sealer); n != 1 || err != nil {
			f.t.Errorf("%d values were sealed again, error %v, want 1", n, err)
		}
		j := f.take()
		_, err = f.JobSecret(j)
		f.want("open it with the old secret file", err, secret.ErrSealed)
		f.options.Sealer = sealer
		if got, err := f.again().JobSecret(j); string(got) != hidden || err != nil {
			f.t.Errorf("with the new one it is %q, error %v", got, err)
		}
		if got, err := f.JobSecret(f.take()); got != nil || err != nil {
			f.t.Errorf("a job without has %q, error %v", got, err)
		}
		f.must(f.FinishJob(f.ctx, j))
		if n := f.number("SELECT count(*) FROM jobs WHERE secret_sealed IS NOT NULL"); n != 0 {
			f.t.Error("it stays when the job is done")
		}
	})
}

func TestJobsForAdministrators(t *testing.T) {
	each(t, func(f *fixture) {
		failed := f.job("a")
		f.must(f.FailJob(f.ctx, f.take(), "refused"))
		f.clock.Advance(time.Second)
		done := f.job("a")
		f.must(f.FinishJob(f.ctx, f.take()))
		f.clock.Advance(time.Second)
		held := f.job("b")
		f.take()
		list := func(states ...store.JobState) (ids []string) {
			f.t.Helper()
			jobs, err := f.Jobs(f.ctx, states, 10)
			f.must(err)
			for _, j := range jobs {
				ids = append(ids, j.ID)
			}
			return ids
		}
		if got := list(store.JobWaiting, store.JobFailed); !slices.Equal(got, []string{held, failed}) {
			f.t.Errorf("listed %v", got)
		}
		if got := list(store.JobDone); !slices.Equal(got, []string{done}) {
			f.t.Errorf("listed as done %v", got)
		}
		f.want("retry what somebody is doing", f.RetryJob(f.ctx, held), store.ErrConflict)
		f.want("drop what somebody is doing", f.DropJob(f.ctx, held), store.ErrConflict)
		f.want("retry what is done", f.RetryJob(f.ctx, done), store.ErrNotFound)
		f.want("retry nothing", f.RetryJob(f.ctx, "unknown"), store.ErrNotFound)
		f.want("drop nothing", f.DropJob(f.ctx, "unknown"), store.ErrNotFound)

		f.must(f.RetryJob(f.ctx, failed))
		if j := f.take(); j.ID != failed || j.Attempts != 1 || j.LastError != "refused" {
			f.t.Errorf("took %+v, want the first attempt of %s again", j, failed)
		}
		f.clock.Advance(lease)
		f.must(f.DropJob(f.ctx, failed))
		if got := list(store.JobWaiting, store.JobFailed); !slices.Equal(got, []string{held}) {
			f.t.Errorf("listed %v after one was dropped", got)
		}
		events, err := f.AuditEvents(f.ctx, "", 10)
		f.must(err)
		if len(events) != 2 || events[1].Action != store.ActionJobRetried || events[0].Action != store.ActionJobDropped || events[0].Reason != kind+" "+failed {
			f.t.Errorf("the audit log has %+v", events)
		}
	})
}
