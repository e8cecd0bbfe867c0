// Package linkstest checks implementations of upstream.Links, and has one in
// memory.
package linkstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"keymaker/store"
	"keymaker/upstream"
)

// Run checks what upstream.Links promises. open returns an implementation that
// is empty.
func Run(t *testing.T, open func(*testing.T) upstream.Links) {
	ctx := context.Background()
	alice := store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1", Localpart: "alice", CreateUser: true, DisplayName: "Alice", Email: "alice@example.org"}

	t.Run("an account that nobody linked is not found", func(t *testing.T) {
		links := open(t)
		_, err := links.LinkedUser(ctx, "idp", "https://idp.example", "1")
		wantError(t, err, store.ErrNotFound)
		_, err = links.User(ctx, "alice")
		wantError(t, err, store.ErrNotFound)
	})
	t.Run("a link and its user are stored together", func(t *testing.T) {
		links := open(t)
		wantLinked(t, "alice")(links.Link(ctx, alice))
		wantLinked(t, "alice")(links.LinkedUser(ctx, "idp", "https://idp.example", "1"))
		user, err := links.User(ctx, "alice")
		if err != nil || user.Localpart != "alice" || user.DisplayName != "Alice" || user.Email != "alice@example.org" {
			t.Errorf("user %+v, error %v", user, err)
		}
	})
	t.Run("a linked account keeps its user, and no other is made", func(t *testing.T) {
		links := open(t)
		wantLinked(t, "alice")(links.Link(ctx, alice))
		wantLinked(t, "alice")(links.Link(ctx, alice))
		renamed := alice
		renamed.Localpart = "alicia"
		wantLinked(t, "alice")(links.Link(ctx, renamed))
		_, err := links.User(ctx, "alicia")
		wantError(t, err, store.ErrNotFound)
	})
	t.Run("a user that exists is not made again", func(t *testing.T) {
		links := open(t)
		wantLinked(t, "alice")(links.Link(ctx, alice))
		other := alice
		other.Subject, other.DisplayName = "2", "Mallory"
		_, err := links.Link(ctx, other)
		wantError(t, err, store.ErrExists)
		_, err = links.LinkedUser(ctx, "idp", "https://idp.example", "2")
		wantError(t, err, store.ErrNotFound)
		if user, _ := links.User(ctx, "alice"); user.DisplayName != "Alice" {
			t.Errorf("the display name became %q", user.DisplayName)
		}
	})
	t.Run("a user may be linked to several accounts", func(t *testing.T) {
		links := open(t)
		wantLinked(t, "alice")(links.Link(ctx, alice))
		for _, key := range [][3]string{{"idp", "https://idp.example", "2"}, {"other", "https://idp.example", "1"}, {"idp", "https://other.example", "1"}} {
			_, err := links.LinkedUser(ctx, key[0], key[1], key[2])
			wantError(t, err, store.ErrNotFound)
			wantLinked(t, "alice")(links.Link(ctx, store.NewLink{ProviderID: key[0], Issuer: key[1], Subject: key[2], Localpart: "alice"}))
			wantLinked(t, "alice")(links.LinkedUser(ctx, key[0], key[1], key[2]))
		}
	})
	t.Run("what the provider says later changes what it manages, and nothing else", func(t *testing.T) {
		links := open(t)
		wantLinked(t, "alice")(links.Link(ctx, alice))
		seen := store.SeenLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1", Localpart: "alice", AccountName: "alice there"}
		for _, step := range []struct {
			name, email        *string
			wantName, wantMail string
		}{
			{nil, nil, "Alice", "alice@example.org"},
			{new("Alicia"), nil, "Alicia", "alice@example.org"},
			{nil, new(""), "Alicia", ""},
		} {
			seen.DisplayName, seen.Email = step.name, step.email
			wantError(t, links.SeeLink(ctx, seen), nil)
			if user, err := links.User(ctx, "alice"); err != nil || user.DisplayName != step.wantName || user.Email != step.wantMail {
				t.Errorf("user %+v, error %v", user, err)
			}
		}
	})
	t.Run("a user without an address gets the first that there is, and keeps it", func(t *testing.T) {
		links := open(t)
		alice := alice
		alice.Email = ""
		wantLinked(t, "alice")(links.Link(ctx, alice))
		address := func() string {
			t.Helper()
			user, err := links.User(ctx, "alice")
			wantError(t, err, nil)
			return user.Email
		}
		seen := store.SeenLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1", Localpart: "alice"}
		for _, step := range []struct{ says, want string }{{"", ""}, {"first@example.org", "first@example.org"}, {"second@example.org", "first@example.org"}, {"", "first@example.org"}} {
			seen.FirstEmail = step.says
			wantError(t, links.SeeLink(ctx, seen), nil)
			if got := address(); got != step.want {
				t.Errorf("after %q it is %q, want %q", step.says, got, step.want)
			}
		}
		seen.Email, seen.FirstEmail = new(""), ""
		wantError(t, links.SeeLink(ctx, seen), nil)
		for _, email := range []string{"linked@example.org", "other@example.org"} {
			wantLinked(t, "alice")(links.Link(ctx, store.NewLink{ProviderID: email, Issuer: "https://other.example", Subject: "1", Localpart: "alice", Email: email}))
			if got := address(); got != "linked@example.org" {
				t.Errorf("after a link it is %q", got)
			}
		}
	})
	t.Run("a provider marks an administrator, and takes back what it said alone", func(t *testing.T) {
		links := open(t)
		wantLinked(t, "alice")(links.Link(ctx, alice))
		for _, step := range []struct {
			provider string
			marks    bool
			want     string
		}{{"idp", false, ""}, {"idp", true, "idp"}, {"other", true, "idp"}, {"other", false, "idp"}, {"idp", false, ""}, {"other", true, "other"}} {
			wantError(t, links.MarkAdministrator(ctx, "alice", step.provider, step.marks), nil)
			if user, err := links.User(ctx, "alice"); err != nil || user.Account.MarkedAdminBy != step.want {
				t.Errorf("%v says %s: it is %q, want %q, error %v", step.marks, step.provider, user.Account.MarkedAdminBy, step.want, err)
			}
		}
	})
	t.Run("a user that does not exist is not linked", func(t *testing.T) {
		links := open(t)
		missing := alice
		missing.CreateUser = false
		_, err := links.Link(ctx, missing)
		wantError(t, err, store.ErrNotFound)
		_, err = links.LinkedUser(ctx, "idp", "https://idp.example", "1")
		wantError(t, err, store.ErrNotFound)
	})
	t.Run("an association is used up by the link that it made, and by no other", func(t *testing.T) {
		links := open(t)
		wantLinked(t, "alice")(links.Link(ctx, alice))
		approver, ok := links.(interface {
			Associate(ctx context.Context, a store.Association) (stored store.Association, created bool, err error)
		})
		if !ok {
			t.Fatal("nobody can associate anybody")
		}
		stored, _, err := approver.Associate(ctx, store.Association{ProviderID: "idp", Claims: map[string]string{"sub": "2"}, Localpart: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		second := store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "2", Localpart: "alice", Association: stored.ID}
		found, err := links.AssociationsWith(ctx, "idp", []string{store.AssociationKey("sub", "2"), store.AssociationKey("sub", "3")})
		if err != nil || len(found) != 1 || found[0].ID != stored.ID || found[0].Claims["sub"] != "2" || found[0].Localpart != "alice" {
			t.Errorf("found %+v, error %v", found, err)
		}
		wantLinked(t, "alice")(links.Link(ctx, second))
		third := second
		third.Subject = "3"
		_, err = links.Link(ctx, third)
		wantError(t, err, store.ErrConflict)
		_, err = links.LinkedUser(ctx, "idp", "https://idp.example", "3")
		wantError(t, err, store.ErrNotFound)
		wantLinked(t, "alice")(links.Link(ctx, second))
		if found, err := links.AssociationsWith(ctx, "idp", []string{store.AssociationKey("sub", "2")}); err != nil || len(found) != 0 {
			t.Errorf("found %+v afterwards, error %v", found, err)
		}
	})
	t.Run("first logins at once end with one user", func(t *testing.T) {
		links := open(t)
		names := make([]string, 20)
		var wait sync.WaitGroup
		for i := range names {
			wait.Go(func() {
				n := alice
				n.Localpart = fmt.Sprint("alice", i%4)
				localpart, err := links.Link(ctx, n)
				if err != nil {
					t.Errorf("link: %v", err)
				}
				names[i] = localpart
			})
		}
		wait.Wait()
		users := 0
		for i := range 4 {
			if _, err := links.User(ctx, fmt.Sprint("alice", i)); err == nil {
				users++
			}
		}
		if users != 1 {
			t.Errorf("there are %d users", users)
		}
		for _, name := range names {
			if name != names[0] {
				t.Errorf("one login got %q, another %q", names[0], name)
			}
		}
	})
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}

func wantLinked(t *testing.T, want string) func(string, error) {
	return func(got string, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("linked to %q, error %v; want %q", got, err, want)
		}
	}
}

// Memory is an upstream.Links in memory.
type Memory struct {
	mu           sync.Mutex
	users        map[string]store.User
	links        map[[3]string]string
	associations []store.Association
	associated   int // ever
}

// NewMemory returns one with these users.
func NewMemory(localparts ...string) *Memory {
	m := &Memory{users: map[string]store.User{}, links: map[[3]string]string{}}
	for _, l := range localparts {
		m.users[l] = store.User{Localpart: l}
	}
	return m
}

// LinkedUser implements upstream.Links.
func (m *Memory) LinkedUser(_ context.Context, providerID, issuer, subject string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	localpart, ok := m.links[[3]string{providerID, issuer, subject}]
	if !ok {
		return "", store.ErrNotFound
	}
	return localpart, nil
}

// User implements upstream.Links.
func (m *Memory) User(_ context.Context, localpart string) (store.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.users[localpart]
	if !ok {
		return store.User{}, store.ErrNotFound
	}
	return u, nil
}

// Link implements upstream.Links.
func (m *Memory) Link(_ context.Context, n store.NewLink) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [3]string{n.ProviderID, n.Issuer, n.Subject}
	if localpart, ok := m.links[key]; ok {
		return localpart, nil
	}
	_, exists := m.users[n.Localpart]
	switch {
	case n.CreateUser && exists:
		return "", store.ErrExists
	case !n.CreateUser && !exists:
		return "", store.ErrNotFound
	case n.CreateUser:
		m.users[n.Localpart] = store.User{Localpart: n.Localpart, DisplayName: n.DisplayName, Email: n.Email}
	}
	if n.Association != "" {
		i := slices.IndexFunc(m.associations, func(a store.Association) bool { return a.ID == n.Association })
		if i < 0 {
			return "", store.ErrConflict
		}
		m.associations = slices.Delete(m.associations, i, i+1)
	}
	if u := m.users[n.Localpart]; u.Email == "" {
		u.Email = n.Email
		m.users[n.Localpart] = u
	}
	m.links[key] = n.Localpart
	return n.Localpart, nil
}

// Associate stores an association, as store.Store does.
func (m *Memory) Associate(_ context.Context, a store.Association) (stored store.Association, created bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.associated++
	a.ID = fmt.Sprint("association ", m.associated)
	m.associations = append(m.associations, a)
	return a, true, nil
}

// Associations are those that have not been used.
func (m *Memory) Associations() []store.Association {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.associations)
}

// AssociationsWith implements upstream.Links. It returns all that any claim
// finds, and those of no claim, which no store keeps.
func (m *Memory) AssociationsWith(_ context.Context, providerID string, keys []string) ([]store.Association, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []store.Association
	for _, a := range m.associations {
		named := len(a.Claims) == 0
		for name, value := range a.Claims {
			named = named || slices.Contains(keys, store.AssociationKey(name, value))
		}
		if named && a.ProviderID == providerID {
			found = append(found, a)
		}
	}
	return found, nil
}

// MarkAdministrator implements upstream.Links.
func (m *Memory) MarkAdministrator(_ context.Context, localpart, providerID string, administers bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.users[localpart]
	switch by := u.Account.MarkedAdminBy; {
	case !ok || u.Account.Deactivated:
		return nil
	case administers && by == "":
		u.Account.MarkedAdminBy = providerID
	case !administers && by == providerID:
		u.Account.MarkedAdminBy = ""
	}
	m.users[localpart] = u
	return nil
}

// SeeLink implements upstream.Links.
func (m *Memory) SeeLink(_ context.Context, l store.SeenLink) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.users[l.Localpart]
	if !ok || u.Account.Deactivated {
		return nil
	}
	if l.DisplayName != nil {
		u.DisplayName = *l.DisplayName
	}
	if l.Email != nil {
		u.Email = *l.Email
	}
	if u.Email == "" {
		u.Email = l.FirstEmail
	}
	m.users[l.Localpart] = u
	return nil
}

// Users are the localparts of all users.
func (m *Memory) Users() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for l := range m.users {
		all = append(all, l)
	}
	return all
}
