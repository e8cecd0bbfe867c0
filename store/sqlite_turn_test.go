package store_test

import (
	"context"
	"errors"
	"testing"

	"keymaker/store/storetest"
)

// endsWhenAwaited is a context that ends in the moment in which somebody begins to
// wait for its end.
type endsWhenAwaited struct {
	context.Context //nolint:containedctx // it is one
	done            chan struct{}
}

func (e endsWhenAwaited) Done() <-chan struct{} { return e.done }

func (e endsWhenAwaited) Err() error {
	select {
	case <-e.done:
		return context.Canceled
	default:
		return nil
	}
}

// AfterFunc is what context.AfterFunc asks for.
func (e endsWhenAwaited) AfterFunc(do func()) (stop func() bool) {
	close(e.done)
	go do()
	return func() bool { return false }
}

func TestATurnThatIsAbandonedAsItBegins(t *testing.T) {
	f := open(t, storetest.Databases()[0])
	for range 100 {
		turn, err := f.BeginTurn(endsWhenAwaited{f.ctx, make(chan struct{})})
		f.must(err)
		next, err := f.BeginTurn(f.ctx) // when the other is abandoned
		f.must(err)
		if err := turn.Commit(); !errors.Is(err, context.Canceled) {
			t.Fatalf("it ends with %v", err)
		}
		f.must(next.Rollback())
	}
	f.login("alice")
}
