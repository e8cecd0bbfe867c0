package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/rfc8628"
)

// repeatDevice is how long the answer to a device code is given again, to a
// client that has not received it (conformance G-28).
const repeatDevice = 30 * time.Second

// errDenied has the status of RFC 6749 §5.2: fosite's own says 403.
var errDenied = &fosite.RFC6749Error{ErrorField: "access_denied", DescriptionField: "The person has denied the request.", CodeField: http.StatusBadRequest}

var _ rfc8628.RFC8628CoreStorage = Fosite{}

// LoadDevice reads the grant of a device code with its client and, once
// somebody has approved it, its user into the exchange. An unknown code is no
// error here: Poll says so.
func (s *Store) LoadDevice(ctx context.Context, codeHash []byte) error {
	var row struct {
		Grant deviceGrantRow `gorm:"embedded"`
		Owner ownerColumns   `gorm:"embedded"`
	}
	result := s.read(ctx).Table("device_grants AS g").
		Select("g.*, "+selectOwner).
		Joins("LEFT JOIN users u ON u.localpart = g.localpart").
		Joins("LEFT JOIN clients c ON c.id = g.client_id").
		Where("g.device_code_hash = ?", codeHash).Limit(1).Find(&row)
	if result.Error != nil || result.RowsAffected == 0 {
		return fault("read a device grant", result.Error)
	}
	client, err := s.owner(row.Owner, row.Grant.ClientID)
	if err != nil || client == nil {
		return err
	}
	x := exchangeFrom(ctx)
	x.device, x.client, x.account = &row.Grant, client, row.Owner.Account
	return nil
}

// Poll decides about a poll before fosite does, which asks for the state before
// it looks at the client and the time. It is true for one that came too early;
// only one that is pending is slowed down. Errors are fosite's, for the client,
// or wrap ErrUnavailable (conformance G-20 to G-24).
func (s *Store) Poll(ctx context.Context) (tooEarly bool, err error) {
	x := exchangeFrom(ctx)
	g := x.device
	switch {
	case g == nil || !presentedBy(ctx, x.client):
		return false, fosite.ErrInvalidGrant.WithHint("The device_code is unknown, or belongs to another client.")
	case g.State == deviceRedeemed && s.now() > *g.RedeemedAt+repeatDevice.Milliseconds():
		return false, fosite.ErrInvalidGrant.WithHint("The device_code was used already.")
	case g.State == deviceRedeemed:
		return false, nil
	case g.State == deviceDenied:
		return false, errDenied
	case s.now() >= g.ExpiresAt:
		return false, fosite.ErrDeviceExpiredToken
	case g.State == deviceApproved:
		return false, nil
	}
	return s.tooEarly(ctx, g.DeviceCodeHash)
}

// CreateDeviceAuthSession implements rfc8628.DeviceAuthStorage.
func (f Fosite) CreateDeviceAuthSession(ctx context.Context, deviceHash, userHash string, r fosite.DeviceRequester) error {
	session, ok := r.GetSession().(*Session)
	if !ok {
		return fmt.Errorf("device grant: %w", ErrUnavailable)
	}
	err := f.createDeviceGrant(ctx, []byte(deviceHash), []byte(userHash), r, session)
	if errors.Is(err, ErrExists) {
		return fosite.ErrExistingUserCodeSignature // another one is drawn
	}
	return err
}

// GetDeviceCodeSession implements rfc8628.DeviceAuthStorage. A grant whose
// answer may be given again looks as it did before it was redeemed.
func (f Fosite) GetDeviceCodeSession(ctx context.Context, hash string, _ fosite.Session) (fosite.DeviceRequester, error) {
	x := exchangeFrom(ctx)
	if x.device == nil || string(x.device.DeviceCodeHash) != hash {
		return nil, fmt.Errorf("device code: %w", fosite.ErrNotFound)
	}
	scopes := strings.Fields(x.device.Scope)
	r := &fosite.DeviceRequest{Request: fosite.Request{
		ID: x.device.SessionID, RequestedAt: fromMilli(x.device.CreatedAt), Client: x.client, Session: f.deviceSession(x),
		RequestedScope: scopes, GrantedScope: scopes, Form: url.Values{},
	}}
	switch x.device.State {
	case devicePending:
		r.UserCodeState = fosite.UserCodeUnused
	case deviceDenied:
		r.UserCodeState = fosite.UserCodeRejected
	default:
		r.UserCodeState = fosite.UserCodeAccepted
	}
	return r, nil
}

// deviceSession is the session that a grant begins, or has begun.
func (s *Store) deviceSession(x *Exchange) *Session {
	g, login := x.device, x.device.login()
	session := &Session{ID: g.SessionID, UserID: s.UserID(login.Localpart), DeviceID: deref(g.DeviceID), ClientID: g.ClientID, Kind: OAuth,
		Scope: g.Scope, Login: login, Account: x.account.account(), Rotation: Rotation{Generation: firstGeneration}}
	if g.RedeemedAt != nil {
		session.Rotation.Replay, session.Rotation.ReplayedAt = true, fromMilli(*g.RedeemedAt)
	}
	return session
}

// InvalidateDeviceCodeSession implements rfc8628.DeviceAuthStorage. Of any
// number of polls one redeems the grant, and the others repeat its answer.
func (f Fosite) InvalidateDeviceCodeSession(ctx context.Context, hash string) error {
	x := exchangeFrom(ctx)
	if x.device == nil || string(x.device.DeviceCodeHash) != hash {
		return fmt.Errorf("device code: %w", ErrNotFound)
	}
	first, err := f.redeemDevice(ctx, x.device)
	x.repeated = !first
	return err
}
