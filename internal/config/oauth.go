package config

import (
	"strings"

	"keymaker/internal/secret"
)

// Issuer is the issuer of this server's tokens, exactly as the administrator
// wrote well_known.client; "" = there is no OAuth server.
func (c *Config) Issuer() string { return c.WellKnown.Client }

// OAuthEnabled tells whether the OAuth server starts: it needs an issuer and an
// identity provider.
func (c *Config) OAuthEnabled() bool { return c.Issuer() != "" && len(c.IdentityProviders) > 0 }

// KeepsPictures tells whether the pictures of users are kept here. Another
// homeserver keeps those of its users itself.
func (c *Config) KeepsPictures() bool { return c.ProfilePictures && !c.Homeserver.Remote() }

// CallbackURL is where the provider sends people back to: its callback_url, or
// the one that follows from the issuer; "" when there is neither.
func (c *Config) CallbackURL(p IdentityProvider) string {
	if p.CallbackURL != "" || c.Issuer() == "" {
		return p.CallbackURL
	}
	return strings.TrimSuffix(c.Issuer(), "/") + callbackPath + p.ClientID
}

// DefaultProvider is the provider for a client that names none: the one that
// is set as the default, or the only one. With several and no default, the
// person must be asked.
func (c *Config) DefaultProvider() (IdentityProvider, bool) {
	for _, p := range c.IdentityProviders {
		if p.Default || len(c.IdentityProviders) == 1 {
			return p, true
		}
	}
	return IdentityProvider{}, false
}

// Secret is the client secret, "" for a public client. A file is read at each
// call, so that it can be replaced without a restart.
func (p IdentityProvider) Secret() (secret.Text, error) {
	if p.ClientSecret != "" || p.ClientSecretFile == "" {
		return p.ClientSecret, nil
	}
	return readSecret(p.ClientSecretFile)
}
