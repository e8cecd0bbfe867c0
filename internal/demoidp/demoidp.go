// Package demoidp is an OpenID provider for demonstrations and tests: a real
// one, built on a certified library, that keeps everything in memory and asks
// for no password. It is not for production: whoever reaches it can sign in as
// anybody.
package demoidp

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
)

const (
	requestTTL = 10 * time.Minute // from the authorization request to the token
	tokenTTL   = time.Hour        // access tokens and ID tokens
)

// Options say who the provider is and whom it serves.
type Options struct {
	// Issuer is the URL that the provider is reached at, without a path:
	// http://127.0.0.1:PORT, or https.
	Issuer string
	// ClientID and ClientSecret are those of its only client, which may present
	// them by client_secret_basic or client_secret_post. Without a secret the
	// client is a public one and must use PKCE.
	ClientID     string
	ClientSecret string
	// RedirectURIs are matched exactly.
	RedirectURIs []string
	Users        []User
	// ClaimsInIDToken puts the claims of the scopes profile and email into the
	// ID token too, as many providers do; otherwise only userinfo has them.
	ClaimsInIDToken bool
	// Algorithm signs the ID tokens: ES256 (also when it is empty), RS256,
	// PS256 or EdDSA.
	Algorithm string
	// Clock stamps what the provider issues; nil = the machine's.
	Clock clock.Clock
}

// User is a person who can sign in.
type User struct {
	// Subject identifies the person for ever; no colon in it.
	Subject string
	// Username is what is typed into the form, and the claim
	// preferred_username when it is not empty.
	Username string
	Name     string
	Email    string
	// EmailVerified nil leaves the claim email_verified out.
	EmailVerified *bool
	// Claims are given with the scope profile, and win over the claims above.
	// A nil value takes the claim of that name away.
	Claims map[string]any
}

// Provider is an OpenID provider. It serves discovery, authorization with a
// login form, token, userinfo, revocation and the key set. It is safe for
// concurrent use.
type Provider struct {
	http.Handler
	options Options
	clock   clock.Clock
	key     signingKey
	cookie  string // the name of the session cookie

	mu           sync.Mutex
	users        []User
	redirectURIs []string
	requests     map[string]authRequest // by their id
	codes        map[string]string      // to the id of the request
	tokens       map[string]accessToken // by their id
	sessions     map[string]session     // by the value of the cookie
}

// New returns a provider that listens nowhere yet: it is an http.Handler to be
// served at the root of the issuer.
func New(o Options) (*Provider, error) {
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" || strings.Trim(issuer.Path, "/") != "" {
		return nil, fmt.Errorf("demonstration provider: the issuer %q is not a URL without a path", o.Issuer)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	key, err := newSigningKey(o.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("demonstration provider: %w", err)
	}
	p := &Provider{
		options:      o,
		clock:        o.Clock,
		key:          key,
		cookie:       "demoidp_" + issuer.Port(), // cookies are shared by all ports of a host
		redirectURIs: slices.Clone(o.RedirectURIs),
		requests:     map[string]authRequest{},
		codes:        map[string]string{},
		tokens:       map[string]accessToken{},
		sessions:     map[string]session{},
	}
	for _, u := range o.Users {
		if err := p.SetUser(u); err != nil {
			return nil, err
		}
	}
	config := &op.Config{
		CryptoKey:       [32]byte(secret.Bytes(32)),
		CodeMethodS256:  true,
		AuthMethodPost:  true,
		SupportedScopes: []string{"openid", "profile", "email"},
	}
	protocol, err := op.NewProvider(config, &storage{p}, op.StaticIssuer(o.Issuer), op.WithAllowInsecure(), op.WithCORSOptions(nil))
	if err != nil {
		return nil, fmt.Errorf("demonstration provider: %w", err)
	}
	p.Handler = newRoutes(p, protocol)
	return p, nil
}

// SetUser adds a person, or changes the one who has the same subject.
func (p *Provider) SetUser(u User) error {
	if u.Subject == "" || strings.Contains(u.Subject, ":") {
		return fmt.Errorf("demonstration provider: user %q needs a subject without a colon", u.Username)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := len(p.users)
	for i, other := range p.users {
		switch {
		case other.Subject == u.Subject:
			at = i
		case other.Username == u.Username:
			return fmt.Errorf("demonstration provider: there is a user %q already", u.Username)
		}
	}
	p.users = append(p.users[:at:at], append([]User{u}, p.users[min(at+1, len(p.users)):]...)...)
	return nil
}

// RemoveUser takes a person away; their sessions end with it.
func (p *Provider) RemoveUser(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users = slices.DeleteFunc(slices.Clone(p.users), func(u User) bool { return u.Subject == subject })
}

// SetRedirectURIs replaces the redirect URIs of the client.
func (p *Provider) SetRedirectURIs(uris ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.redirectURIs = slices.Clone(uris)
}

// EndSessions signs everybody out of the provider.
func (p *Provider) EndSessions() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.sessions)
}

// user finds a person; p.mu is held.
func (p *Provider) user(is func(User) bool) (User, bool) {
	if i := slices.IndexFunc(p.users, is); i >= 0 {
		return p.users[i], true
	}
	return User{}, false
}

func bySubject(subject string) func(User) bool {
	return func(u User) bool { return u.Subject == subject }
}

func byUsername(name string) func(User) bool {
	return func(u User) bool { return u.Username == name }
}

// claims are what the provider tells about a person within scopes, without sub.
func (u User) claims(scopes []string) map[string]any {
	claims := map[string]any{}
	set := func(name, value string) {
		if value != "" {
			claims[name] = value
		}
	}
	if slices.Contains(scopes, "profile") {
		set("preferred_username", u.Username)
		set("name", u.Name)
	}
	if slices.Contains(scopes, "email") {
		set("email", u.Email)
		if u.EmailVerified != nil {
			claims["email_verified"] = *u.EmailVerified
		}
	}
	if slices.Contains(scopes, "profile") {
		for name, value := range u.Claims {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
	}
	return claims
}
