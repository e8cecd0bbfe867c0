package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"

	"keymaker/provider/registration"
	"keymaker/provider/scope"
	"keymaker/store"
)

const (
	// deviceTTL is how long a person has to enter and approve a user code.
	deviceTTL = 20 * time.Minute
	// devicePollInterval is how long a device waits between two polls at first.
	devicePollInterval = 5 * time.Second
	// agentLength is how much of a User-Agent header is kept (characters).
	agentLength = 200
)

// ErrUserCode is returned for a user code that is unknown, answered or expired.
// Which of them it is, nobody is told (conformance G-13).
var ErrUserCode = errors.New("the user code is unknown, used or expired")

// DeviceAuthorization is what the device authorization endpoint answers (RFC
// 8628 §3.2).
type DeviceAuthorization struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"` // seconds
	Interval                int64  `json:"interval"`   // seconds
}

// AuthorizeDevice begins a device grant for the client of a request whose form
// has been parsed. The error is an *Error.
func (p *Provider) AuthorizeDevice(ctx context.Context, r *http.Request, from store.Requester) (*DeviceAuthorization, error) {
	client, err := p.authenticateClient(ctx, r)
	if err != nil {
		return nil, AsError(err)
	}
	if !client.GetGrantTypes().Has(registration.DeviceCode) {
		return nil, oauthError(http.StatusBadRequest, "unauthorized_client", "The client is not registered for the device_code grant.")
	}
	set, err := p.parseScope(r.PostForm.Get("scope"))
	if err != nil {
		return nil, AsError(err)
	}
	from.Agent = cut(strings.ToValidUTF8(from.Agent, ""), agentLength)
	request := fosite.NewDeviceRequest()
	request.Client = client
	request.SetRequestedScopes(set.Tokens())
	response, err := p.fosite.NewDeviceResponse(ctx, request, &store.Session{
		ID: store.NewID(p.clock.Now()), ClientID: client.GetID(), DeviceID: set.Device(), Requester: from,
		PollInterval: devicePollInterval, ExpiresAt: p.clock.Now().Add(deviceTTL),
	})
	if err != nil {
		return nil, AsError(err)
	}
	code := FormatUserCode(response.GetUserCode())
	uri := p.endpoint("/device")
	return &DeviceAuthorization{
		DeviceCode: response.GetDeviceCode(), UserCode: code, VerificationURI: uri,
		VerificationURIComplete: uri + "?" + url.Values{"user_code": {code}}.Encode(),
		ExpiresIn:               int64(deviceTTL / time.Second), Interval: int64(devicePollInterval / time.Second),
	}, nil
}

// parseScope reads a scope by the rules of this server.
func (p *Provider) parseScope(raw string) (scope.Set, error) {
	return scope.Parse(raw, scope.Options{
		Strict: p.config.OIDCStrictScope, RequireDevice: p.config.OIDCRequireDeviceScope, NewDevice: scope.NewDevice,
		Administration: p.config.HasAdministrators(),
	})
}

// BeginDevice keeps a user code, as ParseUserCode returns it, for the browser in
// which it was typed, and returns the id under which that browser comes back. It
// looks for no grant: before somebody has signed in, nothing tells a good code
// from a bad one.
func (p *Provider) BeginDevice(ctx context.Context, browser, code string) (id string, err error) {
	return p.store.BeginDevice(ctx, browser, code, p.clock.Now().Add(requestTTL))
}

// PendingDevice is a device grant that waits for a person.
type PendingDevice struct {
	store.DeviceGrant
	Client   *store.Client
	UserCode string // as a person reads it
	Scope    scope.Set
	// Login is who signed in for it; with nil, nothing else is known.
	Login *store.Login
	// Device is the device that the grant would take over, nil if it is new.
	Device *store.Device

	userHash []byte
}

// PendingDevice returns the grant of the user code that this browser has
// entered. Errors are those of store.Request, and once somebody has signed in
// ErrUserCode, and store.ErrIsKey for a device that they cannot have.
func (p *Provider) PendingDevice(ctx context.Context, browser, id string) (*PendingDevice, error) {
	code, login, err := p.store.EnteredCode(ctx, browser, id)
	if err != nil || login == nil {
		return &PendingDevice{}, err
	}
	signature, err := deviceCodes{key: p.tokens.key}.UserCodeSignature(ctx, code)
	if err != nil {
		return nil, err
	}
	pending := &PendingDevice{UserCode: FormatUserCode(code), Login: login, userHash: []byte(signature)}
	if pending.DeviceGrant, err = p.store.DeviceGrant(ctx, pending.userHash); err == nil {
		pending.Client, err = p.store.Client(ctx, pending.ClientID)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrUserCode
	}
	if err != nil {
		return nil, err
	}
	if pending.Scope, err = p.mayHave(ctx, scope.Stored(pending.DeviceGrant.Scope), login.Localpart); err != nil {
		return nil, err
	}
	pending.Device, err = p.existing(ctx, login.Localpart, pending.Scope.Device())
	return pending, err
}

// existing returns a device of a user, nil if there is none. It returns
// store.ErrIsKey where there can be none.
func (p *Provider) existing(ctx context.Context, localpart, deviceID string) (*store.Device, error) {
	if deviceID == "" {
		return nil, nil
	}
	device, err := p.store.Device(ctx, localpart, deviceID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, p.store.NotKey(ctx, localpart, deviceID)
	}
	return &device, err
}

// AnswerDevice notes what the person decided, once: afterwards it returns
// store.ErrConflict.
func (p *Provider) AnswerDevice(ctx context.Context, browser, id string, d *PendingDevice, approved bool) error {
	action := store.ActionConsentDenied
	if approved {
		action = store.ActionConsentGiven
	}
	return p.store.InTx(ctx, func(ctx context.Context) error {
		if err := p.store.Complete(ctx, browser, id); err != nil {
			return err
		}
		if err := p.store.DecideDevice(ctx, d.userHash, store.DeviceAnswer{Login: *d.Login, Approved: approved, Scope: d.Scope.String()}); err != nil {
			return err
		}
		return p.store.Record(ctx, store.Event{Action: action, Localpart: d.Login.Localpart, DeviceID: d.Scope.Device(),
			ClientID: d.ClientID, Actor: store.ActorUser, Reason: d.Login.ProviderID})
	})
}
