package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"keymaker/provider/scope"
	"keymaker/provider/signing"
	"keymaker/store"
)

// UserInfo is what userinfo answers (OpenID Connect Core §5.3, conformance
// F-25). What is not known or not granted is left out.
type UserInfo struct {
	Subject           string `json:"sub"`
	Name              string `json:"name,omitempty"`
	PreferredUsername string `json:"preferred_username,omitempty"`
	MXID              string `json:"mxid,omitempty"`       // as the subject; no claim of OpenID's
	Username          string `json:"username,omitempty"`   // the localpart, which the subject has too; no claim of OpenID's
	Picture           string `json:"picture,omitempty"`    // a URL that whoever knows it can open
	UpdatedAt         int64  `json:"updated_at,omitempty"` // seconds
	Email             string `json:"email,omitempty"`
	EmailVerified     bool   `json:"email_verified,omitempty"`
}

// UserInfo returns the claims that the caller's scope covers. The caller must
// have the openid scope (F-21).
func (p *Provider) UserInfo(ctx context.Context, c *Caller) (UserInfo, error) {
	info := UserInfo{Subject: c.Session.UserID, Username: c.Session.Login.Localpart}
	profile, email := c.Scope.Has(scope.Profile), c.Scope.Has(scope.Email)
	if !profile && !email {
		return info, nil
	}
	user, err := p.store.User(ctx, c.Session.Login.Localpart)
	if err != nil {
		return info, err
	}
	if profile {
		info.Name, info.PreferredUsername, info.UpdatedAt = user.DisplayName, user.Localpart, user.CreatedAt.Unix()
		if !user.ProfileChangedAt.IsZero() {
			info.UpdatedAt = user.ProfileChangedAt.Unix()
		}
		info.MXID = info.Subject
		if info.Picture, err = p.pictureURL(ctx, user); err != nil {
			return info, err
		}
	}
	if email && user.Email != "" {
		// No other address is kept than one that the identity provider vouched for.
		info.Email, info.EmailVerified = user.Email, true
	}
	return info, nil
}

// picturePath is where a client that was told sees the picture of a user; the
// picture's public id follows.
const picturePath = "/picture/"

// pictureURL is where the picture of a user is for clients, which have no Matrix
// token; "" when there is none, or it is not kept here any more. It names nobody,
// and ends with the picture.
func (p *Provider) pictureURL(ctx context.Context, user store.User) (string, error) {
	if user.AvatarURL == "" || !p.config.KeepsPictures() {
		return "", nil
	}
	id, err := p.store.PublicPictureID(ctx, user.Localpart)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", nil // it has just gone
	case err != nil:
		return "", err
	}
	return p.endpoint(picturePath + id), nil
}

// signedUserInfo is userinfo as a JWT (OpenID Connect Core §5.3.2).
type signedUserInfo struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	UserInfo
}

// SignUserInfo returns the claims as a JWT for the caller's client, or "" for a
// client that did not register userinfo_signed_response_alg.
func (p *Provider) SignUserInfo(ctx context.Context, c *Caller, info UserInfo) (string, error) {
	client, err := p.store.Client(ctx, c.Session.ClientID)
	if err != nil || client.UserinfoAlg() == "" {
		return "", err
	}
	payload, err := json.Marshal(signedUserInfo{Issuer: p.issuer, Audience: client.ID, UserInfo: info})
	if err != nil {
		return "", fmt.Errorf("encode userinfo: %w", err)
	}
	return p.keys.Sign(ctx, client.UserinfoAlg(), signing.JWT, payload)
}
