package command

import (
	"context"
	"time"

	"keymaker/internal/admin"
)

// AdminUserShowCommand shows one account.
type AdminUserShowCommand struct {
	account `embed:""`
}

// Run implements the command.
func (c *AdminUserShowCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		user, err := admin.ShowUser.On(ctx, a.on, c.User)
		if err != nil {
			return err
		}
		return a.answer(user, userText(user))
	})
}

// userText is an account for a person at a terminal.
func userText(u admin.User) string {
	var t text
	t.fields([][2]string{{"User", u.UserID}, {"Display name", u.DisplayName}, {"E-mail", u.Email}, {"Created", when(u.CreatedAt)}, {"State", u.State.String()}, {"Administers", yesNo(u.Administers)}})
	var links, sessions, devices [][]string
	for _, l := range u.Identities {
		links = append(links, []string{l.Provider, l.Subject, l.Issuer, when(l.LinkedAt)})
	}
	for _, s := range u.Sessions {
		sessions = append(sessions, []string{s.ID, s.Kind, s.DeviceID, s.ClientID, s.Provider, when(s.StartedAt), when(s.RefreshedAt)})
	}
	for _, d := range u.Devices {
		devices = append(devices, []string{d.ID, d.DisplayName, yesNo(d.OIDC), d.Provider, when(d.LastSeenAt)})
	}
	t.section("Identities", links, "PROVIDER", "SUBJECT", "ISSUER", "SINCE")
	t.section("Sessions", sessions, "SESSION", "KIND", "DEVICE", "CLIENT", "PROVIDER", "STARTED", "REFRESHED")
	t.section("Devices", devices, "DEVICE", "NAME", "OIDC", "PROVIDER", "LAST SEEN")
	return t.String()
}

// when is a time for a person, in UTC.
func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
