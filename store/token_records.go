package store

import (
	"bytes"
	"context"
	"time"
)

// GrantRecord is all that is known of a code, a device code or a login token.
type GrantRecord struct {
	SessionID string // that it begins, or has begun
	Localpart string // "" while nobody has approved it
	ClientID  string
	DeviceID  string
	Scope     string
	IssuedAt  time.Time
	ExpiresAt time.Time
	State     string
}

// The states of a grant. Codes and login tokens are approved from the start.
const (
	GrantPending  = devicePending
	GrantApproved = deviceApproved
	GrantDenied   = deviceDenied
	GrantRedeemed = deviceRedeemed
)

// CodeRecord returns an authorization code by its hash, whatever has become of
// it, or ErrNotFound.
func (s *Store) CodeRecord(ctx context.Context, hash []byte) (GrantRecord, error) {
	var r codeRow
	if err := s.read(ctx).Where("code_hash = ?", hash).Take(&r).Error; err != nil {
		return GrantRecord{}, errCode(fault("read an authorization code", err))
	}
	record := GrantRecord{SessionID: r.SessionID, Localpart: r.Login.Localpart, ClientID: r.ClientID, DeviceID: deref(r.DeviceID), Scope: r.Scope,
		IssuedAt: fromMilli(r.CreatedAt), ExpiresAt: fromMilli(r.ExpiresAt), State: GrantApproved}
	if r.RedeemedAt != nil {
		record.State = GrantRedeemed
	}
	return record, nil
}

// DeviceGrantRecord returns a device grant by the hash of its device code,
// whatever has become of it, or ErrNotFound.
func (s *Store) DeviceGrantRecord(ctx context.Context, hash []byte) (GrantRecord, error) {
	var r deviceGrantRow
	if err := s.read(ctx).Where("device_code_hash = ?", hash).Take(&r).Error; err != nil {
		return GrantRecord{}, fault("read a device grant", err)
	}
	return GrantRecord{SessionID: r.SessionID, Localpart: deref(r.Localpart), ClientID: r.ClientID, DeviceID: deref(r.DeviceID), Scope: r.Scope,
		IssuedAt: fromMilli(r.CreatedAt), ExpiresAt: fromMilli(r.ExpiresAt), State: r.State}, nil
}

// LoginTokenRecord returns a login token by its hash, or ErrNotFound: a used one
// is gone.
func (s *Store) LoginTokenRecord(ctx context.Context, hash []byte) (GrantRecord, error) {
	var r loginTokenRow
	if err := s.read(ctx).Where("token_hash = ?", hash).Take(&r).Error; err != nil {
		return GrantRecord{}, fault("read a login token", err)
	}
	return GrantRecord{Localpart: r.Login.Localpart, IssuedAt: fromMilli(r.CreatedAt), ExpiresAt: fromMilli(r.ExpiresAt), State: GrantApproved}, nil
}

// RefreshStanding is what a refresh token is to its session.
type RefreshStanding int

// What a refresh token can be.
const (
	// RefreshUnknown: neither the session's current token nor the one before. An
	// older one and one that was made up look alike.
	RefreshUnknown RefreshStanding = iota
	RefreshCurrent
	// RefreshPrevious: exchanged, and good for the same answer again until what
	// it was exchanged for has been used.
	RefreshPrevious
	// RefreshReplaced: exchanged, and its successor is in use.
	RefreshReplaced
)

// RefreshRecord tells what the refresh token of that hash is to the session, and
// when it was issued; zero where that is not known. ErrNotFound: there is no
// such session.
func (s *Store) RefreshRecord(ctx context.Context, sessionID string, hash []byte) (standing RefreshStanding, issued time.Time, err error) {
	var r sessionRow
	if err := s.read(ctx).Where("id = ?", sessionID).Take(&r).Error; err != nil {
		return RefreshUnknown, time.Time{}, fault("read a session", err)
	}
	s.usage.apply(&r)
	switch {
	case r.RefreshHash != nil && bytes.Equal(hash, r.RefreshHash):
		return RefreshCurrent, fromMilli(r.RotatedAt), nil
	case r.PreviousRefreshHash != nil && bytes.Equal(hash, r.PreviousRefreshHash) && r.GenerationUsedAt == nil:
		return RefreshPrevious, time.Time{}, nil
	case r.PreviousRefreshHash != nil && bytes.Equal(hash, r.PreviousRefreshHash):
		return RefreshReplaced, time.Time{}, nil
	}
	return RefreshUnknown, time.Time{}, nil
}
