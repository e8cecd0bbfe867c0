package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"keymaker/store"
)

func TestUser(t *testing.T) {
	each(t, func(f *fixture) {
		_, err := f.Link(f.ctx, store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1", Localpart: "alice",
			CreateUser: true, DisplayName: "Alice Ж", Email: "alice@example.org"})
		f.must(err)
		want := store.User{Localpart: "alice", DisplayName: "Alice Ж", Email: "alice@example.org", CreatedAt: f.clock.Now()}
		if got, err := f.User(f.ctx, "alice"); err != nil || got != want {
			f.t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
		f.exec("UPDATE users SET locked_at = 1, suspended_at = 2, deactivated_at = 3")
		want.Account = store.Account{Locked: true, Suspended: true, Deactivated: true}
		if got, err := f.User(f.ctx, "alice"); err != nil || got != want {
			f.t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
		_, err = f.User(f.ctx, "Alice")
		f.want("a name in other letters", err, store.ErrNotFound)
	})
}

func TestLink(t *testing.T) {
	account := func(subject, localpart string, create bool) store.NewLink {
		return store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: subject, Localpart: localpart, CreateUser: create}
	}
	tests := []struct {
		name      string
		link      store.NewLink
		localpart string
		err       error
		linked    string // whom the account is linked to afterwards; "" for nobody
	}{
		{"a new account makes a new user", account("new", "bob", true), "bob", nil, "bob"},
		{"a name that is taken is refused", account("new", "alice", true), "", store.ErrExists, ""},
		{"a new account joins a user who exists", account("new", "alice", false), "alice", nil, "alice"},
		{"a user who does not exist is not joined", account("new", "nobody", false), "", store.ErrNotFound, ""},
		{"an account that is linked keeps its user, under the same name", account("1", "alice", true), "alice", nil, "alice"},
		{"an account that is linked keeps its user, under another name", account("1", "bob", true), "alice", nil, "alice"},
		{"the same subject of another issuer is another account",
			store.NewLink{ProviderID: "idp", Issuer: "https://other.example", Subject: "1", Localpart: "bob", CreateUser: true}, "bob", nil, "bob"},
		{"the same subject at another provider is another account",
			store.NewLink{ProviderID: "other", Issuer: "https://idp.example", Subject: "1", Localpart: "bob", CreateUser: true}, "bob", nil, "bob"},
	}
	run := func(f *fixture, i int) {
		tt := tests[i]
		_, err := f.Link(f.ctx, account("1", "alice", true))
		f.must(err)
		localpart, err := f.Link(f.ctx, tt.link)
		f.want("link", err, tt.err)
		if localpart != tt.localpart {
			f.t.Errorf("linked to %q, want %q", localpart, tt.localpart)
		}
		linked, err := f.LinkedUser(f.ctx, tt.link.ProviderID, tt.link.Issuer, tt.link.Subject)
		if linked != tt.linked || tt.linked == "" && !errors.Is(err, store.ErrNotFound) {
			f.t.Errorf("afterwards linked to %q, error %v, want %q", linked, err, tt.linked)
		}
		if users := f.number("SELECT count(*) FROM users WHERE localpart NOT IN ('alice', ?)", tt.linked); users != 0 {
			f.t.Errorf("%d users were made for nothing", users)
		}
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { each(t, func(f *fixture) { run(f, i) }) })
	}
}

func TestLinkIsRecorded(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.clock.Advance(time.Second)
		f.login("alice") // the second login of a linked account is no event
		events, err := f.AuditEvents(f.ctx, "alice", 10)
		f.must(err)
		var actions []string
		for _, e := range events {
			actions = append(actions, e.Action+" "+e.Reason)
		}
		if want := []string{"user_linked idp", "user_created idp"}; !slices.Equal(actions, want) {
			f.t.Errorf("events %v, want %v", actions, want)
		}
	})
}

func TestFirstLoginsAtOnce(t *testing.T) {
	tests := []struct {
		name  string
		names int // how many different localparts the logins suggest
	}{
		{"with the same name end with one user", 1},
		{"with different names end with one user", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				servers := []*store.Store{f.Store, f.again()}
				got := make([]string, 50)
				wantAll(f.t, together(len(got), func(i int) (err error) {
					got[i], err = servers[i%2].Link(f.ctx, store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1",
						Localpart: fmt.Sprint("alice", i%tt.names), CreateUser: true})
					return err
				}))
				if slices.Sort(got); got[0] != got[len(got)-1] {
					f.t.Errorf("the logins ended as %v", slices.Compact(got))
				}
				if n := f.number("SELECT count(*) FROM users"); n != 1 {
					f.t.Errorf("there are %d users, want 1", n)
				}
			})
		})
	}
}

func TestTwoAccountsWantOneName(t *testing.T) {
	each(t, func(f *fixture) {
		wantOnce(f.t, together(50, func(i int) error {
			_, err := f.Link(f.ctx, store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: fmt.Sprint(i), Localpart: "alice", CreateUser: true})
			return err
		}), store.ErrExists)
	})
}
