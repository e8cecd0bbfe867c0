package store_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/store"
)

// associate stores an association with a user, of claims such as sub=1.
func (f *fixture) associate(localpart string, claims ...string) store.Association {
	f.t.Helper()
	a := store.Association{ProviderID: "idp", Localpart: localpart, Claims: map[string]string{}}
	for _, c := range claims {
		name, value, _ := strings.Cut(c, "=")
		a.Claims[name] = value
	}
	stored, _, err := f.Associate(f.ctx, a)
	f.must(err)
	f.clock.Advance(time.Second)
	return stored
}

// associated are the ids of all associations.
func (f *fixture) associated() []string {
	f.t.Helper()
	all, err := f.ListAssociations(f.ctx, store.AssociationPage{Limit: 1000})
	f.must(err)
	var ids []string
	for _, a := range all {
		ids = append(ids, a.ID)
	}
	return ids
}

func TestAssociate(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.login("bob")
		f.login("gone")
		_, err := f.DeactivateUser(f.ctx, "gone")
		f.must(err)
		first := f.associate("alice", "sub=1", "email=a@example.org")
		f.t.Run("it is there for another server, and after a restart", func(t *testing.T) {
			all, err := f.again().ListAssociations(f.ctx, store.AssociationPage{Limit: 9})
			if err != nil || len(all) != 1 || all[0].ID != first.ID || all[0].ProviderID != "idp" || all[0].Localpart != "alice" ||
				!maps.Equal(all[0].Claims, map[string]string{"sub": "1", "email": "a@example.org"}) || !all[0].CreatedAt.Equal(first.CreatedAt) {
				t.Errorf("it finds %+v, error %v, want %+v", all, err, first)
			}
		})
		tests := []struct {
			name      string
			localpart string
			claims    map[string]string
			want      string // whose it is
			created   bool
			err       error
		}{
			{"the same again is the same one", "alice", first.Claims, "alice", false, nil},
			{"the same claims of another user stay whose they are", "bob", first.Claims, "alice", false, nil},
			{"fewer claims are another one", "bob", map[string]string{"sub": "1"}, "bob", true, nil},
			{"a user who does not exist", "nobody", map[string]string{"sub": "2"}, "", false, store.ErrNotFound},
			{"a user who is deactivated", "gone", map[string]string{"sub": "2"}, "", false, store.ErrConflict},
		}
		for _, tt := range tests {
			f.t.Run(tt.name, func(t *testing.T) {
				got, created, err := f.Associate(f.ctx, store.Association{ProviderID: "idp", Localpart: tt.localpart, Claims: tt.claims})
				f.want("associate", err, tt.err)
				if got.Localpart != tt.want || created != tt.created {
					t.Errorf("it is %+v, created %v", got, created)
				}
			})
		}
		f.t.Run("who approved it is in the audit log, and no claim", func(t *testing.T) {
			events, err := f.AuditEvents(f.ctx, "alice", 1)
			want := store.Event{ID: events[0].ID, At: events[0].At, Action: store.ActionAssociated, Localpart: "alice", Actor: store.ActorAdmin, Reason: "idp"}
			if err != nil || events[0] != want {
				t.Errorf("the event is %+v, error %v", events[0], err)
			}
		})
	})
}

func TestAssociationsWith(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		subject, address, other := f.associate("alice", "sub=1", "email=a@example.org"), f.associate("alice", "email=b@example.org"), f.associate("alice", "team=x", "area=y")
		many := make([]string, 1200)
		for i := range many {
			many[i] = fmt.Sprint("claim=", i)
		}
		tests := []struct {
			name string
			keys []string
			want []store.Association
		}{
			{"by the subject first", []string{"sub=1"}, []store.Association{subject}},
			{"not by the address beside a subject", []string{"email=a@example.org"}, nil},
			{"by the address", []string{"email=b@example.org"}, []store.Association{address}},
			{"by the first of others", []string{"area=y"}, []store.Association{other}},
			{"by any of many, the oldest first", slices.Concat([]string{"area=y"}, many, []string{"sub=1"}), []store.Association{subject, other}},
			{"by nothing", nil, nil},
			{"by what no database takes", []string{"\x00=", "a=\xff", "sub=1"}, []store.Association{subject}},
		}
		for _, tt := range tests {
			f.t.Run(tt.name, func(t *testing.T) {
				found, err := f.AssociationsWith(f.ctx, "idp", tt.keys)
				f.must(err)
				if !slices.EqualFunc(found, tt.want, func(a, b store.Association) bool { return a.ID == b.ID }) {
					t.Errorf("found %+v, want %+v", found, tt.want)
				}
				if elsewhere, err := f.AssociationsWith(f.ctx, "other", tt.keys); err != nil || len(elsewhere) != 0 {
					t.Errorf("at another provider %+v, error %v", elsewhere, err)
				}
			})
		}
	})
}

func TestListAssociations(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.login("bob")
		one, two, three := f.associate("alice", "sub=1"), f.associate("bob", "sub=2"), f.associate("alice", "sub=3")
		tests := []struct {
			name string
			page store.AssociationPage
			want []string
		}{
			{"the oldest first", store.AssociationPage{Limit: 9}, []string{one.ID, two.ID, three.ID}},
			{"no more than asked for", store.AssociationPage{Limit: 2}, []string{one.ID, two.ID}},
			{"after one of them", store.AssociationPage{After: two.ID, Limit: 9}, []string{three.ID}},
			{"those with a user", store.AssociationPage{Localpart: "alice", Limit: 9}, []string{one.ID, three.ID}},
			{"those at another provider", store.AssociationPage{ProviderID: "other", Limit: 9}, nil},
		}
		for _, tt := range tests {
			f.t.Run(tt.name, func(t *testing.T) {
				found, err := f.ListAssociations(f.ctx, tt.page)
				f.must(err)
				var ids []string
				for _, a := range found {
					ids = append(ids, a.ID)
				}
				if !slices.Equal(ids, tt.want) {
					t.Errorf("listed %q, want %q", ids, tt.want)
				}
			})
		}
		f.t.Run("one that is removed is gone, once", func(t *testing.T) {
			removed, err := f.RemoveAssociation(f.ctx, two.ID)
			if err != nil || removed.ID != two.ID || removed.Localpart != "bob" || removed.Claims["sub"] != "2" {
				t.Errorf("removed %+v, error %v", removed, err)
			}
			_, err = f.RemoveAssociation(f.ctx, two.ID)
			f.want("remove it again", err, store.ErrNotFound)
			if got := f.associated(); !slices.Equal(got, []string{one.ID, three.ID}) {
				t.Errorf("%q wait", got)
			}
			events, err := f.AuditEvents(f.ctx, "bob", 1)
			if err != nil || events[0].Action != store.ActionAssociationRemoved || events[0].Actor != store.ActorAdmin {
				t.Errorf("the event is %+v, error %v", events[0], err)
			}
		})
		f.t.Run("those with a user who is deactivated are gone", func(t *testing.T) {
			_, err := f.DeactivateUser(f.ctx, "alice")
			f.must(err)
			if got := f.associated(); len(got) != 0 {
				t.Errorf("%q wait", got)
			}
		})
	})
}

func TestAssociationIsUsedOnce(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		a := f.associate("alice", "team=x")
		account := func(i int) store.NewLink {
			return store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: fmt.Sprint("s", i), Localpart: "alice", Association: a.ID}
		}
		wantOnce(f.t, together(8, func(i int) error {
			_, err := f.Link(f.ctx, account(i))
			return err
		}), store.ErrConflict)
		if n := f.number("SELECT COUNT(*) FROM upstream_links WHERE localpart = 'alice'"); n != 2 {
			f.t.Errorf("alice has %d links", n)
		}
		if got := f.associated(); len(got) != 0 {
			f.t.Errorf("%q wait", got)
		}
		events, err := f.AuditEvents(f.ctx, "alice", 1)
		if err != nil || events[0].Action != store.ActionUserLinked || events[0].Actor != store.ActorAdmin {
			f.t.Errorf("the link is %+v, error %v", events[0], err)
		}
	})
}

func TestLinkedSubject(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		if got, err := f.LinkedSubject(f.ctx, "idp", "alice"); err != nil || got != "alice" {
			f.t.Errorf("linked to %q, error %v", got, err)
		}
		for _, other := range [][2]string{{"idp", "bob"}, {"other", "alice"}} {
			_, err := f.LinkedSubject(f.ctx, other[0], other[1])
			f.want("an account that is not linked", err, store.ErrNotFound)
		}
		_, err := f.Link(context.Background(), store.NewLink{ProviderID: "idp", Issuer: "https://other.example", Subject: "alice", Localpart: "alice"})
		f.must(err)
		if got, err := f.LinkedSubject(f.ctx, "idp", "alice"); err != nil || got != "alice" {
			f.t.Errorf("with two issuers linked to %q, error %v", got, err)
		}
	})
}
