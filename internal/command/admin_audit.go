package command

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// AdminAuditCommand lists the audit log.
type AdminAuditCommand struct {
	User  string `help:"Only what happened to this user." placeholder:"USER"`
	Limit int    `help:"At most so many events." default:"50" placeholder:"N"`
}

// shownEvent is an event as JSON has it.
type shownEvent struct {
	At        time.Time `json:"at"`
	Action    string    `json:"action"`
	UserID    string    `json:"user_id,omitempty"`
	DeviceID  string    `json:"device_id,omitempty"`
	SessionID string    `json:"session_id,omitempty"`
	ClientID  string    `json:"client_id,omitempty"`
	Actor     string    `json:"actor"`
	Reason    string    `json:"reason,omitempty"`
}

// Run implements the command.
func (c *AdminAuditCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	if c.Limit < 1 {
		return &ExitError{Code: exitUsage, Err: fmt.Errorf("--limit %d: it must be 1 or more", c.Limit)}
	}
	return parent.run(ctx, streams, func(a *admin) error {
		localpart := ""
		if c.User != "" {
			var err error
			if localpart, err = a.localpart(c.User); err != nil {
				return err
			}
			if _, err := a.User(ctx, localpart); err != nil {
				return a.known(localpart, err)
			}
		}
		events, err := a.events(ctx, localpart, c.Limit)
		if err != nil {
			return err
		}
		return a.answer(events, eventText(events))
	})
}

func (a *admin) events(ctx context.Context, localpart string, limit int) ([]shownEvent, error) {
	events, err := a.AuditEvents(ctx, localpart, limit)
	shown := make([]shownEvent, 0, len(events))
	for _, e := range events {
		s := shownEvent{At: e.At, Action: e.Action, DeviceID: e.DeviceID, SessionID: e.SessionID, ClientID: e.ClientID, Actor: e.Actor, Reason: e.Reason}
		if e.Localpart != "" {
			s.UserID = a.UserID(e.Localpart)
		}
		shown = append(shown, s)
	}
	return shown, err
}

func eventText(events []shownEvent) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "AT\tACTION\tBY\tUSER\tREASON\tDEVICE\tCLIENT\tSESSION") // a strings.Builder takes everything
	for _, e := range events {
		cells := []string{when(e.At), e.Action, e.Actor}
		for _, s := range []string{e.UserID, e.Reason, e.DeviceID, e.ClientID, e.SessionID} {
			cells = append(cells, printable(s))
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush()
	return out.String()
}
