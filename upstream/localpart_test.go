package upstream_test

import (
	"regexp"
	"strings"
	"testing"

	"keymaker/internal/config"
	"keymaker/upstream"
)

func TestLocalpartOfClaims(t *testing.T) {
	all := upstream.Claims{
		"sub": "S-1", "preferred_username": "preferred", "username": "user", "nickname": "nick",
		"login": "login", "email": "mail@example.org", "email_verified": true,
	}
	without := func(names ...string) upstream.Claims {
		c := upstream.Claims{}
		for name, value := range all {
			c[name] = value
		}
		for _, name := range names {
			delete(c, name)
		}
		return c
	}
	named := []string{"preferred_username", "username", "nickname"}
	mail := func(verified any) upstream.Claims {
		c := without(append(named, "login", "email_verified")...)
		if verified != nil {
			c["email_verified"] = verified
		}
		return c
	}
	for _, c := range []struct {
		name   string
		listed []string
		brand  string
		claims upstream.Claims
		want   string
	}{
		{"preferred_username is first", nil, "", all, "preferred"},
		{"then username", nil, "", without("preferred_username"), "user"},
		{"then nickname", nil, "", without("preferred_username", "username"), "nick"},
		{"then login at GitHub", nil, "github", without(named...), "login"},
		{"login elsewhere says nothing", nil, "", without(append(named, "email")...), ""},
		{"then the verified e-mail", nil, "", mail(true), "mail"},
		{"L-30: an e-mail that is not verified makes no name", nil, "", mail(false), ""},
		{"L-30: an e-mail that may be verified makes no name", nil, "", mail(nil), ""},
		{"email_verified as a string counts", nil, "", mail("true"), "mail"},
		{"email_verified as a number does not", nil, "", mail(1), ""},
		{"a listed e-mail need not be verified", []string{"email"}, "", mail(nil), "mail"},
		{"a listed e-mail may even be unverified", []string{"email"}, "", mail(false), "mail"},
		{"sub is never used unasked", nil, "", upstream.Claims{"sub": "S-1"}, ""},
		{"sub wins when it is listed", []string{"preferred_username", "sub"}, "", all, "s-1"},
		{"only what is listed is used", []string{"nickname"}, "", all, "nick"},
		{"nothing listed, nothing there", []string{"nickname"}, "", without("nickname"), ""},
		{"the order of the list says nothing", []string{"email", "preferred_username"}, "", all, "preferred"},
		{"unique asks no claim", []string{"unique"}, "", all, ""},
		{"arbitrary claims are not used", []string{"upn"}, "", upstream.Claims{"upn": "x"}, ""},
		{"a claim that is no string is passed over", nil, "", upstream.Claims{"preferred_username": 7, "nickname": "nick"}, "nick"},
		{"an empty claim is passed over", nil, "", upstream.Claims{"preferred_username": "", "nickname": "nick"}, "nick"},
		{"a name that is too long is passed over", nil, "", upstream.Claims{"preferred_username": strings.Repeat("a", 255), "nickname": "nick"}, "nick"},
		{"an e-mail without a local part is none", nil, "", upstream.Claims{"email": "@example.org", "email_verified": true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := upstream.Localpart(config.IdentityProvider{Brand: c.brand, UserIDClaims: c.listed}, "example.org", c.claims)
			if got != c.want {
				t.Errorf("localpart %q, want %q", got, c.want)
			}
		})
	}
}

func TestLocalpartIsMapped(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"case is folded", "Alice.B-C_D", "alice.b-c_d"},
		{"case is folded beyond ASCII", "ÄÖ", "=c3=a4=c3=b6"},
		{"a letter that only looks like ASCII stays another", "\u212Aate", "=e2=84=aaate"},
		{"the capital I with a dot too", "\u0130da", "=c4=b0da"},
		{"plus and slash stay", "a+b/c", "a+b/c"},
		{"an address keeps its parts apart", "alice@corp.example", "alice=40corp.example"},
		{"the sign of the mapping is mapped", "a=40b", "a=3d40b"},
		{"spaces are kept apart", " alice ", "=20alice=20"},
		{"a leading underscore is for bridges", "_irc_alice", "=5firc_alice"},
		{"a number is for guests", "12345", "=312345"},
		{"digits among letters stay", "1alice", "1alice"},
		{"control characters", "a\x00b", "a=00b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := upstream.Localpart(config.IdentityProvider{}, "example.org", upstream.Claims{"preferred_username": c.in})
			if got != c.want {
				t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
			}
		})
	}
	t.Run("a user ID is 255 bytes at most", func(t *testing.T) {
		longest := strings.Repeat("a", 255-len("@:example.org"))
		for name, want := range map[string]string{longest: longest, longest + "a": ""} {
			if got := upstream.Localpart(config.IdentityProvider{}, "example.org", upstream.Claims{"preferred_username": name}); got != want {
				t.Errorf("%d bytes become %d", len(name), len(got))
			}
		}
	})
}

var grammar = regexp.MustCompile(`^[a-z0-9.=/+-][a-z0-9._=/+-]*$`)

func FuzzLocalpart(f *testing.F) {
	for _, seed := range []string{"alice", "_x", "123", "ÄÖ@ß", "a=b", "\u212A", "\xff", "=5fx"} {
		f.Add(seed, seed+"'")
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		localpart := func(s string) string {
			return upstream.Localpart(config.IdentityProvider{}, "example.org", upstream.Claims{"preferred_username": s})
		}
		a, b := localpart(one), localpart(other)
		if a != "" && (!grammar.MatchString(a) || strings.Trim(a, "0123456789") == "" || len("@:example.org")+len(a) > 255) {
			t.Errorf("%q becomes %q", one, a)
		}
		clean := strings.ToValidUTF8(one, "\uFFFD") != strings.ToValidUTF8(other, "\uFFFD")
		if a != "" && a == b && clean && !strings.EqualFold(one, other) {
			t.Errorf("%q and %q both become %q", one, other, a)
		}
	})
}
