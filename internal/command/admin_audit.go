package command

import (
	"context"

	"keymaker/internal/admin"
)

// AdminAuditCommand lists the audit log.
type AdminAuditCommand struct {
	User  string `help:"Only what happened to this user." placeholder:"USER"`
	Limit int    `help:"At most so many events." default:"50" placeholder:"N"`
}

// Run implements the command.
func (c *AdminAuditCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		events, err := admin.ListAudit.On(ctx, a.on, admin.AuditQuestion{User: c.User, Limit: c.Limit})
		if err != nil {
			return err
		}
		var t text
		rows := make([][]string, 0, len(events))
		for _, e := range events {
			rows = append(rows, []string{when(e.At), e.Action, e.Actor, e.UserID, e.Reason, e.DeviceID, e.ClientID, e.SessionID})
		}
		t.table(rows, "AT", "ACTION", "BY", "USER", "REASON", "DEVICE", "CLIENT", "SESSION")
		return a.answer(events, t.String())
	})
}
