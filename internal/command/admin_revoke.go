package command

import (
	"context"
	"fmt"

	"keymaker/internal/admin"
)

// target is the argument of a command that ends one session or all of a user.
type target struct {
	Target string `arg:"" name:"session-or-user" help:"The session, as it is listed, or the user: alice, or @alice:example.com."`
	Yes    bool   `help:"Do not ask for confirmation."`
}

// AdminRevokeCommand ends tokens and keeps devices.
type AdminRevokeCommand struct {
	target `embed:""`
}

// AdminDeleteCommand removes sessions with their devices, or all of a user.
type AdminDeleteCommand struct {
	target `embed:""`
}

// ending is what a command does to a session and to a user, and what it asks
// before.
type ending struct {
	askSession, askUser string
	session             func(ctx context.Context, a *administration, id string) error
	user                func(ctx context.Context, a *administration, user string) error
}

// Run implements the command.
func (c *AdminRevokeCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	said := func(a *administration, r admin.Revoked, err error) error {
		if err != nil {
			return err
		}
		return a.answer(r, fmt.Sprintf("Sessions of %s ended: %d. The devices stay.\n", admin.Printable(r.UserID), r.Ended))
	}
	return c.run(ctx, streams, parent, ending{
		askSession: "End session %s of %s, so that its tokens are void? The device stays.",
		askUser:    "End every session of %s, so that their tokens are void? The devices stay.",
		session: func(ctx context.Context, a *administration, id string) error {
			r, err := admin.RevokeSession.On(ctx, a.on, id)
			return said(a, r, err)
		},
		user: func(ctx context.Context, a *administration, user string) error {
			r, err := admin.RevokeUser.On(ctx, a.on, user)
			return said(a, r, err)
		},
	})
}

// Run implements the command.
func (c *AdminDeleteCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.run(ctx, streams, parent, ending{
		askSession: "End session %s of %s and remove its device? Encrypted history that only it can read is lost.",
		askUser: "Remove every linked identity, session and device of %s? Nobody can sign in to the account until somebody is associated with it, " +
			"and encrypted history that only these devices can read is lost.",
		session: func(ctx context.Context, a *administration, id string) error {
			r, err := admin.DeleteSession.On(ctx, a.on, id)
			if err != nil {
				return err
			}
			return a.answer(r, fmt.Sprintf("Session %s of %s is over, and so is its device.\n", admin.Printable(r.SessionID), admin.Printable(r.UserID)))
		},
		user: func(ctx context.Context, a *administration, user string) error {
			d, err := admin.DeleteUser.On(ctx, a.on, user)
			if err != nil {
				return err
			}
			return a.answer(d, fmt.Sprintf("Removed of %s: identities: %d, associations: %d, sessions: %d, devices: %d. The account stays, and nobody can sign in to it.\n",
				admin.Printable(d.UserID), d.Identities, d.Associations, d.Sessions, d.Devices))
		},
	})
}

// run finds out what the target is, asks, and does it.
func (c *target) run(ctx context.Context, streams *Streams, parent *AdminCommand, e ending) error {
	return parent.run(ctx, streams, func(a *administration) error {
		found, err := admin.FindTarget.On(ctx, a.on, c.Target)
		if err != nil {
			return err
		}
		question := ""
		if found.Session != nil {
			question = fmt.Sprintf(e.askSession, admin.Printable(found.Session.ID), admin.Printable(found.Session.UserID))
		} else {
			question = fmt.Sprintf(e.askUser, admin.Printable(found.User.UserID))
		}
		if !c.Yes {
			if err := a.confirm(question); err != nil {
				return err
			}
		}
		if found.Session != nil {
			return e.session(ctx, a, found.Session.ID)
		}
		return e.user(ctx, a, found.User.UserID)
	})
}
