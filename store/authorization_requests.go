package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"keymaker/internal/secret"
)

// RequestKind tells what a person's approval is for.
type RequestKind string

// The kinds of authorization request.
const (
	// RequestOAuth ends in an authorization code.
	RequestOAuth RequestKind = "oauth"
	// RequestSSO ends in a login token (m.login.sso).
	RequestSSO RequestKind = "sso"
	// RequestDevice ends in the answer to a device grant (RFC 8628).
	RequestDevice RequestKind = "device"
)

// AuthorizationRequest is a request on its way through the identity provider
// and the person's approval.
type AuthorizationRequest struct {
	Kind     RequestKind
	ClientID string // "" but for RequestOAuth
	// Params are the request's parameters, as the protocol has them.
	Params    json.RawMessage
	ExpiresAt time.Time
	// Login is set once a person has signed in for it.
	Login *Login
}

type authorizationRequestRow struct {
	IDHash          []byte
	Kind            string
	BrowserHash     []byte
	ClientID        *string
	Params          string
	CreatedAt       int64
	ExpiresAt       int64
	Localpart       *string
	ProviderID      *string
	UpstreamIssuer  *string
	UpstreamSubject *string
	AuthTime        *int64
	CompletedAt     *int64
}

func (authorizationRequestRow) TableName() string { return "authorization_requests" }

func (r authorizationRequestRow) request() AuthorizationRequest {
	a := AuthorizationRequest{Kind: RequestKind(r.Kind), ClientID: deref(r.ClientID), Params: json.RawMessage(r.Params), ExpiresAt: fromMilli(r.ExpiresAt)}
	if r.Localpart != nil && r.AuthTime != nil {
		a.Login = &Login{Localpart: *r.Localpart, ProviderID: deref(r.ProviderID), UpstreamIssuer: deref(r.UpstreamIssuer),
			UpstreamSubject: deref(r.UpstreamSubject), AuthTime: fromMilli(*r.AuthTime), BrowserHash: string(r.BrowserHash)}
	}
	return a
}

// Begin stores a request of one browser and returns its unguessable id.
func (s *Store) Begin(ctx context.Context, browser string, a AuthorizationRequest) (id string, err error) {
	id = secret.Token()
	return id, s.BeginAs(ctx, browser, id, a)
}

// BeginAs stores a request of one browser under an id that only this browser
// can have.
func (s *Store) BeginAs(ctx context.Context, browser, id string, a AuthorizationRequest) error {
	row := authorizationRequestRow{IDHash: secret.Hash(id), Kind: string(a.Kind), BrowserHash: secret.Hash(browser), ClientID: optional(a.ClientID),
		Params: string(a.Params), CreatedAt: s.now(), ExpiresAt: a.ExpiresAt.UnixMilli()}
	return fault("store an authorization request", s.write(ctx).Create(&row).Error)
}

// Request returns a request that this browser began. ErrNotFound: there is
// none, it belongs to another browser, or its time is over; ErrConflict: it has
// been answered.
func (s *Store) Request(ctx context.Context, browser, id string) (AuthorizationRequest, error) {
	var row authorizationRequestRow
	err := s.read(ctx).Where("id_hash = ? AND browser_hash = ? AND expires_at > ?", secret.Hash(id), secret.Hash(browser), s.now()).Take(&row).Error
	if err != nil {
		return AuthorizationRequest{}, fault("read an authorization request", err)
	}
	if row.CompletedAt != nil {
		return row.request(), fmt.Errorf("authorization request: %w", ErrConflict)
	}
	return row.request(), nil
}

// SignedIn notes who signed in for a request that is still open.
func (s *Store) SignedIn(ctx context.Context, browser, id string, l Login) error {
	result := s.write(ctx).Model(&authorizationRequestRow{}).
		Where("id_hash = ? AND browser_hash = ? AND expires_at > ? AND completed_at IS NULL", secret.Hash(id), secret.Hash(browser), s.now()).
		Updates(map[string]any{"localpart": l.Localpart, "provider_id": l.ProviderID, "upstream_issuer": l.UpstreamIssuer,
			"upstream_subject": l.UpstreamSubject, "auth_time": l.AuthTime.UnixMilli()})
	return one("note a sign-in", result, ErrNotFound)
}

// Complete answers a request, once: a second answer gets ErrConflict
// (conformance C-69).
func (s *Store) Complete(ctx context.Context, browser, id string) error {
	result := s.write(ctx).Model(&authorizationRequestRow{}).
		Where("id_hash = ? AND browser_hash = ? AND completed_at IS NULL", secret.Hash(id), secret.Hash(browser)).
		Update("completed_at", s.now())
	return one("complete an authorization request", result, ErrConflict)
}

// Known returns the kind of a request that this browser began, be it open,
// answered or too old, as long as it is kept. ErrNotFound: there is none.
func (s *Store) Known(ctx context.Context, browser, id string) (RequestKind, error) {
	row, err := s.known(ctx, browser, id)
	return RequestKind(row.Kind), err
}

// Reopen begins a request that is Known once more, as if it had never been
// answered, and returns its id and who signed in for it before, if anybody.
func (s *Store) Reopen(ctx context.Context, browser, id string, expires time.Time) (again string, before *Login, err error) {
	row, err := s.known(ctx, browser, id)
	if err != nil {
		return "", nil, err
	}
	old := row.request()
	again, err = s.Begin(ctx, browser, AuthorizationRequest{Kind: old.Kind, ClientID: old.ClientID, Params: old.Params, ExpiresAt: expires})
	return again, old.Login, err
}

func (s *Store) known(ctx context.Context, browser, id string) (authorizationRequestRow, error) {
	var row authorizationRequestRow
	err := s.read(ctx).Where("id_hash = ? AND browser_hash = ?", secret.Hash(id), secret.Hash(browser)).Take(&row).Error
	return row, fault("find an authorization request", err)
}
