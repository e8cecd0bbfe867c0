package store

import (
	"context"
	"time"

	"keymaker/internal/secret"
)

type browserSessionRow struct {
	IDHash    []byte
	Login     loginColumns `gorm:"embedded"`
	CreatedAt int64
	ExpiresAt int64
}

func (browserSessionRow) TableName() string { return "browser_sessions" }

// SignInBrowser stores a browser session under its cookie's value.
func (s *Store) SignInBrowser(ctx context.Context, cookie string, l Login, expires time.Time) error {
	row := browserSessionRow{IDHash: secret.Hash(cookie), Login: columnsOf(l), CreatedAt: s.now(), ExpiresAt: expires.UnixMilli()}
	return fault("store a browser session", s.write(ctx).Create(&row).Error)
}

// BrowserSession returns who is signed in with a cookie, or ErrNotFound. A
// deactivated user is signed in nowhere.
func (s *Store) BrowserSession(ctx context.Context, cookie string) (Login, error) {
	var r browserSessionRow
	err := s.read(ctx).Where("id_hash = ? AND expires_at > ?", secret.Hash(cookie), s.now()).
		Where("localpart IN (SELECT localpart FROM users WHERE deactivated_at IS NULL)").Take(&r).Error
	return r.Login.login(), fault("read a browser session", err)
}

// SignOutBrowser ends a browser session.
func (s *Store) SignOutBrowser(ctx context.Context, cookie string) error {
	return fault("end a browser session", s.write(ctx).Where("id_hash = ?", secret.Hash(cookie)).Delete(&browserSessionRow{}).Error)
}
