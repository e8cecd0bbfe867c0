// Package config turns a TOML file and the environment into one validated
// value.
package config

import (
	"net/netip"
	"time"

	"keymaker/internal/secret"
)

// Config is the whole configuration, validated and with defaults filled in.
type Config struct {
	ServerName     string // the Matrix server name, e.g. example.com
	Address        []string
	Port           int
	TrustedProxies []netip.Prefix

	WellKnown         WellKnown
	Database          Database
	Homeserver        Homeserver
	IdentityProviders []IdentityProvider

	SecretFile      string // path of the master key; "" = beside the SQLite file
	LogLevel        string // debug, info, warn, error
	LogFormat       string // text, json
	ShutdownTimeout time.Duration

	AccessTokenTTL       time.Duration
	RefreshTokenTTL      time.Duration // 0 = never expires
	RefreshTokenIdleOnly bool          // true: each use moves the end on
	LoginTokenTTL        time.Duration

	OIDCRequirePKCE                      bool
	OIDCRequireDeviceScope               bool
	OIDCStrictScope                      bool
	OIDCRegistrationAccessToken          secret.Text // "" = open registration
	OIDCRegistrationAllowedRedirectHosts []string
	OIDCRegistrationRequireClientURI     bool
	OIDCRatePerSecond                    int // 0 = no limits
	OIDCRateBurst                        int
	OIDCAwarePreferred                   bool

	// Warnings are what the administrator should know though the server
	// starts: settings that are accepted and do something else here.
	Warnings []string
}

// WellKnown is [global.well_known].
type WellKnown struct {
	Client string // the issuer, exactly as written; "" = no OAuth server
}

// Database is [global.database].
type Database struct {
	URL secret.Text // sqlite:PATH or postgres://…; secret because it may hold a password
}

// Homeserver is [global.homeserver].
type Homeserver struct {
	Kind     string // "embedded"
	Endpoint string
	Secret   secret.Text // what the homeserver presents at introspection; "" = none
}

// IdentityProvider is one [[global.identity_provider]].
type IdentityProvider struct {
	Brand                        string // lower case
	ClientID                     string // also the provider's id
	ClientSecret                 secret.Text
	ClientSecretFile             string // read at each exchange, trimmed
	IssuerURL                    string
	CallbackURL                  string // "" = derived from well_known.client
	Default                      bool
	Name                         string
	Icon                         string // an mxc:// URI, or ""
	Scope                        []string
	UserIDClaims                 []string
	Trusted                      bool
	UniqueIDFallbacks            bool
	Registration                 bool
	BasePath                     string
	DiscoveryURL                 string
	AuthorizationURL             string
	TokenURL                     string
	RevocationURL                string
	IntrospectionURL             string
	UserinfoURL                  string
	JWKSURL                      string
	Discovery                    bool
	GrantSessionDuration         time.Duration
	CheckCookie                  bool
	ExtraAuthorizationParameters map[string]string
	ForwardActionPrompt          bool
}
