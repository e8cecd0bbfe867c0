package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// GitHub speaks OAuth 2 and not OpenID Connect: the user API says who signed
// in. The numeric id is the subject, since a login can be changed and taken by
// somebody else.

const (
	brandGitHub     = "github"
	githubBase      = "https://github.com"
	githubUserAPI   = "https://api.github.com/user"
	githubEmailPath = "/emails"
	githubEmailRead = "user:email"
	promptSelect    = "select_account"
)

func (p *Provider) isGitHub() bool { return p.config.Brand == brandGitHub }

// githubSite is GitHub, or the GitHub Enterprise Server at issuer.
func githubSite(issuer string) *site {
	base, api := strings.TrimSuffix(issuer, "/"), githubUserAPI
	switch base {
	case "":
		base = githubBase
	case githubBase:
	default:
		api = base + "/api/v3/user"
	}
	return &site{
		Issuer: base,
		Endpoints: Endpoints{
			Authorization: base + "/login/oauth/authorize",
			Token:         base + "/login/oauth/access_token",
			Userinfo:      api,
		},
	}
}

// githubScope gives the scopes of OpenID Connect their names at GitHub; others
// stay as they are.
func githubScope(scope []string) []string {
	var names []string
	for _, s := range scope {
		switch s {
		case "openid":
			continue
		case "profile":
			s = "read:user"
		case "email":
			s = githubEmailRead
		}
		if !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	return names
}

// githubPrompt gives what asks a person who they are GitHub's name for it: it
// knows select_account and nothing else, and shows an account picker then, where
// it would otherwise send back at once whoever is signed in
// (https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps).
func githubPrompt(prompt []string) []string {
	if slices.Contains(prompt, "login") || slices.Contains(prompt, promptSelect) {
		return []string{promptSelect}
	}
	return nil
}

// githubIdentity asks the user API who the token belongs to.
func (p *Provider) githubIdentity(ctx context.Context, s *site, token *oauth2.Token) (*Identity, error) {
	body, _, err := p.fetch(ctx, s.Userinfo, token.AccessToken)
	if err != nil {
		return nil, wrap("user API", err)
	}
	user, err := parseClaims(body)
	if err != nil {
		return nil, unavailable("user API", err)
	}
	subject := ""
	if _, numeric := user["id"].(json.Number); numeric {
		subject = user.id("id")
	}
	if subject == "" || user.Text("login") == "" {
		return nil, unverified("the user API names no user")
	}
	claims := Claims{"sub": subject}
	for name, at := range map[string]string{claimLogin: claimLogin, "name": "name", claimPicture: "avatar_url"} {
		if value := user.Text(at); value != "" {
			claims[name] = value
		}
	}
	// The address in the profile is what the person chose to show.
	address, err := p.githubEmail(ctx, s, token)
	if err != nil {
		return nil, err
	}
	if address != "" {
		claims["email"], claims["email_verified"] = address, true
	}
	return &Identity{ProviderID: p.ID(), Issuer: s.Issuer, Subject: subject, Claims: claims}, nil
}

// githubEmail is the address that is primary and verified, or "" when there is
// none, or the token may not see it.
func (p *Provider) githubEmail(ctx context.Context, s *site, token *oauth2.Token) (string, error) {
	if !slices.Contains(p.scope(), githubEmailRead) && !slices.Contains(p.scope(), "user") {
		return "", nil
	}
	body, _, err := p.fetch(ctx, strings.TrimSuffix(s.Userinfo, "/")+githubEmailPath, token.AccessToken)
	var status *statusError
	if errors.As(err, &status) && (status.status == http.StatusForbidden || status.status == http.StatusNotFound) {
		return "", nil
	}
	if err != nil {
		return "", wrap("user API", err)
	}
	var addresses []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := json.Unmarshal(body, &addresses); err != nil {
		return "", unavailable("user API", errUnreadable)
	}
	for _, a := range addresses {
		if a.Primary && a.Verified {
			return a.Email, nil
		}
	}
	return "", nil
}
