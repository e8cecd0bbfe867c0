package command

import (
	"context"
	"fmt"
	"strconv"

	"keymaker/internal/admin"
)

// AdminQueryCommand looks at what the server keeps.
type AdminQueryCommand struct {
	OAuth AdminOAuthCommand `cmd:"" name:"oauth" help:"Identity providers, and the users, sessions and devices that came through them."`
}

// AdminOAuthCommand is about what came through the identity providers.
type AdminOAuthCommand struct {
	ListProviders AdminListProvidersCommand `cmd:"" help:"List the identity providers, and how much came through each."`
	ShowProvider  AdminShowProviderCommand  `cmd:"" help:"Show the settings of an identity provider."`
	ListUsers     AdminListUsersCommand     `cmd:"" help:"List the users."`
	ShowUser      AdminUserShowCommand      `cmd:"" help:"Show an account: its state, linked identities, sessions and devices."`
	ListSessions  AdminListSessionsCommand  `cmd:"" help:"List the sessions, the newest first."`
	ShowSession   AdminShowSessionCommand   `cmd:"" help:"Show a session, live or ended."`
	ListDevices   AdminListDevicesCommand   `cmd:"" help:"List the devices, and the provider that has authenticated each."`

	TokenInfo AdminTokenInfoCommand `cmd:"" help:"Say what a token is good for. It is read from standard input or a file."`
	Revoke    AdminRevokeCommand    `cmd:"" help:"End a session, or every session of a user, and keep the devices."`
	Delete    AdminDeleteCommand    `cmd:"" help:"End a session and remove its device, or remove every way in to an account."`

	Associate         AdminAssociateCommand         `cmd:"" help:"Let whoever has these claims become a user who exists, at their first sign-in."`
	ListAssociations  AdminListAssociationsCommand  `cmd:"" help:"List the associations that wait for a first sign-in."`
	RemoveAssociation AdminRemoveAssociationCommand `cmd:"" help:"Take back an association that has not been used."`
}

// page is the part of a long list that is wanted.
type page struct {
	Limit int    `help:"At most so many." default:"100" placeholder:"N"`
	After string `help:"Go on after this one, which the part before named." placeholder:"WHICH"`
}

func (p page) page() admin.Page { return admin.Page{Limit: p.Limit, After: p.After} }

// more tells where the list goes on, beside the answer.
func (a *administration) more(next string) error {
	if next == "" || a.json {
		return nil
	}
	_, err := fmt.Fprintf(a.streams.Err, "There are more: --after %s\n", admin.Printable(next))
	return err
}

// AdminListProvidersCommand lists the identity providers.
type AdminListProvidersCommand struct{}

// Run implements the command.
func (*AdminListProvidersCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		list, err := admin.ListProviders.On(ctx, a.on, struct{}{})
		if err != nil {
			return err
		}
		var t text
		var rows [][]string
		for _, p := range list.Providers {
			rows = append(rows, []string{p.ID, p.Brand, p.Name, p.Issuer, yesNo(p.Configured), strconv.Itoa(p.Users), strconv.Itoa(p.Sessions), strconv.Itoa(p.Devices)})
		}
		t.table(rows, "PROVIDER", "BRAND", "NAME", "ISSUER", "CONFIGURED", "USERS", "SESSIONS", "DEVICES")
		return a.answer(list, t.String())
	})
}

// AdminShowProviderCommand shows an identity provider.
type AdminShowProviderCommand struct {
	Provider string `arg:"" help:"The provider: its client_id, or its brand if no other has it."`
}

// Run implements the command.
func (c *AdminShowProviderCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		p, err := admin.ShowProvider.On(ctx, a.on, c.Provider)
		if err != nil {
			return err
		}
		names := "the usual claims"
		if len(p.UserIDClaims) > 0 {
			names = joined(p.UserIDClaims)
		}
		proves := yesNo(p.Proves)
		if p.Proves && p.WithoutAuthTime {
			proves = "yes, without auth_time"
		}
		var t text
		t.fields([][2]string{
			{"Provider", p.ID}, {"Brand", p.Brand}, {"Name", p.Name}, {"Issuer", p.Issuer}, {"Default", yesNo(p.Default)}, {"Callback", p.CallbackURL},
			{"Client secret", yesNo(p.HasSecret)}, {"Scope", joined(p.Scope)}, {"Names come from", names}, {"Trusted", yesNo(p.Trusted)},
			{"Generated names", yesNo(p.UniqueIDFallbacks)}, {"Registration", yesNo(p.Registration)}, {"Discovery", yesNo(p.Discovery)},
			{"Proves who people are", proves},
			{"Users", strconv.Itoa(p.Users)}, {"Sessions", strconv.Itoa(p.Sessions)}, {"Devices", strconv.Itoa(p.Devices)},
		})
		return a.answer(p, t.String())
	})
}

// AdminListUsersCommand lists the users.
type AdminListUsersCommand struct {
	page `embed:""`

	Provider string `help:"Only those who are linked at this identity provider." placeholder:"PROVIDER"`
}

// Run implements the command.
func (c *AdminListUsersCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		list, err := admin.ListUsers.On(ctx, a.on, admin.UsersQuestion{Page: c.page.page(), Provider: c.Provider})
		if err != nil {
			return err
		}
		var t text
		var rows [][]string
		for _, u := range list.Users {
			rows = append(rows, []string{u.UserID, u.DisplayName, u.State.String(), strconv.Itoa(u.Identities), strconv.Itoa(u.Sessions), strconv.Itoa(u.Devices), when(u.CreatedAt)})
		}
		t.table(rows, "USER", "NAME", "STATE", "IDENTITIES", "SESSIONS", "DEVICES", "CREATED")
		if err := a.answer(list, t.String()); err != nil {
			return err
		}
		return a.more(list.Next)
	})
}
