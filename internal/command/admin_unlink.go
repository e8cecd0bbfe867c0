package command

import (
	"context"
	"fmt"

	"keymaker/internal/admin"
)

// AdminUserUnlinkCommand takes one linked identity from an account.
type AdminUserUnlinkCommand struct {
	confirmed `embed:""`

	Provider string `required:"" help:"Where the identity is: the provider's client_id, or its brand if no other has it." placeholder:"PROVIDER"`
	Subject  string `help:"Which identity there. Needed where there are several." placeholder:"SUB"`
	Issuer   string `help:"The issuer of that subject. Needed where several have it." placeholder:"URL"`
	Last     bool   `help:"Unlink it even if the user has no other, and nobody can sign in any more."`
}

// Run implements the command.
func (c *AdminUserUnlinkCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		question := admin.UnlinkQuestion{IdentityQuestion: admin.IdentityQuestion{User: c.User, Provider: c.Provider, Subject: c.Subject, Issuer: c.Issuer}, Last: c.Last}
		found, err := admin.FindIdentity.On(ctx, a.on, question.IdentityQuestion)
		if err != nil {
			return err
		}
		question.Subject, question.Issuer = found.Subject, found.Issuer
		if !c.Yes && (c.Last || !found.Last) { // otherwise it is refused anyway
			if err := a.confirm(unlinkQuestion(found)); err != nil {
				return err
			}
		}
		gone, err := admin.Unlink.On(ctx, a.on, question)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("The identity %s at %s is no longer linked to %s.", admin.Printable(gone.Subject), admin.Printable(gone.Provider), admin.Printable(gone.UserID))
		if gone.Last {
			text += " Nobody can sign in to the account until somebody is associated with it."
		}
		return a.answer(gone, text+"\n")
	})
}

// unlinkQuestion says what is lost.
func unlinkQuestion(found admin.LinkedIdentity) string {
	question := fmt.Sprintf("Unlink the identity %s at %s from %s?", admin.Printable(found.Subject), admin.Printable(found.Provider), admin.Printable(found.UserID))
	if found.Last {
		question += " It is the only one: nobody can sign in to the account until somebody is associated with it."
	}
	return question
}
