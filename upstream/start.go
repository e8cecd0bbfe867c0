package upstream

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Request is a person on the way to a provider.
type Request struct {
	// State and Nonce are unguessable, kept with the browser's login, and used
	// once (conformance L-06, L-30).
	State, Nonce string
	// Verifier is that of PKCE: 43 to 128 unreserved characters (RFC 7636
	// §4.1). It is empty only on the second attempt after RejectsPKCE.
	Verifier string
	// Prompt are values such as login or select_account.
	Prompt []string
	// MaxAge is how long ago the person may have signed in; nil = whenever. It
	// is sent in whole seconds, rounded down.
	MaxAge    *time.Duration
	LoginHint string
	// Action is that of MSC3824: "register" asks for a new account.
	Action    string
	UILocales []string
}

// Start returns the URL that the browser goes to. The parameters of the
// request win over those of extra_authorization_parameters, and those over the
// ones that the authorization URL has. The error is an ErrUnavailable.
func (p *Provider) Start(ctx context.Context, r Request) (string, error) {
	if r.State == "" || r.Nonce == "" {
		return "", errors.New("start a login: state and nonce are required")
	}
	s, err := p.sites.get(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(s.Authorization)
	if err != nil {
		return "", unavailable("start a login", err)
	}
	q := u.Query()
	for name, value := range p.config.ExtraAuthorizationParameters {
		q.Set(name, value)
	}
	for name, value := range p.parameters(s, r) {
		if value != "" {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// parameters are those of an authorization request; empty ones are not sent.
func (p *Provider) parameters(s *site, r Request) map[string]string {
	params := map[string]string{
		"response_type": "code",
		"client_id":     p.config.ClientID,
		"redirect_uri":  p.callbackURL,
		"scope":         strings.Join(p.scope(), " "),
		"state":         r.State,
		"prompt":        strings.Join(p.prompt(r), " "),
		"login_hint":    r.LoginHint,
		"ui_locales":    strings.Join(r.UILocales, " "),
	}
	if s.keys != nil {
		params["nonce"] = r.Nonce
	}
	if r.Verifier != "" {
		params["code_challenge"] = oauth2.S256ChallengeFromVerifier(r.Verifier)
		params["code_challenge_method"] = "S256"
	}
	if r.MaxAge != nil {
		params["max_age"] = strconv.FormatInt(int64(*r.MaxAge/time.Second), 10)
	}
	if p.isGitHub() {
		params["login"] = r.LoginHint // GitHub's name for it
	}
	return params
}

func (p *Provider) scope() []string {
	if p.isGitHub() {
		return githubScope(p.config.Scope)
	}
	return p.config.Scope
}

// prompt asks for a new account where that is wanted and the provider is said
// to know how (Initiating User Registration via OpenID Connect 1.0).
func (p *Provider) prompt(r Request) []string {
	if p.config.ForwardActionPrompt && r.Action == "register" && !slices.Contains(r.Prompt, "none") {
		return []string{"create"}
	}
	if p.isGitHub() {
		return githubPrompt(r.Prompt)
	}
	return r.Prompt
}
