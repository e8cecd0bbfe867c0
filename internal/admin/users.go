package admin

import (
	"context"
	"strings"
	"time"

	"keymaker/provider"
	"keymaker/store"
)

// UserState is the state of an account.
type UserState struct {
	Locked      bool `json:"locked"`
	Suspended   bool `json:"suspended"`
	Deactivated bool `json:"deactivated"`
}

func stateOf(a store.Account) UserState {
	return UserState{Locked: a.Locked, Suspended: a.Suspended, Deactivated: a.Deactivated}
}

// String is the state in words.
func (s UserState) String() string {
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

// ListedUser is a user with how much belongs to them.
type ListedUser struct {
	UserID      string    `json:"user_id"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
	State       UserState `json:"state"`
	Identities  int       `json:"identities"`
	Sessions    int       `json:"sessions"`
	Devices     int       `json:"devices"`
}

// Users are a part of the list of users.
type Users struct {
	Users []ListedUser `json:"users"`
	// Next is the After of the next part; "" at the end.
	Next string `json:"next,omitempty"`
}

// UsersQuestion says which users to list.
type UsersQuestion struct {
	Page

	// Provider is one that they are linked at; "" for all.
	Provider string `json:"provider,omitempty"`
}

// ListUsers lists users in the order of their names.
var ListUsers = operation("list-users", (*Service).listUsers)

func (s *Service) listUsers(ctx context.Context, q UsersQuestion) (Users, error) {
	limit, err := q.fetch()
	if err != nil {
		return Users{}, err
	}
	page := store.UserPage{Limit: limit}
	if page.ProviderID, err = s.providerID(ctx, q.Provider); err != nil {
		return Users{}, err
	}
	if q.After != "" {
		if page.After, err = s.localpart(q.After); err != nil {
			return Users{}, err
		}
	}
	found, err := s.Store.ListUsers(ctx, page)
	if err != nil {
		return Users{}, err
	}
	users := Users{Users: []ListedUser{}}
	for _, u := range found {
		users.Users = append(users.Users, ListedUser{UserID: s.Store.UserID(u.User.Localpart), DisplayName: u.User.DisplayName, CreatedAt: u.User.CreatedAt,
			State: stateOf(u.User.Account), Identities: u.Links, Sessions: u.Sessions, Devices: u.Devices})
	}
	users.Users, users.Next = part(q.Page, users.Users, func(u ListedUser) string { return u.UserID })
	return users, nil
}

// User is an account with all that belongs to it.
type User struct {
	UserID      string    `json:"user_id"`
	DisplayName string    `json:"display_name"`
	Email       string    `json:"email"`
	CreatedAt   time.Time `json:"created_at"`
	State       UserState `json:"state"`
	// Administers: the homeserver, by admin_users or admin_claim.
	Administers bool       `json:"administers"`
	Identities  []Identity `json:"identities"`
	Sessions    []Session  `json:"sessions"`
	Devices     []Device   `json:"devices"`
}

// Identity is an account at an identity provider.
type Identity struct {
	Provider string    `json:"provider"`
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
	LinkedAt time.Time `json:"linked_at"`
}

// ShowUser shows an account.
var ShowUser = operation("show-user", (*Service).showUser)

func (s *Service) showUser(ctx context.Context, name string) (User, error) {
	user, err := s.user(ctx, name)
	if err != nil {
		return User{}, err
	}
	shown := User{UserID: s.Store.UserID(user.Localpart), DisplayName: user.DisplayName, Email: user.Email, CreatedAt: user.CreatedAt,
		State: stateOf(user.Account), Administers: provider.Administers(s.Config, user.Localpart, user.Account), Identities: []Identity{}, Sessions: []Session{}, Devices: []Device{}}
	links, err := s.Store.UpstreamLinks(ctx, user.Localpart)
	if err != nil {
		return User{}, err
	}
	for _, l := range links {
		shown.Identities = append(shown.Identities, Identity{Provider: l.ProviderID, Issuer: l.Issuer, Subject: l.Subject, LinkedAt: l.CreatedAt})
	}
	sessions, err := s.Store.LiveSessions(ctx, user.Localpart)
	if err != nil {
		return User{}, err
	}
	for _, live := range sessions {
		shown.Sessions = append(shown.Sessions, s.session(live))
	}
	devices, err := s.Store.Devices(ctx, user.Localpart)
	if err != nil {
		return User{}, err
	}
	for _, d := range devices {
		shown.Devices = append(shown.Devices, s.device(d))
	}
	return shown, nil
}
