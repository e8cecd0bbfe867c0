package command

import (
	"context"
	"fmt"

	"keymaker/internal/admin"
)

// AdminUserCommand looks at one account or changes its state.
type AdminUserCommand struct {
	Show        AdminUserShowCommand        `cmd:"" help:"Show an account: its state, linked identities, sessions and devices."`
	Lock        AdminUserLockCommand        `cmd:"" help:"Keep a user out, and keep their sessions for when they are unlocked."`
	Unlock      AdminUserUnlockCommand      `cmd:"" help:"Let a locked user in again, with the sessions they had."`
	Suspend     AdminUserSuspendCommand     `cmd:"" help:"Let a user log in and read, but change nothing that others see."`
	Unsuspend   AdminUserUnsuspendCommand   `cmd:"" help:"Give a suspended user everything back."`
	Deactivate  AdminUserDeactivateCommand  `cmd:"" help:"Close an account: end every session, delete every device, refuse every login."`
	Reactivate  AdminUserReactivateCommand  `cmd:"" help:"Open a closed account again. Its sessions and devices do not come back."`
	EndSessions AdminUserEndSessionsCommand `cmd:"" name:"end-sessions" help:"Log a user out everywhere. They can log in again."`

	SyncDevices    AdminUserSyncDevicesCommand    `cmd:"" name:"sync-devices" help:"Have Synapse told of all devices of a user, where its list has become another one."`
	AllowReset     AdminUserAllowResetCommand     `cmd:"" name:"allow-reset" help:"Let a device replace the encryption keys of its user once, within ten minutes, for a person who cannot approve it."`
	Unlink         AdminUserUnlinkCommand         `cmd:"" help:"Take one linked identity from a user. Their sessions go on."`
	SetDisplayName AdminUserSetDisplayNameCommand `cmd:"" name:"set-displayname" help:"Change the name by which others know a user."`
}

// account is the argument of every command about one.
type account struct {
	User string `arg:"" help:"The user: alice, or @alice:example.com."`
}

// confirmed is a command about an account that destroys something, or lets
// somebody do it.
type confirmed struct {
	account `embed:""`

	Yes bool `help:"Do not ask for confirmation."`
}

type (
	// AdminUserLockCommand locks an account.
	AdminUserLockCommand struct {
		account `embed:""`
	}
	// AdminUserUnlockCommand unlocks an account.
	AdminUserUnlockCommand struct {
		account `embed:""`
	}
	// AdminUserSuspendCommand suspends an account.
	AdminUserSuspendCommand struct {
		account `embed:""`
	}
	// AdminUserUnsuspendCommand ends a suspension.
	AdminUserUnsuspendCommand struct {
		account `embed:""`
	}
	// AdminUserDeactivateCommand closes an account.
	AdminUserDeactivateCommand struct {
		confirmed `embed:""`
	}
	// AdminUserReactivateCommand opens a closed account.
	AdminUserReactivateCommand struct {
		account `embed:""`
	}
	// AdminUserSetDisplayNameCommand changes the display name of an account.
	AdminUserSetDisplayNameCommand struct {
		account `embed:""`

		Name string `arg:"" help:"What others see. An empty one removes it."`
	}
	// AdminUserSyncDevicesCommand has the homeserver told of an account's devices.
	AdminUserSyncDevicesCommand struct {
		account `embed:""`
	}
	// AdminUserEndSessionsCommand ends the sessions of an account.
	AdminUserEndSessionsCommand struct {
		confirmed `embed:""`
	}
)

// Run implements the command.
func (c *AdminUserLockCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, admin.LockUser, "is locked", "was locked already")
}

// Run implements the command.
func (c *AdminUserUnlockCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, admin.UnlockUser, "is unlocked", "was not locked")
}

// Run implements the command.
func (c *AdminUserSuspendCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, admin.SuspendUser, "is suspended", "was suspended already")
}

// Run implements the command.
func (c *AdminUserUnsuspendCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, admin.UnsuspendUser, "is no longer suspended", "was not suspended")
}

// Run implements the command.
func (c *AdminUserReactivateCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, admin.ReactivateUser, "is reactivated", "was not deactivated")
}

// Run implements the command.
func (c *AdminUserDeactivateCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.onceSure(ctx, streams, parent, "Deactivate %s, end every session and delete every device?", func(a *administration) error {
		return a.change(ctx, c.User, admin.DeactivateUser, "is deactivated", "was deactivated already")
	})
}

// Run implements the command.
func (c *AdminUserEndSessionsCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.onceSure(ctx, streams, parent, "End every session of %s and delete their devices?", func(a *administration) error {
		ended, err := admin.EndSessions.On(ctx, a.on, c.User)
		if err != nil {
			return err
		}
		return a.answer(ended, fmt.Sprintf("%s is logged out everywhere: sessions ended: %d.\n", admin.Printable(ended.UserID), ended.Ended))
	})
}

// Run implements the command.
func (c *AdminUserSyncDevicesCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		synced, err := admin.SyncDevices.On(ctx, a.on, c.User)
		if err != nil {
			return err
		}
		return a.answer(synced, fmt.Sprintf("Synapse is told which devices %s has, as soon as the server runs and Synapse answers: keymaker admin jobs list.\n", admin.Printable(synced.UserID)))
	})
}

// Run implements the command.
func (c *AdminUserSetDisplayNameCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		set, err := admin.SetDisplayName.On(ctx, a.on, admin.DisplayNameQuestion{User: c.User, Name: c.Name})
		if err != nil {
			return err
		}
		what := "%s was called %s already.\n"
		if set.Changed {
			what = "%s is called %s.\n"
		}
		return a.answer(set, fmt.Sprintf(what, admin.Printable(set.UserID), admin.Printable(set.DisplayName)))
	})
}

// stateChange is an operation that changes the state of a user.
type stateChange = admin.Operation[string, admin.StateChange]

// change changes the state of the account that the command names.
func (c *account) change(ctx context.Context, streams *Streams, parent *AdminCommand, change stateChange, done, already string) error {
	return parent.run(ctx, streams, func(a *administration) error { return a.change(ctx, c.User, change, done, already) })
}

// onceSure does something to an account that exists, once it is confirmed.
func (c *confirmed) onceSure(ctx context.Context, streams *Streams, parent *AdminCommand, question string, do func(a *administration) error) error {
	return parent.run(ctx, streams, func(a *administration) error {
		user, err := admin.ShowUser.On(ctx, a.on, c.User)
		if err != nil {
			return err
		}
		if !c.Yes {
			if err := a.confirm(fmt.Sprintf(question, admin.Printable(user.UserID))); err != nil {
				return err
			}
		}
		return do(a)
	})
}

func (a *administration) change(ctx context.Context, user string, change stateChange, done, already string) error {
	changed, err := change.On(ctx, a.on, user)
	if err != nil {
		return err
	}
	what := already
	if changed.Changed {
		what = done
	}
	return a.answer(changed, fmt.Sprintf("%s %s.\n", admin.Printable(changed.UserID), what))
}
