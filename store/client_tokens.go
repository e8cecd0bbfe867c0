package store

import (
	"context"
	"time"
)

// ClientToken is an access token that a client has in its own name (RFC 6749
// §4.4).
type ClientToken struct {
	ClientID            string
	Scope               string // "" for none
	IssuedAt, ExpiresAt time.Time
}

type clientTokenRow struct {
	TokenHash []byte
	ClientID  string
	Scope     string
	IssuedAt  int64
	ExpiresAt int64
}

func (clientTokenRow) TableName() string { return "client_tokens" }

// AddClientToken stores a token of a client, and counts as a use of its
// registration.
func (s *Store) AddClientToken(ctx context.Context, hash []byte, t ClientToken) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		row := clientTokenRow{TokenHash: hash, ClientID: t.ClientID, Scope: t.Scope, IssuedAt: t.IssuedAt.UnixMilli(), ExpiresAt: t.ExpiresAt.UnixMilli()}
		if err := s.write(ctx).Create(&row).Error; err != nil {
			return fault("store a client token", err)
		}
		if s.configuredClient(t.ClientID) != nil {
			return nil
		}
		return fault("use a client", s.write(ctx).Model(&clientRow{}).Where("id = ?", t.ClientID).Update("last_used_at", s.now()).Error)
	})
}

// ClientToken returns a token that is valid, or ErrNotFound: it was never one,
// has expired, was removed, or its client is gone.
func (s *Store) ClientToken(ctx context.Context, hash []byte) (ClientToken, error) {
	var row struct {
		Token        clientTokenRow `gorm:"embedded"`
		RegisteredID *string
	}
	result := s.read(ctx).Table("client_tokens AS t").Select("t.*, c.id AS registered_id").
		Joins("LEFT JOIN clients c ON c.id = t.client_id").
		Where("t.token_hash = ? AND t.expires_at > ?", hash, s.now()).Limit(1).Find(&row)
	t := row.Token
	switch {
	case result.Error != nil:
		return ClientToken{}, fault("read a client token", result.Error)
	case result.RowsAffected == 0, row.RegisteredID == nil && s.configuredClient(t.ClientID) == nil:
		return ClientToken{}, ErrNotFound
	}
	return ClientToken{ClientID: t.ClientID, Scope: t.Scope, IssuedAt: fromMilli(t.IssuedAt), ExpiresAt: fromMilli(t.ExpiresAt)}, nil
}

// RemoveClientToken ends a token. One that is not there is no error.
func (s *Store) RemoveClientToken(ctx context.Context, hash []byte) error {
	return fault("remove a client token", s.write(ctx).Where("token_hash = ?", hash).Delete(&clientTokenRow{}).Error)
}
