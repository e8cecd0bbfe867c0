package upstream

import (
	"context"
	"errors"

	"keymaker/internal/config"
	"keymaker/store"
)

// Rule is why a person is the user that they are: see Accounts.Resolve.
type Rule string

// The rules, in the order in which they count.
const (
	RuleLinked     Rule = "linked"
	RuleAssociated Rule = "associated"
	RuleTrusted    Rule = "trusted"
	RuleNamed      Rule = "named"
	RuleGenerated  Rule = "generated"
)

// Rehearsal is what a sign-in would do.
type Rehearsal struct {
	Rule      Rule
	Localpart string // of RuleGenerated an example
	// NewUser: the user does not exist yet, and gets the display name and the
	// address.
	NewUser            bool
	DisplayName, Email string
	// Administers: the claims mark an administrator of the homeserver.
	Administers bool
	// Asks names the user who exists and has the name that the claims make: a
	// person who can prove that it is theirs is offered it first. "" for none.
	Asks string
}

// Rehearse says what Resolve would do, by the same rules, and changes nothing.
// Its errors are those of Resolve.
func (a *Accounts) Rehearse(ctx context.Context, c config.IdentityProvider, id *Identity) (Rehearsal, error) {
	n, taken, err := a.Taken(ctx, c, id)
	if err != nil {
		return Rehearsal{}, err
	}
	r := Rehearsal{Rule: RuleLinked}
	if taken {
		r.Asks = n.Localpart
	}
	stage := &rehearsed{Links: a.Links, named: Localpart(c, a.ServerName, id.Claims), is: &r}
	r.Localpart, err = (&Accounts{ServerName: a.ServerName, Links: stage, Localparts: a.Localparts}).Resolve(ctx, c, id)
	return r, err
}

// rehearsed notes what it is to write instead of writing it.
type rehearsed struct {
	Links

	named string
	is    *Rehearsal
}

// Link implements Links.
func (l *rehearsed) Link(ctx context.Context, n store.NewLink) (string, error) {
	_, err := l.User(ctx, n.Localpart)
	switch {
	case err == nil && n.CreateUser:
		return "", store.ErrExists
	case err != nil && (!n.CreateUser || !errors.Is(err, store.ErrNotFound)):
		return "", err
	case n.Association != "":
		l.is.Rule = RuleAssociated
	case !n.CreateUser:
		l.is.Rule = RuleTrusted
	case n.Localpart == l.named:
		l.is.Rule = RuleNamed
	default:
		l.is.Rule = RuleGenerated
	}
	l.is.NewUser, l.is.DisplayName, l.is.Email = n.CreateUser, n.DisplayName, n.Email
	return n.Localpart, nil
}

// SeeLink implements Links.
func (*rehearsed) SeeLink(context.Context, store.SeenLink) error { return nil }

// MarkAdministrator implements Links.
func (l *rehearsed) MarkAdministrator(_ context.Context, _, _ string, administers bool) error {
	l.is.Administers = administers
	return nil
}
