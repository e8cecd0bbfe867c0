package notices

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"

	"keymaker/internal/jobs"
	"keymaker/internal/mail"
)

const (
	// lostAfter is after how many failures in a row the mail server counts as
	// lost. Mails then wait at once, so that they do not keep those from their
	// work who do the other jobs.
	lostAfter = 3
	// Pause is how long nothing is asked of a lost mail server. One mail then
	// finds out whether it is back.
	Pause = 30 * time.Second
)

// newBreaker decides which mails are tried while the mail server is lost.
func newBreaker(log *slog.Logger) *gobreaker.CircuitBreaker[struct{}] {
	return gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:      Pause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= lostAfter },
		IsSuccessful: func(err error) bool { return !lost(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) }, // the server ends
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				log.WarnContext(context.Background(), "the mail server takes no mail: those for people wait until it does", "failures", lostAfter, "next_attempt_in", Pause)
			case to == gobreaker.StateClosed:
				log.InfoContext(context.Background(), "the mail server takes mail again")
			}
		},
	})
}

// send hands a mail over, and says what the failure of it means for its job.
func (m *Mailer) send(ctx context.Context, message mail.Message) error {
	_, err := m.breaker.Execute(func() (struct{}, error) {
		err := m.Sender.Send(ctx, message)
		if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			err = fmt.Errorf("%w: %w", err, context.Canceled)
		}
		return struct{}{}, err
	})
	var failed *mail.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return fmt.Errorf("the mail server is not asked, because it took no mail; it is asked again within %s: %w", Pause, jobs.ErrAway)
	case errors.Is(err, mail.ErrAddress):
		return fmt.Errorf("%w: %w", err, jobs.ErrFinal)
	case !errors.As(err, &failed):
		return err
	case failed.Refused():
		return fmt.Errorf("%w: %w", err, jobs.ErrFinal)
	case failed.Code == 0 && failed.Step != mail.StepMessage: // which it may have taken
		return fmt.Errorf("%w: %w", err, jobs.ErrAway)
	}
	return fmt.Errorf("%w: %w", err, jobs.ErrPatience)
}

// lost tells whether a failure is one of the mail server, and not of one mail.
func lost(err error) bool {
	var failed *mail.Error
	if !errors.As(err, &failed) {
		return false
	}
	return failed.Code == 0 || failed.Step != mail.StepRecipient && failed.Step != mail.StepMessage
}
