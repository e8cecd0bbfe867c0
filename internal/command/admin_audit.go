package command

import (
	"context"
	"fmt"
	"time"

	"keymaker/internal/admin"
	"keymaker/internal/clock"
)

// AdminAuditCommand lists the audit log.
type AdminAuditCommand struct {
	User    string `help:"Only what happened to this user." placeholder:"USER"`
	Client  string `help:"Only what happened with this client." placeholder:"CLIENT"`
	Action  string `help:"Only events of this kind, such as session_ended." placeholder:"ACTION"`
	Outcome string `help:"Only events that ended so: done, denied (by a person) or refused (by the server, for what may have been stolen)." placeholder:"OUTCOME"`
	Since   string `help:"Only events from this time on: 2026-03-01, 2026-03-01T12:00:00Z, or how long ago, such as 24h." placeholder:"TIME"`
	Until   string `help:"Only events before this time, written in the same way." placeholder:"TIME"`
	Limit   int    `help:"At most so many events." default:"50" placeholder:"N"`
}

// readMoment reads a time: a date in UTC, a time, or how long ago.
func readMoment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, &ExitError{Code: exitUsage, Err: fmt.Errorf("--%s %s is no time: write 2026-03-01, 2026-03-01T12:00:00Z, or 24h for a day ago", flag, admin.Printable(text))}
	}
	return clock.System{}.Now().Add(-ago), nil
}

// Run implements the command.
func (c *AdminAuditCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	since, err := readMoment("since", c.Since)
	if err != nil {
		return err
	}
	until, err := readMoment("until", c.Until)
	if err != nil {
		return err
	}
	return parent.run(ctx, streams, func(a *administration) error {
		events, err := admin.ListAudit.On(ctx, a.on, admin.AuditQuestion{User: c.User, Client: c.Client, Action: c.Action, Outcome: c.Outcome, Since: since, Until: until, Limit: c.Limit})
		if err != nil {
			return err
		}
		var t text
		rows := make([][]string, 0, len(events))
		for _, e := range events {
			rows = append(rows, []string{when(e.At), e.Action, e.Outcome, e.Actor, e.UserID, e.Reason, e.DeviceID, e.ClientID, e.SessionID})
		}
		t.table(rows, "AT", "ACTION", "OUTCOME", "BY", "USER", "REASON", "DEVICE", "CLIENT", "SESSION")
		return a.answer(events, t.String())
	})
}
