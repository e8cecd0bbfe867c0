package matrixclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"keymaker/internal/secret"
)

// The scopes of MSC2967; the device id follows the prefix.
const (
	ScopeAPI          = "urn:matrix:client:api:*"
	ScopeDevicePrefix = "urn:matrix:client:device:"
)

// NewDevice returns a random device id: 10 upper-case letters and digits.
func NewDevice() string { return strings.ToUpper(secret.Letters(10)) }

// Authorization is one attempt to sign in: what the client must remember until
// the browser comes back.
type Authorization struct {
	DeviceID    string
	RedirectURI string

	State, Nonce, verifier string
}

// Authorize begins an attempt to sign in on a device.
func (c *Client) Authorize(deviceID, redirectURI string) *Authorization {
	return &Authorization{
		DeviceID: deviceID, RedirectURI: redirectURI,
		State: secret.Token(), Nonce: secret.Token(), verifier: oauth2.GenerateVerifier(),
	}
}

// URL is where the attempt sends the browser: the authorization endpoint, with
// state, nonce and PKCE S256.
func (c *Client) URL(a *Authorization) string {
	return c.config(a).AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.verifier))
}

func (c *Client) config(a *Authorization) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.ID, RedirectURL: a.RedirectURI, Endpoint: c.endpoint(),
		Scopes: []string{oidc.ScopeOpenID, ScopeAPI, ScopeDevicePrefix + a.DeviceID},
	}
}

// Code reads what the browser brought back to the redirect URI: the code, once
// state and iss are seen to be this attempt's and this server's (RFC 6749
// §4.1.2, RFC 9207 §2.4).
func (c *Client) Code(a *Authorization, back url.Values) (secret.Text, error) {
	for _, name := range []string{"state", "iss", "code", "error"} {
		if len(back[name]) > 1 {
			return "", fmt.Errorf("expected %s once, got it %d times", name, len(back[name]))
		}
	}
	switch {
	case !back.Has("state"):
		return "", errors.New("expected the state in the redirect, and there is none")
	case !secret.Equal(back.Get("state"), a.State):
		return "", errors.New("expected the state of the request in the redirect, and it is another")
	case back.Get("iss") != c.Metadata.Issuer:
		return "", fmt.Errorf("expected iss %s in the redirect, got %q", c.Metadata.Issuer, back.Get("iss"))
	case back.Has("error"):
		return "", fmt.Errorf("expected a code in the redirect, but %w", &Error{Status: http.StatusSeeOther, Code: back.Get("error")})
	case back.Get("code") == "":
		return "", errors.New("expected a code in the redirect, and there is none")
	}
	return secret.Text(back.Get("code")), nil
}

// Tokens are one answer of the token endpoint.
type Tokens struct {
	Access, Refresh, ID secret.Text // ID is "" after a refresh
	Lifetime            time.Duration
	Scope               []string
}

// Exchange redeems a code (RFC 6749 §4.1.3).
func (c *Client) Exchange(ctx context.Context, a *Authorization, code secret.Text) (Tokens, error) {
	return readTokens(c.config(a).Exchange(c.context(ctx), code.Reveal(), oauth2.VerifierOption(a.verifier)))
}

// Refresh exchanges a refresh token (RFC 6749 §6).
func (c *Client) Refresh(ctx context.Context, token secret.Text) (Tokens, error) {
	config := oauth2.Config{ClientID: c.ID, Endpoint: c.endpoint()}
	return readTokens(config.TokenSource(c.context(ctx), &oauth2.Token{RefreshToken: token.Reveal()}).Token())
}

// readTokens checks what every Matrix client relies on (conformance D-10). It
// looks at the members themselves, because the library reads a lifetime that is
// a string, and puts the old refresh token in the place of a missing one.
func readTokens(t *oauth2.Token, err error) (Tokens, error) {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return Tokens{}, fmt.Errorf("expected 200, but %w", &Error{Status: refused.Response.StatusCode, Code: refused.ErrorCode})
	}
	if err != nil {
		return Tokens{}, err
	}
	text := func(name string) string {
		s, _ := t.Extra(name).(string)
		return s
	}
	seconds, isNumber := t.Extra("expires_in").(float64)
	switch {
	case !strings.EqualFold(text("token_type"), "Bearer"):
		return Tokens{}, fmt.Errorf("expected token_type Bearer, got %q", text("token_type"))
	case !isNumber || seconds <= 0:
		return Tokens{}, fmt.Errorf("expected expires_in to be a number greater than 0, got %T %v", t.Extra("expires_in"), t.Extra("expires_in"))
	case text("refresh_token") == "":
		return Tokens{}, errors.New("expected a refresh_token, and there is none")
	case text("scope") == "":
		return Tokens{}, errors.New("expected the granted scope, and there is none")
	}
	return Tokens{
		Access: secret.Text(text("access_token")), Refresh: secret.Text(text("refresh_token")), ID: secret.Text(text("id_token")),
		Lifetime: time.Duration(seconds) * time.Second, Scope: strings.Fields(text("scope")),
	}, nil
}

// Identity verifies the ID token of a sign-in against the server's keys (OpenID
// Connect Core §3.1.3.7): issuer, audience, ES256 signature, times, nonce, and
// that it belongs to the access token. It returns the subject.
func (c *Client) Identity(ctx context.Context, a *Authorization, t Tokens) (subject string, err error) {
	verifier := c.provider.VerifierContext(c.context(ctx), &oidc.Config{
		ClientID: c.ID, SupportedSigningAlgs: []string{oidc.ES256}, Now: c.clock.Now,
	})
	id, err := verifier.Verify(ctx, t.ID.Reveal())
	switch {
	case err != nil:
		return "", fmt.Errorf("expected an ID token that can be verified: %w", err)
	case !secret.Equal(id.Nonce, a.Nonce):
		return "", errors.New("expected the nonce of the request in the ID token, and it is another or none")
	case id.Subject == "":
		return "", errors.New("expected a subject in the ID token, and there is none")
	}
	if err := id.VerifyAccessToken(t.Access.Reveal()); err != nil {
		return "", fmt.Errorf("expected the at_hash of the access token: %w", err)
	}
	return id.Subject, nil
}

// UserInfo returns the subject that the userinfo endpoint names.
func (c *Client) UserInfo(ctx context.Context, access secret.Text) (subject string, err error) {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: access.Reveal()})
	info, err := c.provider.UserInfo(c.context(ctx), source)
	if err != nil {
		return "", fmt.Errorf("ask userinfo: %w", err)
	}
	return info.Subject, nil
}

// Revoke ends the session of an access token (RFC 7009, MSC4254). Success must
// have a JSON object as its body: matrix-js-sdk parses it (conformance E-02).
func (c *Client) Revoke(ctx context.Context, access secret.Text) error {
	a, err := send(ctx, c.http, request{method: http.MethodPost, url: c.Metadata.RevocationEndpoint, form: url.Values{
		"token": {access.Reveal()}, "token_type_hint": {"access_token"}, "client_id": {c.ID},
	}})
	if err != nil {
		return err
	}
	return a.object(http.StatusOK, &struct{}{})
}
