package store

import (
	"context"
	"time"

	"keymaker/internal/secret"
)

type loginTokenRow struct {
	TokenHash []byte
	Login     loginColumns `gorm:"embedded"`
	CreatedAt int64
	ExpiresAt int64
}

func (loginTokenRow) TableName() string { return "login_tokens" }

// AddLoginToken stores an m.login.token that lives until expires.
func (s *Store) AddLoginToken(ctx context.Context, token string, l Login, expires time.Time) error {
	row := loginTokenRow{TokenHash: secret.Hash(token), Login: columnsOf(l), CreatedAt: s.now(), ExpiresAt: expires.UnixMilli()}
	return fault("store a login token", s.write(ctx).Create(&row).Error)
}

// LoginToken returns the login of a token that is still valid, or ErrNotFound.
func (s *Store) LoginToken(ctx context.Context, token string) (Login, error) {
	var r loginTokenRow
	err := s.read(ctx).Where("token_hash = ? AND expires_at > ?", secret.Hash(token), s.now()).Take(&r).Error
	return r.Login.login(), fault("read a login token", err)
}

// TakeLoginToken removes a token that is still valid: of any number of callers
// one succeeds, the others get ErrNotFound (conformance I-08, L-27).
func (s *Store) TakeLoginToken(ctx context.Context, token string) error {
	result := s.write(ctx).Where("token_hash = ? AND expires_at > ?", secret.Hash(token), s.now()).Delete(&loginTokenRow{})
	return one("take a login token", result, ErrNotFound)
}
