package upstream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/config"
	"keymaker/store"
	"keymaker/upstream"
	"keymaker/upstream/linkstest"
)

// approved is an approval that everybody in the tests matches with: of the claims
// that it names.
func approved(localpart string, claims map[string]string) store.Association {
	return store.Association{ProviderID: "idp", Claims: claims, Localpart: localpart}
}

func TestAssociations(t *testing.T) {
	claims := func(more upstream.Claims) *upstream.Identity {
		id := person("1", "mallory")
		for name, value := range more {
			id.Claims[name] = value
		}
		return id
	}
	wants := func(pairs ...string) []store.Association {
		all := map[string]string{}
		for _, p := range pairs {
			name, value, _ := strings.Cut(p, "=")
			all[name] = value
		}
		return []store.Association{approved("alice", all)}
	}
	closed := func(c *config.IdentityProvider) { c.Registration = false }
	trusted := func(c *config.IdentityProvider) { c.Trusted = true }
	for _, c := range []struct {
		name     string
		approved []store.Association
		change   func(*config.IdentityProvider)
		person   *upstream.Identity
		want     string
		left     int // approvals afterwards
	}{
		{"the subject is enough", wants("sub=1"), nil, claims(nil), "alice", 0},
		{"another subject is somebody else", wants("sub=2"), nil, claims(nil), "mallory", 1},
		{"the subject of the identity counts, not a claim of that name", wants("sub=1"), nil, claims(upstream.Claims{"sub": "9"}), "alice", 0},
		{"a claim sub that is not the subject counts for nothing", wants("sub=9"), nil, claims(upstream.Claims{"sub": "9"}), "mallory", 1},
		{"a verified address", wants("email=1@example.org"), nil, claims(nil), "alice", 0},
		{"an address that is not verified", wants("email=1@example.org"), nil, claims(upstream.Claims{"email_verified": false}), "mallory", 1},
		{"an address of which nothing is said", wants("email=1@example.org"), nil, claims(upstream.Claims{"email_verified": nil}), "mallory", 1},
		{"an address in other letters", wants("email=1@Example.org"), nil, claims(nil), "mallory", 1},
		{"an address with something behind it", wants("email=1@example.org"), nil, claims(upstream.Claims{"email": "1@example.org "}), "mallory", 1},
		{"every claim must be there", wants("sub=1", "tenant=acme"), nil, claims(nil), "mallory", 1},
		{"every claim must be right", wants("sub=1", "tenant=acme"), nil, claims(upstream.Claims{"tenant": "acme2"}), "mallory", 1},
		{"every claim is there and right", wants("sub=1", "tenant=acme"), nil, claims(upstream.Claims{"tenant": "acme"}), "alice", 0},
		{"an address that is not verified, beside a right subject", wants("sub=1", "email=1@example.org"), nil, claims(upstream.Claims{"email_verified": false}), "mallory", 1},
		{"a number, as it was sent", wants("employee=0042e1"), nil, claims(upstream.Claims{"employee": json.Number("0042e1")}), "alice", 0},
		{"a number written in another way", wants("employee=42"), nil, claims(upstream.Claims{"employee": json.Number("42.0")}), "mallory", 1},
		{"true or false", wants("staff=true"), nil, claims(upstream.Claims{"staff": true}), "alice", 0},
		{"a list is no text", wants("groups=staff"), nil, claims(upstream.Claims{"groups": []any{"staff"}}), "mallory", 1},
		{"an object is no text", wants("realm=x"), nil, claims(upstream.Claims{"realm": map[string]any{"x": "x"}}), "mallory", 1},
		{"a claim that is null is none", wants("realm="), nil, claims(upstream.Claims{"realm": nil}), "mallory", 1},
		{"without registration", wants("sub=1"), closed, claims(nil), "alice", 0},
		{"beside a trusted name", wants("sub=1"), trusted, claims(upstream.Claims{"preferred_username": "bob"}), "alice", 0},
		{"the oldest of two", append(wants("sub=1"), approved("bob", map[string]string{"email": "1@example.org"})), nil, claims(nil), "alice", 1},
		{"at another provider", []store.Association{{ProviderID: "other", Claims: map[string]string{"sub": "1"}, Localpart: "alice"}}, nil, claims(nil), "mallory", 1},
		{"of nothing", []store.Association{approved("alice", nil)}, nil, claims(nil), "mallory", 1},
		{"claims that no database takes", wants("sub=1"), nil, claims(upstream.Claims{"odd": "\x00", "bad": "\xff", "": "", "=": "="}), "alice", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.Background()
			links := linkstest.NewMemory("alice", "bob")
			for _, a := range c.approved {
				if _, _, err := links.Associate(ctx, a); err != nil {
					t.Fatal(err)
				}
			}
			accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
			got, err := accounts.Resolve(ctx, open(c.change), c.person)
			if err != nil || got != c.want {
				t.Errorf("became %q, error %v, want %q", got, err, c.want)
			}
			if left := len(links.Associations()); left != c.left {
				t.Errorf("%d approvals are left, want %d", left, c.left)
			}
			again, err := accounts.Resolve(ctx, open(c.change), c.person)
			if err != nil || again != got {
				t.Errorf("the second time became %q, error %v, and %q the first", again, err, got)
			}
		})
	}
}

func TestAssociationIsUsedOnce(t *testing.T) {
	ctx := context.Background()
	links := linkstest.NewMemory("alice")
	if _, _, err := links.Associate(ctx, approved("alice", map[string]string{"team": "a"})); err != nil {
		t.Fatal(err)
	}
	accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
	became := make([]string, 20)
	var wait sync.WaitGroup
	for i := range became {
		wait.Go(func() {
			id := person(fmt.Sprint("s", i), fmt.Sprint("person", i))
			id.Claims["team"] = "a"
			localpart, err := accounts.Resolve(ctx, open(nil), id)
			if err != nil {
				t.Error(err)
			}
			became[i] = localpart
		})
	}
	wait.Wait()
	alices := 0
	for i, name := range became {
		switch name {
		case "alice":
			alices++
		case fmt.Sprint("person", i):
		default:
			t.Errorf("person %d became %q", i, name)
		}
	}
	if alices != 1 {
		t.Errorf("%d people became alice", alices)
	}
}

func TestAssociationOfALinkedAccountChangesNothing(t *testing.T) {
	ctx := context.Background()
	links := linkstest.NewMemory("alice")
	accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
	if _, err := accounts.Resolve(ctx, open(nil), person("1", "bob")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := links.Associate(ctx, approved("alice", map[string]string{"sub": "1"})); err != nil {
		t.Fatal(err)
	}
	if got, err := accounts.Resolve(ctx, open(nil), person("1", "bob")); err != nil || got != "bob" {
		t.Errorf("became %q, error %v", got, err)
	}
}
