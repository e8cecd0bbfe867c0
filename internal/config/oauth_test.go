package config_test

import (
	"testing"

	"keymaker/internal/config"
)

func TestCallbackURL(t *testing.T) {
	const path = "/_matrix/client/unstable/login/sso/callback/one"
	for _, c := range []struct{ name, issuer, own, want string }{
		{"made of the issuer", "https://example.com", "", "https://example.com" + path},
		{"made of an issuer with a final slash", "https://example.com:8448/", "", "https://example.com:8448" + path},
		{"the provider's own", "https://example.com", "https://other.example.com" + path, "https://other.example.com" + path},
		{"the provider's own without an issuer", "", "https://other.example.com" + path, "https://other.example.com" + path},
		{"neither", "", "", ""},
	} {
		cfg := config.Config{WellKnown: config.WellKnown{Client: c.issuer}}
		if got := cfg.CallbackURL(config.IdentityProvider{ClientID: "one", CallbackURL: c.own}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTheOAuthServerNeedsBothPrerequisites(t *testing.T) {
	for _, c := range []struct {
		name, issuer string
		providers    []config.IdentityProvider
		want         bool
	}{
		{"both", "https://example.com", []config.IdentityProvider{{}}, true},
		{"no provider", "https://example.com", nil, false},
		{"no issuer", "", []config.IdentityProvider{{}}, false},
	} {
		cfg := config.Config{WellKnown: config.WellKnown{Client: c.issuer}, IdentityProviders: c.providers}
		if got := cfg.OAuthEnabled(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestDefaultProvider(t *testing.T) {
	a, b := config.IdentityProvider{ClientID: "a"}, config.IdentityProvider{ClientID: "b"}
	chosen := config.IdentityProvider{ClientID: "c", Default: true}
	for _, c := range []struct {
		name      string
		providers []config.IdentityProvider
		want      string
	}{
		{"the only one", []config.IdentityProvider{a}, "a"},
		{"the one that is set", []config.IdentityProvider{a, chosen, b}, "c"},
		{"of several none", []config.IdentityProvider{a, b}, ""},
		{"of none none", nil, ""},
	} {
		cfg := config.Config{IdentityProviders: c.providers}
		if got, ok := cfg.DefaultProvider(); got.ClientID != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.name, got.ClientID, ok, c.want)
		}
	}
}
