package command

import (
	"context"
	"strconv"
	"strings"

	"keymaker/internal/admin"
)

// joined is a list in one cell.
func joined(words []string) string { return strings.Join(words, " ") }

// AdminListSessionsCommand lists sessions.
type AdminListSessionsCommand struct {
	page `embed:""`

	User     string `help:"Only those of this user." placeholder:"USER"`
	Provider string `help:"Only those that this identity provider has authenticated." placeholder:"PROVIDER"`
	Client   string `help:"Only those of this client." placeholder:"CLIENT"`
	Ended    bool   `help:"Those that have ended in the last 30 days, too."`
}

// Run implements the command.
func (c *AdminListSessionsCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		question := admin.SessionsQuestion{Page: c.page.page(), User: c.User, Provider: c.Provider, Client: c.Client, Ended: c.Ended}
		list, err := admin.ListSessions.On(ctx, a.on, question)
		if err != nil {
			return err
		}
		var t text
		var rows [][]string
		for _, s := range list.Sessions {
			rows = append(rows, []string{s.ID, s.UserID, s.Kind, s.DeviceID, s.ClientID, s.Provider, when(s.StartedAt), when(s.RefreshedAt), endedText(s.Ended)})
		}
		t.table(rows, "SESSION", "USER", "KIND", "DEVICE", "CLIENT", "PROVIDER", "STARTED", "REFRESHED", "ENDED")
		if err := a.answer(list, t.String()); err != nil {
			return err
		}
		return a.more(list.Next)
	})
}

func endedText(e *admin.Ended) string {
	if e == nil {
		return ""
	}
	return when(e.At) + " " + e.Reason + " by " + e.By
}

// AdminShowSessionCommand shows a session.
type AdminShowSessionCommand struct {
	Session string `arg:"" help:"The session, as it is listed."`
}

// Run implements the command.
func (c *AdminShowSessionCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		s, err := admin.ShowSession.On(ctx, a.on, c.Session)
		if err != nil {
			return err
		}
		refresh := "none"
		if s.HasRefreshToken {
			refresh = "never expires"
			if s.RefreshExpiresAt != nil {
				refresh = "expires " + when(*s.RefreshExpiresAt)
			}
		}
		var t text
		t.fields([][2]string{
			{"Session", s.ID}, {"Kind", s.Kind}, {"User", s.UserID}, {"Device", s.DeviceID}, {"Device name", s.DeviceName},
			{"Client", s.ClientID}, {"Client name", s.ClientName}, {"Scope", s.Scope},
			{"Provider", s.Provider}, {"Issuer", s.Issuer}, {"Subject", s.Subject}, {"Signed in", when(s.SignedInAt)},
			{"Started", when(s.StartedAt)}, {"Refreshed", when(s.RefreshedAt)}, {"Refreshes", strconv.FormatInt(s.Refreshes, 10)}, {"Refresh token", refresh},
			{"Last used", when(s.LastUsedAt)}, {"Last address", s.LastAddress}, {"Ended", endedText(s.Ended)},
		})
		return a.answer(s, t.String())
	})
}

// AdminListDevicesCommand lists devices.
type AdminListDevicesCommand struct {
	page `embed:""`

	User     string `help:"Only those of this user." placeholder:"USER"`
	Provider string `help:"Only those that this identity provider has authenticated." placeholder:"PROVIDER"`
	OIDC     bool   `name:"oidc" help:"Only OIDC devices: those that came through the OAuth server."`
}

// Run implements the command.
func (c *AdminListDevicesCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		list, err := admin.ListDevices.On(ctx, a.on, admin.DevicesQuestion{Page: c.page.page(), User: c.User, Provider: c.Provider, OIDC: c.OIDC})
		if err != nil {
			return err
		}
		var t text
		var rows [][]string
		for _, d := range list.Devices {
			rows = append(rows, []string{d.UserID, d.ID, d.DisplayName, yesNo(d.OIDC), d.Provider, d.Subject, d.Issuer, d.ClientID, when(d.LastSeenAt)})
		}
		t.table(rows, "USER", "DEVICE", "NAME", "OIDC", "PROVIDER", "SUBJECT", "ISSUER", "CLIENT", "LAST SEEN")
		if err := a.answer(list, t.String()); err != nil {
			return err
		}
		return a.more(list.Next)
	})
}
