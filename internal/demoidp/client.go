package demoidp

import (
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"keymaker/internal/clock"
)

// client is the only client of the provider, as it is during one request. It
// implements op.Client.
type client struct {
	options      Options
	redirectURIs []string
	// behind is how far the provider's clock is behind the machine's.
	behind time.Duration
}

func newClient(p *Provider) *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &client{options: p.options, redirectURIs: slices.Clone(p.redirectURIs), behind: p.behind()}
}

// behind is how far the provider's clock is behind the machine's.
func (p *Provider) behind() time.Duration { return clock.System{}.Now().Sub(p.clock.Now()) }

func (c *client) GetID() string                       { return c.options.ClientID }
func (c *client) RedirectURIs() []string              { return c.redirectURIs }
func (c *client) PostLogoutRedirectURIs() []string    { return nil }
func (c *client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *client) GrantTypes() []oidc.GrantType                                 { return []oidc.GrantType{oidc.GrantTypeCode} }
func (c *client) LoginURL(id string) string                                    { return loginPath + "?id=" + url.QueryEscape(id) }
func (c *client) AccessTokenType() op.AccessTokenType                          { return op.AccessTokenTypeBearer }
func (c *client) DevMode() bool                                                { return true } // http redirect URIs
func (c *client) IsScopeAllowed(string) bool                                   { return false }
func (c *client) IDTokenUserinfoClaimsAssertion() bool                         { return c.options.ClaimsInIDToken }
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return all }
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return all }

func (c *client) AuthMethod() oidc.AuthMethod {
	if c.options.ClientSecret == "" {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}

// ClockSkew moves what the library stamps with the machine's clock to the
// provider's clock: the library issues a token at now-skew and lets it expire
// at now+skew+lifetime.
func (c *client) ClockSkew() time.Duration { return c.behind }

// IDTokenLifetime makes an ID token expire tokenTTL after the provider's now.
func (c *client) IDTokenLifetime() time.Duration { return tokenTTL - 2*c.behind }

func all(scopes []string) []string { return scopes }
