package provisioning

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// lostAfter is after how many failures in a row the homeserver counts as
	// lost: calls then fail at once, so that no login waits for it.
	lostAfter = 3
	// Pause is how long nothing is asked of a lost homeserver. One call then
	// finds out whether it is back.
	Pause = 5 * time.Second
	// telling is how long a call must have waited, for its end by the caller to
	// say something of the homeserver and not of the caller's impatience.
	telling = 3 * time.Second
)

// effect is what the end of a call says of the homeserver.
type effect int

const (
	// reached: it is there.
	reached effect = iota
	// lost: it is not there, or too slow.
	lost
	// unknown: the call ended too early to tell.
	unknown
)

func effectOf(err error) effect {
	var f *failure
	if errors.As(err, &f) {
		return f.effect
	}
	return reached
}

// newBreaker decides which calls are made while the homeserver is lost.
func newBreaker(log *slog.Logger) *gobreaker.CircuitBreaker[answer] {
	return gobreaker.NewCircuitBreaker[answer](gobreaker.Settings{
		Timeout:      Pause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= lostAfter },
		IsSuccessful: func(err error) bool { return effectOf(err) == reached },
		IsExcluded:   func(err error) bool { return effectOf(err) == unknown },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				log.WarnContext(context.Background(), "the homeserver does not answer: what needs it fails at once until it does", "failures", lostAfter, "next_attempt_in", Pause)
			case to == gobreaker.StateClosed:
				log.InfoContext(context.Background(), "the homeserver answers again")
			}
		},
	})
}

// guarded makes a call unless the homeserver is lost.
func (c *Client) guarded(ctx context.Context, r request) (answer, error) {
	a, err := c.breaker.Execute(func() (answer, error) { return c.exchange(ctx, r) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return answer{}, &failure{words: fmt.Sprintf("it is not asked, because it did not answer; it is asked again within %s", Pause), effect: unknown}
	}
	return a, err
}

// lasting makes a call that may take minutes. It neither waits for a homeserver
// that is lost, nor is its length taken for a loss, nor does it stand in the way
// of those who would find out that the homeserver is back.
func (c *Client) lasting(ctx context.Context, r request) (answer, error) {
	if c.breaker.State() != gobreaker.StateClosed {
		if err := c.check(ctx); err != nil {
			return answer{}, err
		}
	}
	return c.exchange(ctx, r)
}
