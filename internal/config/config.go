// Package config turns a TOML file and the environment into one validated
// value, or into the list of everything that is wrong with them.
//
// The tree of sections in sections.go and sections_provider.go defines every
// key once: what it takes, its default and its description. Files, environment
// and the reference in docs/configuration.md all follow from it.
package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"keymaker/internal/mail"
	"keymaker/internal/secret"
	"keymaker/internal/tracing"
	"keymaker/provider/registration"
	"keymaker/templates"
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
	Private           Private
	Audit             Audit
	Tracing           tracing.Config
	IdentityProviders []IdentityProvider
	OIDCClients       []OIDCClient
	AdminUsers        []string // localparts of those who administer the homeserver
	SMTP              mail.Options
	Branding          templates.Branding

	SecretFile      string // path of the master key; made when it is missing and the database is SQLite
	LogLevel        string // debug, info, warn, error
	LogFormat       string // text, json
	ShutdownTimeout time.Duration
	ShutdownDelay   time.Duration // before it, with /readyz at 503

	AccessTokenTTL       time.Duration
	RefreshTokenTTL      time.Duration // 0 = never expires
	RefreshTokenIdleOnly bool          // true: each use moves the end on
	LoginTokenTTL        time.Duration
	SigningKeyRotation   time.Duration // how long a key signs; 0 = for ever

	OIDCRequirePKCE                      bool
	OIDCRequireDeviceScope               bool
	OIDCStrictScope                      bool
	OIDCDeviceGrant                      bool
	OIDCRegistrationAccessToken          secret.Text // "" = open registration
	OIDCRegistrationAllowedRedirectHosts []string
	OIDCRegistrationRequireClientURI     bool
	OIDCRatePerSecond                    int // for each address; 0 = no limits
	OIDCRateBurst                        int // requests at once
	OIDCAwarePreferred                   bool
	Rendezvous                           bool // whether devices meet here for a QR login
	ProfilePictures                      bool // see KeepsPictures

	// Warnings are what the administrator should know though the server
	// starts: settings that do not do what they seem to, each with its line.
	Warnings []string
}

// HasAdministrators tells whether anybody can administer the homeserver.
func (c *Config) HasAdministrators() bool {
	return len(c.AdminUsers) > 0 || slices.ContainsFunc(c.IdentityProviders, func(p IdentityProvider) bool { return p.AdminClaim != "" })
}

// MarksAdministrators tells whether the claims of an identity provider say who
// administers the homeserver.
func (c *Config) MarksAdministrators(providerID string) bool {
	return slices.ContainsFunc(c.IdentityProviders, func(p IdentityProvider) bool { return p.AdminClaim != "" && p.ClientID == providerID })
}

// WellKnown is [global.well_known].
type WellKnown struct {
	Client string // the issuer, exactly as written; "" = no OAuth server
}

// Database is [global.database].
type Database struct {
	URL secret.Text // sqlite:PATH or postgres://…; secret because it may hold a password
}

// The kinds of homeserver.
const (
	HomeserverEmbedded = "embedded" // this program
	HomeserverSynapse  = "synapse"  // another one, that takes Synapse's provisioning calls
)

// Homeserver is [global.homeserver].
type Homeserver struct {
	Kind     string
	Endpoint string // where the other program answers
	// Secret is what the homeserver presents at introspection, and what it is
	// presented; "" = it may not ask.
	Secret secret.Text
}

// Remote tells whether the homeserver is another program.
func (h Homeserver) Remote() bool { return h.Kind == HomeserverSynapse }

// Private is [global.private].
type Private struct {
	Address string // unix:PATH, or "none"; "" = there is no default
	// Implied: the address is the default, and nobody has asked for it.
	Implied        bool
	MetricsAddress string // IP:PORT; "" = metrics are on the socket alone
}

// Audit is [global.audit].
type Audit struct {
	Destination string // a file, or "stdout"; "" = the audit log is in the database alone
}

// AuditStdout is the destination that is standard output.
const AuditStdout = "stdout"

// noSocket is how an administrator asks for no private socket.
const noSocket = "none"

// Socket is the path of the socket; "" for none.
func (p Private) Socket() string {
	path, ok := strings.CutPrefix(p.Address, unixScheme)
	if !ok {
		return ""
	}
	return path
}

// IdentityProvider is one [[global.identity_provider]].
type IdentityProvider struct {
	Brand            string // in small letters
	ClientID         string // also the provider's id
	ClientSecret     secret.Text
	ClientSecretFile string // read at each exchange, trimmed
	IssuerURL        string
	CallbackURL      string // "" = derived from well_known.client
	Default          bool
	Name             string
	Icon             string   // an mxc:// URI, or ""
	Scope            []string // never empty
	UserIDClaims     []string // empty = all but sub
	ManagedClaims    []string // what of a user the provider manages: ManagedName, ManagedEmail, ManagedPicture
	// AdminClaim marks who administers the homeserver: the name of a claim, or a
	// JSON Pointer (RFC 6901) to what is in one; "" for none. AdminValues are what
	// marks; empty = true does.
	AdminClaim                   string
	AdminValues                  []string
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
	CheckCookie                  bool // without effect: the cookie is always checked
	ExtraAuthorizationParameters map[string]string
	ForwardActionPrompt          bool
	// ProveWithoutAuthTime: a new round trip proves who a person is although the
	// provider does not say when they signed in.
	ProveWithoutAuthTime bool
}

// StatesAuthTime tells whether the provider can say when somebody signed in.
// Only an ID token does: there is none from GitHub, nor from a provider whose
// people userinfo_url names.
func (p IdentityProvider) StatesAuthTime() bool {
	return p.Brand != "github" && (p.Discovery || p.JWKSURL != "")
}

// Proves tells whether a new sign-in at the provider can prove who a person is.
func (p IdentityProvider) Proves() bool { return p.ProveWithoutAuthTime || p.StatesAuthTime() }

// What an identity provider can manage of a user.
const (
	ManagedName    = "name"
	ManagedEmail   = "email"
	ManagedPicture = "picture"
)

// OIDCClient is one [[global.oidc_client]]: an application that the
// administrator lets sign people in, by the rules of registration for a
// configured client.
type OIDCClient struct {
	ClientID     string
	ClientSecret secret.Text // "" = it has none
	Metadata     registration.Metadata
}
