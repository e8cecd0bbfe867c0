// Package provider is the authorization server itself: fosite composed for
// Matrix, the rules of registration, scopes and redirects, sessions and their
// tokens, signing keys, and the metadata document. It knows no HTML and no SQL.
package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/outbound"
	"keymaker/internal/secret"
	"keymaker/provider/signing"
	"keymaker/store"
)

// Options are what a Provider is made of.
type Options struct {
	Config     *config.Config
	Store      *store.Store
	Homeserver Homeserver
	// Languages are those of the pages, as BCP 47 tags.
	Languages []string
	Clock     clock.Clock
	Logger    *slog.Logger
}

// Provider is the authorization server. It is safe for concurrent use.
type Provider struct {
	config     *config.Config
	issuer     string
	store      *store.Store
	homeserver Homeserver
	clock      clock.Clock
	log        *slog.Logger
	tokens     *tokens
	keys       *signing.Ring
	fosite     *fosite.Fosite
	metadata   documents
	// clients reaches the addresses that clients registered, and trusted those
	// that the administrator wrote down.
	clients, trusted *http.Client
	// Keys that registered and that configured clients publish.
	published, configuredKeys *keysets
	// configured are the clients of the configuration file, until Activate.
	configured store.Configured
}

// tokenSecretSize is the size in bytes of the key that tokens are derived and
// recognised with.
const tokenSecretSize = 32

// TokenSecret is what all servers on a database derive and recognise tokens with.
func TokenSecret(ctx context.Context, s *store.Store) ([]byte, error) {
	key, err := s.ServerSecret(ctx, "tokens", secret.Bytes(tokenSecretSize))
	if err != nil {
		return nil, fmt.Errorf("prepare the token secret: %w", err)
	}
	return key, nil
}

// New composes the server, which Activate then takes into use. Without well_known.client it serves the legacy API
// alone: there is no issuer, and so no metadata and no ID token.
func New(ctx context.Context, o Options) (*Provider, error) {
	p := &Provider{config: o.Config, issuer: o.Config.WellKnown.Client, store: o.Store, homeserver: o.Homeserver, clock: o.Clock, log: o.Logger}
	key, err := TokenSecret(ctx, o.Store)
	if err != nil {
		return nil, err
	}
	p.tokens = &tokens{key: key, clock: o.Clock, accessTTL: o.Config.AccessTokenTTL, refreshTTL: o.Config.RefreshTokenTTL, idleOnly: o.Config.RefreshTokenIdleOnly}
	p.keys, err = signing.Open(ctx, signing.Options{Store: o.Store, Clock: o.Clock, Logger: o.Logger, Rotation: o.Config.SigningKeyRotation})
	if err != nil {
		return nil, err
	}
	if p.configured, err = readConfigured(ctx, p.store, p.config); err != nil {
		return nil, err
	}
	p.clients, p.trusted = outbound.New(p.Reach()), outbound.New(outbound.Anywhere)
	p.published, p.configuredKeys = newKeysets(p.clients, p.clock), newKeysets(p.trusted, p.clock)
	if p.metadata, err = p.buildDocuments(o.Languages); err != nil {
		return nil, err
	}
	composed, ok := p.compose(key).(*fosite.Fosite)
	if !ok {
		return nil, errors.New("fosite composed something else than a provider")
	}
	p.fosite = composed
	return p, nil
}

// compose builds fosite. Every field that its getters would fill in lazily is
// set here: they do it without a lock.
func (p *Provider) compose(key []byte) fosite.OAuth2Provider {
	cfg := &fosite.Config{
		GlobalSecret:                   key,
		IDTokenIssuer:                  p.issuer,
		IDTokenLifespan:                signing.TokenTTL,
		AccessTokenLifespan:            p.config.AccessTokenTTL,
		RefreshTokenLifespan:           -1,
		AuthorizeCodeLifespan:          codeTTL,
		RefreshTokenScopes:             []string{},
		ScopeStrategy:                  anyScope,
		AudienceMatchingStrategy:       fosite.DefaultAudienceMatchingStrategy,
		EnforcePKCE:                    p.config.OIDCRequirePKCE,
		EnforcePKCEForPublicClients:    p.config.OIDCRequirePKCE,
		DeviceAndUserCodeLifespan:      deviceTTL,
		DeviceAuthTokenPollingInterval: devicePollInterval,
		DeviceVerificationURL:          p.endpoint("/device"),
		OmitRedirectScopeParam:         true,
		RedirectSecureChecker:          registered,
		ClientSecretsHasher:            secretHasher{},
		ClientAuthenticationStrategy:   p.asRegistered,
		DisableRefreshTokenValidation:  true,
		SendDebugMessagesToClients:     false,
		TokenURL:                       p.endpoint("/token"),
	}
	strategy := &compose.CommonStrategy{CoreStrategy: p.tokens, RFC8628CodeStrategy: deviceCodes{key: key, store: p.store}, OpenIDConnectTokenStrategy: idTokens{p}}
	return compose.Compose(cfg, store.Fosite{Store: p.store}, strategy,
		compose.OAuth2AuthorizeExplicitFactory,
		compose.OAuth2RefreshTokenGrantFactory,
		clientCredentialsFactory,
		compose.RFC8628DeviceFactory,
		compose.RFC8628DeviceAuthorizationTokenFactory,
		compose.OpenIDConnectExplicitFactory,
		compose.OpenIDConnectDeviceFactory,
		compose.OAuth2TokenIntrospectionFactory,
		pkceFactory(p.store),
	)
}

// anyScope leaves the scopes to the scope package: Authorize has parsed and
// narrowed them before fosite sees them, and what was granted stays granted.
func anyScope([]string, string) bool { return true }

// prefix is the path that the OAuth endpoints share.
const prefix = "/_tuwunel/oidc"

// endpoint is the public URL of an OAuth endpoint.
func (p *Provider) endpoint(path string) string {
	return p.origin() + prefix + path
}

// origin is the issuer without a final slash.
func (p *Provider) origin() string { return strings.TrimSuffix(p.issuer, "/") }

// AccountURL is where people look after their account, without a query
// (conformance A-03k).
func (p *Provider) AccountURL() string { return p.endpoint("/account") }

// onLoopback tells whether clients and this server share a machine. Plain http
// is for an issuer on a loopback host only.
func (p *Provider) onLoopback() bool { return strings.HasPrefix(p.issuer, "http://") }

// Reach is which addresses this server asks that others chose.
func (p *Provider) Reach() outbound.Reach {
	if p.onLoopback() {
		return outbound.PublicAndLoopback
	}
	return outbound.Public
}

// Issuer is the issuer, byte for byte as the administrator wrote it.
func (p *Provider) Issuer() string { return p.issuer }
