package command

import (
	"context"
	"fmt"

	"keymaker/store"
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
}

// account is the argument of every command about one.
type account struct {
	User string `arg:"" help:"The user: alice, or @alice:example.com."`
}

// confirmed is a command about an account that destroys something.
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
	// AdminUserEndSessionsCommand ends the sessions of an account.
	AdminUserEndSessionsCommand struct {
		confirmed `embed:""`
	}
)

// Run implements the command.
func (c *AdminUserLockCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, (*store.Store).LockUser, "is locked", "was locked already")
}

// Run implements the command.
func (c *AdminUserUnlockCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, (*store.Store).UnlockUser, "is unlocked", "was not locked")
}

// Run implements the command.
func (c *AdminUserSuspendCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, (*store.Store).SuspendUser, "is suspended", "was suspended already")
}

// Run implements the command.
func (c *AdminUserUnsuspendCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, (*store.Store).UnsuspendUser, "is no longer suspended", "was not suspended")
}

// Run implements the command.
func (c *AdminUserReactivateCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.change(ctx, streams, parent, (*store.Store).ReactivateUser, "is reactivated", "was not deactivated")
}

// Run implements the command.
func (c *AdminUserDeactivateCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {

	return c.onceSure(ctx, streams, parent, "Deactivate %s, end every session and delete every device?", func(a *admin, localpart string) error {
		return a.change(ctx, localpart, (*store.Store).DeactivateUser, "is deactivated", "was deactivated already")
	})
}

// Run implements the command.
func (c *AdminUserEndSessionsCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return c.onceSure(ctx, streams, parent, "End every session of %s and delete their devices?", func(a *admin, localpart string) error {
		n, err := a.SignOutUser(ctx, localpart, store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin})
		if err != nil {
			return a.known(localpart, err)
		}
		answer := struct {
			UserID string `json:"user_id"`
			Ended  int    `json:"sessions_ended"`
		}{a.UserID(localpart), n}
		return a.answer(answer, fmt.Sprintf("%s is logged out everywhere: sessions ended: %d.\n", printable(answer.UserID), n))
	})
}

// change changes the state of the account that the command names.
func (c *account) change(ctx context.Context, streams *Streams, parent *AdminCommand, do change, done, already string) error {
	return parent.run(ctx, streams, func(a *admin) error {
		localpart, err := a.localpart(c.User)
		if err != nil {
			return err
		}
		return a.change(ctx, localpart, do, done, already)
	})
}

// onceSure does something to an account that exists, once it is confirmed.
func (c *confirmed) onceSure(ctx context.Context, streams *Streams, parent *AdminCommand, question string, do func(a *admin, localpart string) error) error {
	return parent.run(ctx, streams, func(a *admin) error {
		localpart, err := a.localpart(c.User)
		if err != nil {
			return err
		}
		if _, err := a.User(ctx, localpart); err != nil {
			return a.known(localpart, err)
		}
		if !c.Yes {
			if err := a.confirm(fmt.Sprintf(question, printable(a.UserID(localpart)))); err != nil {
				return err
			}
		}
		return do(a, localpart)
	})
}

// change is a method of the store that changes the state of a user.
type change func(s *store.Store, ctx context.Context, localpart string) (changed bool, err error)

func (a *admin) change(ctx context.Context, localpart string, do change, done, already string) error {
	changed, err := do(a.Store, ctx, localpart)
	if err != nil {
		return a.known(localpart, err)
	}
	user, err := a.User(ctx, localpart)
	if err != nil {
		return err
	}
	what := already
	if changed {
		what = done
	}
	answer := struct {
		UserID  string       `json:"user_id"`
		Changed bool         `json:"changed"`
		State   accountState `json:"state"`
	}{a.UserID(localpart), changed, accountState(user.Account)}
	return a.answer(answer, fmt.Sprintf("%s %s.\n", printable(answer.UserID), what))
}
