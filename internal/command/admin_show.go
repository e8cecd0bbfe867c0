package command

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"keymaker/store"
)

// AdminUserShowCommand shows one account.
type AdminUserShowCommand struct {
	account `embed:""`
}

// accountState is the state of an account as JSON has it.
type accountState struct {
	Locked      bool `json:"locked"`
	Suspended   bool `json:"suspended"`
	Deactivated bool `json:"deactivated"`
}

// String is the state in words.
func (s accountState) String() string {
	var words []string
	for _, w := range []struct {
		on   bool
		word string
	}{{s.Deactivated, "deactivated"}, {s.Locked, "locked"}, {s.Suspended, "suspended"}} {
		if w.on {
			words = append(words, w.word)
		}
	}
	if words == nil {
		return "active"
	}
	return strings.Join(words, ", ")
}

// shownUser is an account as JSON has it. Times are RFC 3339.
type shownUser struct {
	UserID      string         `json:"user_id"`
	DisplayName string         `json:"display_name"`
	Email       string         `json:"email"`
	CreatedAt   time.Time      `json:"created_at"`
	State       accountState   `json:"state"`
	Identities  []shownLink    `json:"identities"`
	Sessions    []shownSession `json:"sessions"`
	Devices     []shownDevice  `json:"devices"`
}

type shownLink struct {
	Provider string    `json:"provider"`
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
	LinkedAt time.Time `json:"linked_at"`
}

type shownSession struct {
	ID          string    `json:"session_id"`
	Kind        string    `json:"kind"`
	DeviceID    string    `json:"device_id,omitempty"`
	ClientID    string    `json:"client_id,omitempty"`
	Provider    string    `json:"provider"`
	Scope       string    `json:"scope"`
	StartedAt   time.Time `json:"started_at"`
	RefreshedAt time.Time `json:"refreshed_at"`
}

type shownDevice struct {
	ID          string `json:"device_id"`
	DisplayName string `json:"display_name"`
	// OIDC: the device came through the OAuth server (MSC4312).
	OIDC       bool      `json:"oidc"`
	Provider   string    `json:"provider,omitempty"`
	LastSeenAt time.Time `json:"last_seen_at"`
}

// Run implements the command.
func (c *AdminUserShowCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *admin) error {
		localpart, err := a.localpart(c.User)
		if err != nil {
			return err
		}
		user, err := a.User(ctx, localpart)
		if err != nil {
			return a.known(localpart, err)
		}
		shown, err := a.shown(ctx, user)
		if err != nil {
			return err
		}
		return a.answer(shown, shown.text())
	})
}

func (a *admin) shown(ctx context.Context, user store.User) (*shownUser, error) {
	links, err := a.UpstreamLinks(ctx, user.Localpart)
	if err != nil {
		return nil, err
	}
	sessions, err := a.LiveSessions(ctx, user.Localpart)
	if err != nil {
		return nil, err
	}
	devices, err := a.Devices(ctx, user.Localpart)
	if err != nil {
		return nil, err
	}
	shown := &shownUser{UserID: a.UserID(user.Localpart), DisplayName: user.DisplayName, Email: user.Email, CreatedAt: user.CreatedAt,
		State: accountState(user.Account), Identities: []shownLink{}, Sessions: []shownSession{}, Devices: []shownDevice{}}
	for _, l := range links {
		shown.Identities = append(shown.Identities, shownLink{Provider: l.ProviderID, Issuer: l.Issuer, Subject: l.Subject, LinkedAt: l.CreatedAt})
	}
	for _, s := range sessions {
		shown.Sessions = append(shown.Sessions, shownSession{ID: s.ID, Kind: string(s.Kind), DeviceID: s.DeviceID, ClientID: s.ClientID,
			Provider: s.Login.ProviderID, Scope: s.Scope, StartedAt: s.StartedAt, RefreshedAt: s.RefreshedAt})
	}
	for _, d := range devices {
		shown.Devices = append(shown.Devices, shownDevice{ID: d.ID, DisplayName: d.DisplayName, OIDC: d.ClientID != "", Provider: d.ProviderID, LastSeenAt: d.LastSeenAt})
	}
	return shown, nil
}

// text is the account for a person at a terminal.
func (u *shownUser) text() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) } // a strings.Builder takes everything
	line("User", printable(u.UserID))
	line("Display name", printable(u.DisplayName))
	line("E-mail", printable(u.Email))
	line("Created", when(u.CreatedAt))
	line("State", u.State.String())
	_ = w.Flush()
	table := func(title string, rows [][]string, head ...string) {
		line(fmt.Sprintf("\n%s: %d", title, len(rows)))
		_ = w.Flush()
		if len(rows) > 0 {
			line(append([]string{""}, head...)...)
		}
		for _, row := range rows {
			line(append([]string{""}, row...)...)
		}
		_ = w.Flush()
	}
	var links, sessions, devices [][]string
	for _, l := range u.Identities {
		links = append(links, []string{printable(l.Provider), printable(l.Subject), printable(l.Issuer), when(l.LinkedAt)})
	}
	for _, s := range u.Sessions {
		sessions = append(sessions, []string{s.ID, s.Kind, printable(s.DeviceID), printable(s.ClientID), printable(s.Provider), when(s.StartedAt), when(s.RefreshedAt)})
	}
	for _, d := range u.Devices {
		oidc := "no"
		if d.OIDC {
			oidc = "yes"
		}
		devices = append(devices, []string{printable(d.ID), printable(d.DisplayName), oidc, printable(d.Provider), when(d.LastSeenAt)})
	}
	table("Identities", links, "PROVIDER", "SUBJECT", "ISSUER", "SINCE")
	table("Sessions", sessions, "SESSION", "KIND", "DEVICE", "CLIENT", "PROVIDER", "STARTED", "REFRESHED")
	table("Devices", devices, "DEVICE", "NAME", "OIDC", "PROVIDER", "LAST SEEN")
	return out.String()
}

// when is a time for a person, in UTC.
func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }
