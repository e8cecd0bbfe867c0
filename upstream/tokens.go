package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// introspect asks introspection_url, where one is configured, whether the
// access token is what it seems (RFC 7662). An endpoint that cannot be asked
// is logged and does not stand in the way.
func (p *Provider) introspect(ctx context.Context, token *oauth2.Token, subject string) error {
	if p.config.IntrospectionURL == "" {
		return nil
	}
	body, err := p.present(ctx, p.config.IntrospectionURL, token)
	if err != nil {
		p.log.Warn("the access token could not be introspected", "error", err)
		return nil
	}
	claims, err := parseClaims(body)
	if err != nil {
		p.log.Warn("the access token could not be introspected", "error", err)
		return nil
	}
	if active := claims.Flag("active"); active == nil || !*active {
		return unverified("introspection says that the access token is not active")
	}
	if sub := claims.Text("sub"); sub != "" && sub != subject {
		return unverified("introspection is about somebody else")
	}
	return nil
}

// revoke gives the access token back at revocation_url, where one is
// configured (RFC 7009): it has served its purpose. It is not done at an
// endpoint that is only discovered, since there are providers that forget the
// person's consent with the token.
func (p *Provider) revoke(ctx context.Context, token *oauth2.Token) {
	if p.config.RevocationURL == "" {
		return
	}
	if _, err := p.present(ctx, p.config.RevocationURL, token); err != nil {
		p.log.Warn("the access token could not be revoked", "error", err)
	}
}

// present posts the access token with the client's credentials.
func (p *Provider) present(ctx context.Context, address string, token *oauth2.Token) ([]byte, error) {
	s, err := p.sites.get(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := p.secret()
	if err != nil {
		return nil, err
	}
	form := url.Values{"token": {token.AccessToken}, "token_type_hint": {"access_token"}}
	basic := p.authStyle(s, secret) == oauth2.AuthStyleInHeader
	if !basic {
		form.Set("client_id", p.config.ClientID)
		if secret != "" {
			form.Set("client_secret", secret)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the address cannot be read")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if basic {
		r.SetBasicAuth(url.QueryEscape(p.config.ClientID), url.QueryEscape(secret))
	}
	answer, err := p.poster.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, &statusError{answer.StatusCode}
	}
	return io.ReadAll(answer.Body)
}
