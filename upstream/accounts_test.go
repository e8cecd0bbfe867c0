package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/config"
	"keymaker/store"
	"keymaker/upstream"
	"keymaker/upstream/linkstest"
)

// names is a homeserver that keeps some names to itself.
type names struct {
	reserved []string
	err      error
}

func (n names) Available(_ context.Context, localpart string) (bool, error) {
	return !slices.Contains(n.reserved, localpart), n.err
}

func person(subject, name string) *upstream.Identity {
	claims := upstream.Claims{"sub": subject, "name": "A\nPerson", "email": subject + "@example.org", "email_verified": true}
	if name != "" {
		claims["preferred_username"] = name
	}
	return &upstream.Identity{ProviderID: "idp", Issuer: "https://idp.example", Subject: subject, Claims: claims}
}

// open is a provider with the defaults.
func open(change func(*config.IdentityProvider)) config.IdentityProvider {
	c := config.IdentityProvider{ClientID: "idp", UniqueIDFallbacks: true, Registration: true, UserIDClaims: []string{"preferred_username"}}
	if change != nil {
		change(&c)
	}
	return c
}

// generatedName is what a generated localpart looks like.
const generatedName = "^[a-z][a-z0-9]{11}$"

func TestResolve(t *testing.T) {
	noFallback := func(c *config.IdentityProvider) { c.UniqueIDFallbacks = false }
	trusted := func(c *config.IdentityProvider) { c.Trusted = true }
	closed := func(c *config.IdentityProvider) { c.Registration = false }
	both := func(changes ...func(*config.IdentityProvider)) func(*config.IdentityProvider) {
		return func(c *config.IdentityProvider) {
			for _, change := range changes {
				change(c)
			}
		}
	}
	down := errors.New("homeserver down")
	for _, c := range []struct {
		name   string
		exists []string
		server names
		change func(*config.IdentityProvider)
		person *upstream.Identity
		want   string // a pattern
		err    error
		users  int // afterwards
	}{
		{name: "a new person gets the name of the claims", person: person("1", "Alice"), want: "^alice$", users: 1},
		{name: "a taken name gives a generated one", exists: []string{"alice"}, person: person("1", "alice"), want: generatedName, users: 2},
		{name: "a taken name without fallbacks is an error", exists: []string{"alice"}, change: noFallback, person: person("1", "alice"), err: upstream.ErrNameTaken, users: 1},
		{name: "a reserved name gives a generated one", server: names{reserved: []string{"admin"}}, person: person("1", "admin"), want: generatedName, users: 1},
		{name: "a reserved name without fallbacks is an error", server: names{reserved: []string{"admin"}}, change: noFallback, person: person("1", "admin"), err: upstream.ErrNameTaken},
		{name: "trusted grants the existing user", exists: []string{"alice"}, change: trusted, person: person("1", "alice"), want: "^alice$", users: 1},
		{name: "trusted makes a user where there is none", change: trusted, person: person("1", "alice"), want: "^alice$", users: 1},
		{name: "without registration a new person is refused", change: closed, person: person("1", "alice"), err: upstream.ErrRegistrationDisabled},
		{name: "without registration an existing name is not granted", exists: []string{"alice"}, change: closed, person: person("1", "alice"), err: upstream.ErrRegistrationDisabled, users: 1},
		{name: "without registration trusted still grants", exists: []string{"alice"}, change: both(closed, trusted), person: person("1", "alice"), want: "^alice$", users: 1},
		{name: "without registration trusted makes nobody", change: both(closed, trusted), person: person("1", "alice"), err: upstream.ErrRegistrationDisabled},
		{name: "without registration no name is generated", change: closed, person: person("1", ""), err: upstream.ErrRegistrationDisabled},
		{name: "no name gives a generated one", person: person("1", ""), want: generatedName, users: 1},
		{name: "no name without fallbacks is an error", change: noFallback, person: person("1", ""), err: upstream.ErrNoName},
		{name: "unique generates, whatever the name", change: func(c *config.IdentityProvider) { c.UserIDClaims = []string{"unique"} }, person: person("1", "alice"), want: generatedName, users: 1},
		{name: "unique generates without fallbacks too", change: both(noFallback, func(c *config.IdentityProvider) { c.UserIDClaims = []string{"unique"} }), person: person("1", "alice"), want: generatedName, users: 1},
		{name: "unique trusts no name", exists: []string{"alice"}, change: both(trusted, func(c *config.IdentityProvider) { c.UserIDClaims = []string{"unique"} }), person: person("1", "alice"), want: generatedName, users: 2},
		{name: "a homeserver that does not answer makes nobody", server: names{err: down}, person: person("1", "alice"), err: down},
	} {
		t.Run(c.name, func(t *testing.T) {
			links := linkstest.NewMemory(c.exists...)
			accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: c.server}
			rehearsed, err := accounts.Rehearse(context.Background(), open(c.change), c.person)
			if !errors.Is(err, c.err) || c.err == nil && !regexp.MustCompile(c.want).MatchString(rehearsed.Localpart) {
				t.Errorf("rehearsed: %+v, error %v, want %s and %v", rehearsed, err, c.want, c.err)
			}
			if n := len(links.Users()); n != len(c.exists) {
				t.Fatalf("the rehearsal left %d users: %v", n, links.Users())
			}
			got, err := accounts.Resolve(context.Background(), open(c.change), c.person)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err == nil && !regexp.MustCompile(c.want).MatchString(got) {
				t.Errorf("localpart %q, want %s", got, c.want)
			}
			if n := len(links.Users()); n != c.users {
				t.Errorf("there are %d users: %v", n, links.Users())
			}
		})
	}
}

func TestLinkDecides(t *testing.T) {
	ctx := context.Background()
	links := linkstest.NewMemory()
	accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
	if _, err := accounts.Resolve(ctx, open(nil), person("1", "alice")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*config.IdentityProvider)
		who    string
	}{
		{"the same name", nil, "alice"},
		{"another name", nil, "alicia"},
		{"no name", nil, ""},
		{"no registration", func(c *config.IdentityProvider) { c.Registration = false }, "alicia"},
		{"other claims", func(c *config.IdentityProvider) { c.UserIDClaims = []string{"unique"} }, "alice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := accounts.Resolve(ctx, open(c.change), person("1", c.who)); err != nil || got != "alice" {
				t.Errorf("localpart %q, error %v", got, err)
			}
		})
	}
	t.Run("somebody else who takes the name does not get the user", func(t *testing.T) {
		if got, err := accounts.Resolve(ctx, open(nil), person("2", "alice")); err != nil || got == "alice" {
			t.Errorf("localpart %q, error %v", got, err)
		}
	})
}

func TestNewUserHasParticulars(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims upstream.Claims
		want   store.User
	}{
		{"name and verified e-mail", upstream.Claims{"preferred_username": "u", "name": " Alice \n Liddell\x07", "email": "a@example.org", "email_verified": true},
			store.User{Localpart: "u", DisplayName: "Alice Liddell", Email: "a@example.org"}},
		{"L-30: an e-mail that is not verified is not kept", upstream.Claims{"preferred_username": "u", "email": "a@example.org", "email_verified": false}, store.User{Localpart: "u"}},
		{"L-30: nor one that may be", upstream.Claims{"preferred_username": "u", "email": "a@example.org"}, store.User{Localpart: "u"}},
		{"a long name is cut", upstream.Claims{"preferred_username": "u", "name": strings.Repeat("ä", 300)}, store.User{Localpart: "u", DisplayName: strings.Repeat("ä", 256)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			links := linkstest.NewMemory()
			accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
			if _, err := accounts.Resolve(context.Background(), open(nil), &upstream.Identity{ProviderID: "idp", Subject: "1", Claims: c.claims}); err != nil {
				t.Fatal(err)
			}
			if got, err := links.User(context.Background(), "u"); err != nil || got != c.want {
				t.Errorf("user %+v, error %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestAddressOfAUserWhoHasNone(t *testing.T) {
	verified := upstream.Claims{"preferred_username": "u", "email": "a@example.org", "email_verified": true}
	for _, c := range []struct {
		name    string
		claims  upstream.Claims
		managed []string
		want    string
	}{
		{"the first verified one", verified, nil, "a@example.org"},
		{"none that is not verified", upstream.Claims{"preferred_username": "u", "email": "a@example.org"}, nil, ""},
		{"what a provider manages", verified, []string{config.ManagedEmail}, "a@example.org"},
	} {
		t.Run(c.name, func(t *testing.T) {
			links := linkstest.NewMemory()
			accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
			for _, claims := range []upstream.Claims{{"preferred_username": "u"}, c.claims} {
				provider := open(func(p *config.IdentityProvider) { p.ManagedClaims = c.managed })
				if _, err := accounts.Resolve(context.Background(), provider, &upstream.Identity{ProviderID: "idp", Subject: "1", Claims: claims}); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := links.User(context.Background(), "u"); err != nil || got.Email != c.want {
				t.Errorf("user %+v, error %v", got, err)
			}
		})
	}
}

// L-27: however the first logins of one person meet, they end with one user.
func TestFirstLoginsAtOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		exists []string
		change func(*config.IdentityProvider)
	}{
		{"with fallbacks", nil, nil},
		{"without fallbacks", nil, func(c *config.IdentityProvider) { c.UniqueIDFallbacks = false }},
		{"trusted", nil, func(c *config.IdentityProvider) { c.Trusted = true }},
		{"generated", nil, func(c *config.IdentityProvider) { c.UserIDClaims = []string{"unique"} }},
		{"with a taken name", []string{"alice"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			links := linkstest.NewMemory(c.exists...)
			accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
			got := make([]string, 50)
			var wait sync.WaitGroup
			for i := range got {
				wait.Go(func() {
					var err error
					if got[i], err = accounts.Resolve(context.Background(), open(c.change), person("1", "alice")); err != nil {
						t.Errorf("resolve: %v", err)
					}
				})
			}
			wait.Wait()
			slices.Sort(got)
			if distinct := slices.Compact(got); len(distinct) != 1 || len(links.Users()) != len(c.exists)+1 {
				t.Errorf("logged in as %v; users %v", distinct, links.Users())
			}
		})
	}
}

// L-27: each place where another first login can come in between.
func TestFirstLoginLosesTheRace(t *testing.T) {
	noFallback := func(c *config.IdentityProvider) { c.UniqueIDFallbacks = false }
	trusted := func(c *config.IdentityProvider) { c.Trusted = true }
	for _, c := range []struct {
		name   string
		change func(*config.IdentityProvider)
		other  *upstream.Identity // signs in between
		want   string
		err    error
	}{
		{"to the same person", nil, person("1", "alice"), "^alice$", nil},
		{"to the same person, without fallbacks", noFallback, person("1", "alice"), "^alice$", nil},
		{"to the same person, trusted", trusted, person("1", "alice"), "^alice$", nil},
		{"to somebody else of that name", nil, person("2", "alice"), generatedName, nil},
		{"to somebody else of that name, without fallbacks", noFallback, person("2", "alice"), "", upstream.ErrNameTaken},
		{"to somebody else of that name, trusted", trusted, person("2", "alice"), "^alice$", nil},
	} {
		for _, before := range []string{"User", "Available", "Link"} {
			t.Run(c.name+", before "+before, func(t *testing.T) {
				links := linkstest.NewMemory()
				i := &interrupted{Links: links, before: before, between: func() {
					accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
					if _, err := accounts.Resolve(context.Background(), open(nil), c.other); err != nil {
						t.Error(err)
					}
				}}
				accounts := upstream.Accounts{ServerName: "example.org", Links: i, Localparts: i}
				got, err := accounts.Resolve(context.Background(), open(c.change), person("1", "alice"))
				if !errors.Is(err, c.err) || c.err == nil && !regexp.MustCompile(c.want).MatchString(got) {
					t.Errorf("localpart %q, error %v", got, err)
				}
			})
		}
	}
}

// L-27: the page that offers to link an account is not for the first login that
// came second.
func TestNoNameIsTakenByTheSamePerson(t *testing.T) {
	for subject, want := range map[string]bool{"1": false, "2": true} {
		links := linkstest.NewMemory()
		i := &interrupted{Links: links, before: "User", between: func() {
			accounts := upstream.Accounts{ServerName: "example.org", Links: links, Localparts: names{}}
			if _, err := accounts.Resolve(context.Background(), open(nil), person(subject, "alice")); err != nil {
				t.Error(err)
			}
		}}
		accounts := upstream.Accounts{ServerName: "example.org", Links: i, Localparts: i}
		if _, taken, err := accounts.Taken(context.Background(), open(nil), person("1", "alice")); taken != want || err != nil {
			t.Errorf("after a login of %s: taken %v, error %v", subject, taken, err)
		}
	}
}

// interrupted lets something happen before the first call of one method.
type interrupted struct {
	upstream.Links
	before  string
	once    sync.Once
	between func()
}

func (i *interrupted) pass(method string) {
	if method == i.before {
		i.once.Do(i.between)
	}
}

func (i *interrupted) User(ctx context.Context, localpart string) (store.User, error) {
	i.pass("User")
	return i.Links.User(ctx, localpart)
}

func (i *interrupted) Available(context.Context, string) (bool, error) {
	i.pass("Available")
	return true, nil
}

func (i *interrupted) Link(ctx context.Context, n store.NewLink) (string, error) {
	i.pass("Link")
	return i.Links.Link(ctx, n)
}

// broken is a store that answers nothing.
type broken struct{ upstream.Links }

func (broken) LinkedUser(context.Context, string, string, string) (string, error) {
	return "", fmt.Errorf("read a link: %w", store.ErrUnavailable)
}

func TestStoreThatFailsMakesNobody(t *testing.T) {
	accounts := upstream.Accounts{ServerName: "example.org", Links: broken{linkstest.NewMemory()}, Localparts: names{}}
	if got, err := accounts.Resolve(context.Background(), open(nil), person("1", "alice")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("localpart %q, error %v", got, err)
	}
}
