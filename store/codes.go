package store

import (
	"context"
	"fmt"
	"time"
)

// codeRow is a row of authorization_codes.
type codeRow struct {
	CodeHash            []byte
	SessionID           string
	ClientID            string
	DeviceID            *string
	Scope               string
	RedirectURI         string
	CodeChallenge       string
	CodeChallengeMethod string
	Nonce               string
	Login               loginColumns `gorm:"embedded"`
	CreatedAt           int64
	ExpiresAt           int64
	RedeemedAt          *int64
}

func (codeRow) TableName() string { return "authorization_codes" }

// codeSession rebuilds fosite's session from a code.
func (s *Store) codeSession(r *codeRow, a accountColumns) *Session {
	return &Session{
		ID: r.SessionID, UserID: s.UserID(r.Login.Localpart), DeviceID: deref(r.DeviceID), ClientID: r.ClientID, Kind: OAuth, Scope: r.Scope,
		Login: r.Login.login(), Nonce: r.Nonce, Account: a.account(), Rotation: Rotation{Generation: firstGeneration},
	}
}

// createCode stores a code that lives until expires.
func (s *Store) createCode(ctx context.Context, row codeRow, expires time.Time) error {
	row.CreatedAt, row.ExpiresAt = s.now(), expires.UnixMilli()
	return fault("store an authorization code", s.write(ctx).Create(&row).Error)
}

// RedeemCode marks a code as used. Of any number of callers one succeeds, the
// others get ErrConflict (conformance D-19).
func (s *Store) RedeemCode(ctx context.Context, codeHash []byte) error {
	return one("redeem an authorization code", s.write(ctx).Model(&codeRow{}).
		Where("code_hash = ? AND redeemed_at IS NULL", codeHash).Update("redeemed_at", s.now()), ErrConflict)
}

// codeExpired tells whether a code's time is over.
func (s *Store) codeExpired(r *codeRow) bool { return s.now() >= r.ExpiresAt }

// errCode names a code in an error without showing it.
func errCode(err error) error { return fmt.Errorf("authorization code: %w", err) }
