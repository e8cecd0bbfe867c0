package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"keymaker/store"
)

// Begin keeps a validated request for the browser that brought it, and returns
// the id under which that browser comes back.
func (p *Provider) Begin(ctx context.Context, browser string, a *Authorization) (id string, err error) {
	params, err := json.Marshal(a.params)
	if err != nil {
		return "", fmt.Errorf("keep an authorization request: %w", err)
	}
	return p.store.Begin(ctx, browser, store.AuthorizationRequest{
		Kind: store.RequestOAuth, ClientID: a.Client.ID, Params: params, ExpiresAt: p.clock.Now().Add(requestTTL),
	})
}

// Restart begins a request of any kind that this browser began once more, though
// it was answered or its time is over, and returns its new id and the identity
// provider of the sign-in before, "" for none. ErrNotFound: it is not known any
// more.
func (p *Provider) Restart(ctx context.Context, browser, id string) (again, providerID string, err error) {
	again, before, err := p.store.Reopen(ctx, browser, id, p.clock.Now().Add(requestTTL))
	if before != nil {
		providerID = before.ProviderID
	}
	return again, providerID, err
}

// Pending is a request that waits for a person.
type Pending struct {
	*Authorization
	// Login is who signed in for it; nil before.
	Login *store.Login
	// Device is the device that the request would take over, nil if it is new.
	Device *store.Device
}

// Pending returns a request that this browser began. Errors are those of
// store.Request, and a *RedirectError for a device that this user cannot have;
// with ErrConflict the request is returned too.
func (p *Provider) Pending(ctx context.Context, browser, id string) (*Pending, error) {
	row, err := p.store.Request(ctx, browser, id)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return nil, err
	}
	if row.Kind != store.RequestOAuth {
		return nil, store.ErrNotFound
	}
	answered := err
	a, err := p.restore(ctx, row)
	if err != nil {
		return nil, err
	}
	pending := &Pending{Authorization: a, Login: row.Login}
	if row.Login != nil {
		if a.Scope, err = p.mayHave(ctx, a.Scope, row.Login.Localpart); err != nil {
			return nil, err
		}
	}
	if row.Login != nil && a.Scope.Device() != "" {
		pending.Device, err = p.existing(ctx, row.Login.Localpart, a.Scope.Device())
		if errors.Is(err, store.ErrIsKey) {
			return nil, a.refuse(p, deviceIsKey())
		}
		if err != nil {
			return nil, err
		}
	}
	return pending, answered
}

// restore rebuilds a request from its parameters by validating them again: a
// client that is gone by now is noticed.
func (p *Provider) restore(ctx context.Context, row store.AuthorizationRequest) (*Authorization, error) {
	var params url.Values
	if err := json.Unmarshal(row.Params, &params); err != nil {
		return nil, fmt.Errorf("read an authorization request: %w: %w", store.ErrUnavailable, err)
	}
	return p.ParseAuthorization(ctx, params)
}

// Approve answers a request with a code, for the person has approved it. It
// succeeds once for each request: afterwards it returns store.ErrConflict
// (conformance C-69).
func (p *Provider) Approve(ctx context.Context, browser, id string, pending *Pending) (AuthorizationResponse, error) {
	return p.grant(ctx, browser, id, pending, store.ActionConsentGiven)
}

// ApproveAgain is Approve by an earlier approval: ConsentDue or Interaction must
// have told that it is enough.
func (p *Provider) ApproveAgain(ctx context.Context, browser, id string, pending *Pending) (AuthorizationResponse, error) {
	return p.grant(ctx, browser, id, pending, store.ActionConsentRemembered)
}

func (p *Provider) grant(ctx context.Context, browser, id string, pending *Pending, action string) (AuthorizationResponse, error) {
	var code string
	err := p.answer(ctx, browser, id, pending, action, func(ctx context.Context) error {
		if action == store.ActionConsentGiven && pending.remembered() {
			if err := p.store.Consent(ctx, pending.Login.Localpart, pending.Client.ID, pending.Scope.Tokens()); err != nil {
				return err
			}
		}
		var err error
		code, err = p.issueCode(ctx, pending)
		return err
	})
	if err != nil {
		return AuthorizationResponse{}, err
	}
	return pending.response(p, url.Values{"code": {code}}), nil
}

// Deny answers a request with access_denied, once.
func (p *Provider) Deny(ctx context.Context, browser, id string, pending *Pending) (AuthorizationResponse, error) {
	err := p.answer(ctx, browser, id, pending, store.ActionConsentDenied, func(context.Context) error { return nil })
	if err != nil {
		return AuthorizationResponse{}, err
	}
	return pending.Refuse(p, "access_denied", "The request was not approved.").To, nil
}

// Refuse is the answer to a request that ends with an OAuth error.
func (a *Authorization) Refuse(p *Provider, code, description string) *RedirectError {
	return a.refuse(p, oauthError(http.StatusBadRequest, code, "%s", description))
}

// answer marks the request as answered, records it, and does what the answer
// is: all of it or nothing.
func (p *Provider) answer(ctx context.Context, browser, id string, pending *Pending, action string, do func(ctx context.Context) error) error {
	return p.store.InTx(ctx, func(ctx context.Context) error {
		if err := p.store.Complete(ctx, browser, id); err != nil {
			return err
		}
		if err := do(ctx); err != nil {
			return err
		}
		return p.store.Record(ctx, store.Event{Action: action, Localpart: pending.Login.Localpart, DeviceID: pending.Scope.Device(),
			ClientID: pending.Client.ID, Actor: store.ActorUser, Reason: pending.Login.ProviderID})
	})
}

// issueCode has fosite issue the code of an approved request.
func (p *Provider) issueCode(ctx context.Context, pending *Pending) (string, error) {
	request, err := p.fositeRequest(ctx, pending.Authorization)
	if err != nil {
		return "", AsError(err)
	}
	for _, token := range pending.Scope.Tokens() {
		request.GrantScope(token)
	}
	session := &store.Session{
		ID: store.NewID(p.clock.Now()), UserID: p.store.UserID(pending.Login.Localpart), DeviceID: pending.Scope.Device(), ClientID: pending.Client.ID,
		Kind: store.OAuth, Login: *pending.Login, Nonce: pending.Nonce,
		Challenge: store.Challenge{Value: pending.params.Get("code_challenge"), Method: pending.params.Get("code_challenge_method")},
	}
	response, err := p.fosite.NewAuthorizeResponse(ctx, request, session)
	if err != nil {
		return "", AsError(err)
	}
	return response.GetCode(), nil
}

// nameLength is the longest device name that Synapse takes (characters).
const nameLength = 100

// deviceName is what a new device is called: as its client.
func deviceName(client fosite.Client) string {
	c, ok := client.(*store.Client)
	if !ok {
		return ""
	}
	return cut(clientName(c), nameLength)
}

func cut(s string, length int) string {
	if r := []rune(s); len(r) > length {
		return string(r[:length])
	}
	return s
}
