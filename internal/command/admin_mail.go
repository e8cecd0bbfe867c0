package command

import (
	"context"
	"fmt"

	"keymaker/internal/admin"
	"keymaker/internal/clock"
	"keymaker/internal/config"
)

// AdminMailCommand looks after the mails for people.
type AdminMailCommand struct {
	Test AdminMailTestCommand `cmd:"" help:"Send a mail, and say what fails. It needs no database."`
}

// AdminMailTestCommand sends a mail to see whether mails are sent.
type AdminMailTestCommand struct {
	Address string `arg:"" help:"Whom to send it to."`
}

// Run implements the command.
func (c *AdminMailTestCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.runBy(ctx, streams, onConfiguration, func(a *administration) error {
		sent, err := admin.TestMail.On(ctx, a.on, c.Address)
		if err != nil {
			return err
		}
		return a.answer(sent, fmt.Sprintf("%s has taken a mail for %s.\n", admin.Printable(sent.Server), admin.Printable(sent.To)))
	})
}

// onConfiguration is for what needs no database.
func onConfiguration(_ context.Context, cfg *config.Config, a *administration, do func(*administration) error) error {
	a.on = &admin.Service{Config: cfg, Clock: clock.System{}}
	return usage(do(a))
}
