package provider

import (
	"context"

	"keymaker/provider/scope"
)

// UserInfo is what userinfo answers (OpenID Connect Core §5.3, conformance
// F-25). What is not known or not granted is left out.
type UserInfo struct {
	Subject           string `json:"sub"`
	Name              string `json:"name,omitempty"`
	PreferredUsername string `json:"preferred_username,omitempty"`
	Email             string `json:"email,omitempty"`
}

// UserInfo returns the claims that the caller's scope covers. The caller must
// have the openid scope (F-21).
func (p *Provider) UserInfo(ctx context.Context, c *Caller) (UserInfo, error) {
	info := UserInfo{Subject: c.Session.UserID}
	profile, email := c.Scope.Has(scope.Profile), c.Scope.Has(scope.Email)
	if !profile && !email {
		return info, nil
	}
	user, err := p.store.User(ctx, c.Session.Login.Localpart)
	if err != nil {
		return info, err
	}
	if profile {
		info.Name, info.PreferredUsername = user.DisplayName, user.Localpart
	}
	if email {
		info.Email = user.Email
	}
	return info, nil
}
