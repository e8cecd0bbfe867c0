package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ory/fosite"

	"keymaker/internal/secret"
	"keymaker/provider/registration"
	"keymaker/provider/scope"
	"keymaker/store"
)

// TokenResponse is what the token endpoint answers (RFC 6749 §5.1).
type TokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	// Replayed: it is an answer that was given before.
	Replayed bool `json:"-"`
}

// Token answers a request to the token endpoint whose form has been parsed.
// Every error is an *Error. A code costs one read and two transactions, the
// first of them the homeserver's; a refresh one read and one transaction.
func (p *Provider) Token(ctx context.Context, r *http.Request) (*TokenResponse, error) {
	ctx = p.store.BeginExchange(ctx)
	if err := p.checkTokenRequest(ctx, r); err != nil {
		return nil, AsError(err)
	}
	blank := &store.Session{}
	if r.PostForm.Get("grant_type") == registration.ClientCredentials {
		blank.Kind = store.OfClient
	}
	request, err := p.fosite.NewAccessRequest(ctx, r, blank)
	if err != nil {
		return nil, AsError(err)
	}
	session, err := sessionOf(request)
	if err != nil {
		return nil, AsError(err)
	}
	if err := p.admit(ctx, request, session); err != nil {
		return nil, AsError(err)
	}
	response, err := p.respond(ctx, request)
	if err != nil {
		return nil, AsError(err)
	}
	return p.tokenResponse(response, session), nil
}

// respond lets fosite issue the tokens, in one transaction. That of a refresh is
// made where its tokens are stored: if anything failed after it, the client presents
// its token again and is given the same answer.
func (p *Provider) respond(ctx context.Context, request fosite.AccessRequester) (response fosite.AccessResponder, err error) {
	if request.GetGrantTypes().ExactOne(registration.RefreshToken) {
		return p.fosite.NewAccessResponse(ctx, request)
	}
	err = p.store.InTx(ctx, func(ctx context.Context) error {
		response, err = p.fosite.NewAccessResponse(ctx, request)
		return err
	})
	return response, err
}

// checkTokenRequest refuses what fosite would answer with another error than
// the specification's, and reads what the request is about.
func (p *Provider) checkTokenRequest(ctx context.Context, r *http.Request) error {
	form := r.PostForm
	grant := form.Get("grant_type")
	if grant == "" {
		return invalidRequest("The grant_type is missing.")
	}
	if !slices.Contains(registration.GrantTypes(p.config.OIDCDeviceGrant), grant) {
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "The grant_type is not supported.")
	}
	if err := checkCredentials(r); err != nil {
		return err
	}
	switch grant {
	case registration.ClientCredentials:
		return nil
	case registration.RefreshToken:
		return p.loadRefresh(ctx, form.Get("refresh_token"))
	case registration.DeviceCode:
		if form.Get("device_code") == "" {
			return invalidRequest("The device_code is missing.")
		}
		return p.store.LoadDevice(ctx, secret.Hash(form.Get("device_code")))
	}
	for _, name := range []string{"code", "redirect_uri"} {
		if form.Get(name) == "" {
			return invalidRequest("The %s is missing.", name)
		}
	}
	return p.store.LoadCode(ctx, secret.Hash(form.Get("code")))
}

func (p *Provider) loadRefresh(ctx context.Context, token string) error {
	if token == "" {
		return invalidRequest("The refresh_token is missing.")
	}
	key, ok := p.tokens.parseRefresh(prefixRefresh, token)
	if !ok {
		return nil // fosite says invalid_grant, once it knows the client
	}
	return p.store.LoadRefresh(ctx, key)
}

// admit decides whether the user may have tokens now, and for a code makes the
// device exist on the homeserver. A refresh asks nothing but our own database,
// and a locked user keeps the session: refusing would end it at the client
// (conformance D-2B).
func (p *Provider) admit(ctx context.Context, request fosite.AccessRequester, session *store.Session) error {
	if session.Kind == store.OfClient {
		return nil // nobody's account is used
	}
	if session.Account.Deactivated {
		return invalidGrant("The account has been deactivated.").because(ErrDeactivated)
	}
	if session.Account.Locked {
		if err := p.admitLocked(request); err != nil {
			return err
		}
	}
	granted := scope.Stored(session.Scope)
	form := request.GetRequestForm()
	if request.GetGrantTypes().ExactOne("refresh_token") {
		return granted.Narrow(form.Get("scope"))
	}
	if granted.HasAPI() {
		session.DeviceName = deviceName(request.GetClient())
	}
	return p.provision(ctx, session.Login.Localpart, session.DeviceID, session.DeviceName)
}

// admitLocked decides whether a locked user may have tokens now: a refresh may,
// where the homeserver itself says that the account is locked. Synapse would take
// the new token for an invalid one, and the client would drop its keys, so that
// it is to try again later (conformance C-67, D-2B, F-03).
func (p *Provider) admitLocked(request fosite.AccessRequester) error {
	switch {
	case !request.GetGrantTypes().ExactOne("refresh_token"):
		return invalidGrant("The account is locked.")
	case p.config.Homeserver.Remote():
		return unavailable(ErrLocked)
	}
	return nil
}

// provision makes a device exist on the homeserver. Whatever the homeserver
// says against it, the client is to try again: its code or token stays good
// (conformance D-11). Only what may be no device of the user at all is
// store.ErrIsKey.
func (p *Provider) provision(ctx context.Context, localpart, deviceID, name string) error {
	err := p.homeserver.Provision(ctx, Provision{Localpart: localpart, DeviceID: deviceID, DeviceName: name})
	if errors.Is(err, store.ErrIsKey) {
		return err
	}
	if err != nil {
		return fmt.Errorf("provision a device: %w: %w", store.ErrUnavailable, err)
	}
	return nil
}

func (p *Provider) tokenResponse(r fosite.AccessResponder, session *store.Session) *TokenResponse {
	text := func(name string) string {
		s, _ := r.GetExtra(name).(string)
		return s
	}
	granted := text("scope")
	if session.Kind != store.OfClient {
		granted = Held(p.config, session).String()
	}
	left := session.ExpiresAt.Add(-accessGrace).Sub(p.clock.Now())
	return &TokenResponse{
		AccessToken: r.GetAccessToken(), TokenType: "Bearer", ExpiresIn: int64((max(left, 0) + time.Second - 1) / time.Second),
		RefreshToken: text("refresh_token"), Scope: granted, IDToken: text("id_token"),
		Replayed: session.Rotation.Replay,
	}
}
