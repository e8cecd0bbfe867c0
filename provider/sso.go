package provider

import (
	"context"
	"encoding/json"
	"fmt"

	"keymaker/internal/secret"
	"keymaker/store"
)

// ssoParams are the parameters of a legacy login on its way.
type ssoParams struct {
	RedirectURL string `json:"redirect_url"`
	Register    bool   `json:"register,omitempty"`
}

// BeginSSO keeps a legacy login for the browser that brought it.
func (p *Provider) BeginSSO(ctx context.Context, browser, redirectURL string, register bool) (id string, err error) {
	params, err := json.Marshal(ssoParams{RedirectURL: redirectURL, Register: register})
	if err != nil {
		return "", fmt.Errorf("keep a legacy login: %w", err)
	}
	return p.store.Begin(ctx, browser, store.AuthorizationRequest{Kind: store.RequestSSO, Params: params, ExpiresAt: p.clock.Now().Add(requestTTL)})
}

// PendingSSO returns a legacy login that this browser began and that somebody
// has signed in for: where it goes, and who. Errors are those of store.Request.
func (p *Provider) PendingSSO(ctx context.Context, browser, id string) (redirectURL string, login store.Login, err error) {
	row, err := p.store.Request(ctx, browser, id)
	if err != nil {
		return "", login, err
	}
	if row.Kind != store.RequestSSO || row.Login == nil {
		return "", login, store.ErrNotFound
	}
	var params ssoParams
	if err := json.Unmarshal(row.Params, &params); err != nil {
		return "", login, fmt.Errorf("read a legacy login: %w: %w", store.ErrUnavailable, err)
	}
	return params.RedirectURL, *row.Login, nil
}

// DenySSO answers a legacy login with nothing, once: afterwards it returns
// store.ErrConflict.
func (p *Provider) DenySSO(ctx context.Context, browser, id string) error {
	return p.store.Complete(ctx, browser, id)
}

// ApproveSSO answers a legacy login with a login token, once: afterwards it
// returns store.ErrConflict.
func (p *Provider) ApproveSSO(ctx context.Context, browser, id string, login store.Login) (token string, err error) {
	token = prefixLoginToken + secret.Token()
	err = p.store.InTx(ctx, func(ctx context.Context) error {
		if err := p.store.Complete(ctx, browser, id); err != nil {
			return err
		}
		return p.store.AddLoginToken(ctx, token, login, p.clock.Now().Add(p.config.LoginTokenTTL))
	})
	return token, err
}
