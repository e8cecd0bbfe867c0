package upstream

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// exchange redeems the code at the token endpoint.
func (p *Provider) exchange(ctx context.Context, s *site, r Response) (*oauth2.Token, error) {
	secret, err := p.secret()
	if err != nil {
		return nil, err
	}
	style := p.authStyle(s, secret)
	token, err := p.exchangeAs(ctx, s, r, secret, style)
	if p.mayRetry(s, style, err) {
		// The provider does not say how clients authenticate, and does not take
		// the way that is the default. Most check the client before the code,
		// so the code may still be good; the next login begins with this way.
		p.inBody.Store(true)
		token, err = p.exchangeAs(ctx, s, r, secret, oauth2.AuthStyleInParams)
	}
	if err != nil {
		return nil, fault("exchange the code", err)
	}
	if !strings.EqualFold(token.Type(), "bearer") {
		return nil, unverified("the access token is no bearer token")
	}
	return token, nil
}

func (p *Provider) exchangeAs(ctx context.Context, s *site, r Response, secret string, style oauth2.AuthStyle) (*oauth2.Token, error) {
	c := oauth2.Config{
		ClientID:     p.config.ClientID,
		ClientSecret: secret,
		RedirectURL:  p.callbackURL,
		Endpoint:     oauth2.Endpoint{TokenURL: s.Token, AuthStyle: style},
	}
	var options []oauth2.AuthCodeOption
	if r.Verifier != "" {
		options = append(options, oauth2.VerifierOption(r.Verifier))
	}
	return c.Exchange(oidc.ClientContext(ctx, p.poster), r.Code, options...)
}

// authStyle is how the client authenticates: with a secret by
// client_secret_basic or client_secret_post, as the provider says, and without
// one by its id alone (RFC 6749 §2.3, OpenID Connect Core 1.0 §9).
func (p *Provider) authStyle(s *site, secret string) oauth2.AuthStyle {
	switch {
	case secret == "", p.isGitHub(), len(s.AuthMethods) == 0 && p.inBody.Load():
		return oauth2.AuthStyleInParams
	case slices.Contains(s.AuthMethods, "client_secret_basic"):
		return oauth2.AuthStyleInHeader
	case slices.Contains(s.AuthMethods, "client_secret_post"):
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

func (p *Provider) mayRetry(s *site, style oauth2.AuthStyle, err error) bool {
	var refused *oauth2.RetrieveError
	return style == oauth2.AuthStyleInHeader && len(s.AuthMethods) == 0 &&
		errors.As(err, &refused) && refused.ErrorCode == "invalid_client"
}
