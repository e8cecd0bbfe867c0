package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"keymaker/internal/admin"
)

// AdminAssociateCommand approves a link before the person signs in.
type AdminAssociateCommand struct {
	Provider string   `arg:"" help:"The provider: its client_id, or its brand if no other has it."`
	Rest     []string `arg:"" name:"claims-and-user" help:"What the person must have there, and who they become: sub=1234 alice. Of several claims all must match exactly; an e-mail address must be verified."`
	Claim    []string `help:"A claim that the person must have." placeholder:"NAME=VALUE" sep:"none"`
}

// question sorts the words: a user begins with an @, or has no equals sign.
func (c *AdminAssociateCommand) question() (admin.AssociateQuestion, error) {
	q := admin.AssociateQuestion{Provider: c.Provider, Claims: map[string]string{}}
	claims := slices.Clone(c.Claim)
	for _, word := range c.Rest {
		switch {
		case !strings.HasPrefix(word, "@") && strings.Contains(word, "="):
			claims = append(claims, word)
		case q.User == "":
			q.User = word
		default:
			return q, &ExitError{Code: exitUsage, Err: fmt.Errorf("only one user can be associated, not %s and %s", admin.Printable(q.User), admin.Printable(word))}
		}
	}
	for _, claim := range claims {
		name, value, ok := strings.Cut(claim, "=")
		if _, twice := q.Claims[name]; !ok || twice {
			return q, &ExitError{Code: exitUsage, Err: fmt.Errorf("%s: write each claim once, as sub=1234", admin.Printable(claim))}
		}
		q.Claims[name] = value
	}
	if q.User == "" {
		return q, &ExitError{Code: exitUsage, Err: fmt.Errorf("name the user whom the person becomes")}
	}
	return q, nil
}

// Run implements the command.
func (c *AdminAssociateCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	question, err := c.question()
	if err != nil {
		return err
	}
	return parent.run(ctx, streams, func(a *administration) error {
		made, err := admin.Associate.On(ctx, a.on, question)
		if err != nil {
			return err
		}
		if made.Warning != "" && !a.json {
			if _, err := fmt.Fprintln(a.streams.Err, "warning:", made.Warning); err != nil {
				return err
			}
		}
		what := "Whoever has %s at %s becomes %s at their first sign-in (association %s).\n"
		if !made.Changed {
			what = "It was so already: whoever has %s at %s becomes %s at their first sign-in (association %s).\n"
		}
		return a.answer(made, fmt.Sprintf(what, claimText(made.Claims), admin.Printable(made.Provider), admin.Printable(made.UserID), made.ID))
	})
}

// claimText is claims for a person, in the order of their names.
func claimText(claims map[string]string) string {
	words := make([]string, 0, len(claims))
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		words = append(words, admin.Printable(name+"="+claims[name]))
	}
	return joined(words)
}

// AdminListAssociationsCommand lists associations.
type AdminListAssociationsCommand struct {
	page `embed:""`

	User     string `help:"Only those with this user." placeholder:"USER"`
	Provider string `help:"Only those at this identity provider." placeholder:"PROVIDER"`
}

// Run implements the command.
func (c *AdminListAssociationsCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		list, err := admin.ListAssociations.On(ctx, a.on, admin.AssociationsQuestion{Page: c.page.page(), User: c.User, Provider: c.Provider})
		if err != nil {
			return err
		}
		var t text
		var rows [][]string
		for _, x := range list.Associations {
			rows = append(rows, []string{x.ID, x.Provider, claimText(x.Claims), x.UserID, when(x.CreatedAt)})
		}
		t.table(rows, "ASSOCIATION", "PROVIDER", "CLAIMS", "USER", "SINCE")
		if err := a.answer(list, t.String()); err != nil {
			return err
		}
		return a.more(list.Next)
	})
}

// AdminRemoveAssociationCommand removes an association.
type AdminRemoveAssociationCommand struct {
	Association string `arg:"" help:"The association, as it is listed."`
}

// Run implements the command.
func (c *AdminRemoveAssociationCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		removed, err := admin.RemoveAssociation.On(ctx, a.on, c.Association)
		if err != nil {
			return err
		}
		return a.answer(removed, fmt.Sprintf("Whoever has %s at %s does not become %s any more.\n",
			claimText(removed.Claims), admin.Printable(removed.Provider), admin.Printable(removed.UserID)))
	})
}
