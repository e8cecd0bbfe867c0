package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"keymaker/internal/jobs"
	"keymaker/store"
)

// Jobs that hang keep none of another kind waiting.
func TestFewJobsOfAKindAtOnce(t *testing.T) {
	const slow = "slow"
	each(t, func(f *fixture) {
		for i := range 12 {
			if _, err := f.AddJob(t.Context(), store.NewJob{Kind: slow, Lane: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		begun, release, done := make(chan struct{}, 12), make(chan struct{}), make(chan struct{}, 1)
		r := jobs.New(jobs.Options{Store: f.Store, Clock: f.clock, Logger: slog.New(slog.DiscardHandler), Grace: time.Minute, AtOnce: map[string]int{slow: 2},
			Handlers: map[string]jobs.Handler{
				slow: func(context.Context, store.Job) error { begun <- struct{}{}; <-release; return nil },
				kind: func(context.Context, store.Job) error { done <- struct{}{}; return nil },
			}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		<-begun
		<-begun
		f.add("quick")
		<-done
		if n := len(begun); n != 0 {
			t.Errorf("%d more were begun", n)
		}
		close(release)
		for range 10 {
			<-begun
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
