package command

import (
	"context"
	"fmt"

	"keymaker/internal/admin"
)

// AdminUserAllowResetCommand approves a reset of encryption in a person's place.
type AdminUserAllowResetCommand struct {
	confirmed `embed:""`

	Device string `help:"The device that may do it. Needed where several are signed in." placeholder:"ID"`
}

// Run implements the command.
func (c *AdminUserAllowResetCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		question := admin.ResetQuestion{User: c.User, Device: c.Device}
		found, err := admin.FindResetDevice.On(ctx, a.on, question)
		if err != nil {
			return err
		}
		question.Device = found.DeviceID
		if !c.Yes {
			err := a.confirm(fmt.Sprintf("Let device %s of %s replace the encryption keys of the account once, within ten minutes? "+
				"Whoever holds it can then be %s to others: make sure who has asked.", admin.Printable(found.DeviceID), admin.Printable(found.UserID), admin.Printable(found.UserID)))
			if err != nil {
				return err
			}
		}
		allowed, err := admin.AllowReset.On(ctx, a.on, question)
		if err != nil {
			return err
		}
		return a.answer(allowed, fmt.Sprintf("Device %s of %s may replace the encryption keys once, until %s.\n",
			admin.Printable(allowed.DeviceID), admin.Printable(allowed.UserID), when(allowed.Until)))
	})
}
