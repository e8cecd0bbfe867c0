package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"
)

// accessTokenRow is a row of access_tokens.
type accessTokenRow struct {
	TokenHash  []byte
	SessionID  string
	Generation int64
	IssuedAt   int64
	ExpiresAt  *int64
}

func (accessTokenRow) TableName() string { return "access_tokens" }

// NewAccessToken is an access token to be stored.
type NewAccessToken struct {
	Hash       []byte
	SessionID  string
	Generation int64
	IssuedAt   time.Time
	ExpiresAt  time.Time // zero = never
}

// AddAccessToken stores an access token. A repeated answer stores the same
// token again, which changes nothing.
func (s *Store) AddAccessToken(ctx context.Context, t NewAccessToken) error {
	row := accessTokenRow{TokenHash: t.Hash, SessionID: t.SessionID, Generation: t.Generation, IssuedAt: t.IssuedAt.UnixMilli(), ExpiresAt: milli(t.ExpiresAt)}
	err := s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error
	return fault("store an access token", err)
}

// AccessToken returns the session of an access token, whether it has expired,
// ended or belongs to a locked user: the caller decides, for each means another
// answer. It is one statement, and ErrNotFound when there is no such token.
func (s *Store) AccessToken(ctx context.Context, hash []byte) (*Session, error) {
	var row struct {
		Session         sessionRow     `gorm:"embedded"`
		Account         accountColumns `gorm:"embedded"`
		TokenGeneration int64
		TokenIssuedAt   int64
		TokenExpiresAt  *int64
		LastSeenAt      int64
		RegisteredID    *string
	}
	result := s.read(ctx).Table("access_tokens AS t").
		Select(`s.*, u.locked_at, u.suspended_at, u.deactivated_at, u.marked_admin_by, COALESCE(d.last_seen_at, 0) AS last_seen_at,
			t.generation AS token_generation, t.issued_at AS token_issued_at, t.expires_at AS token_expires_at,
			c.id AS registered_id`).
		Joins("JOIN sessions s ON s.id = t.session_id").
		Joins("JOIN users u ON u.localpart = s.localpart").
		Joins("LEFT JOIN devices d ON d.localpart = s.localpart AND d.device_id = s.device_id").
		Joins("LEFT JOIN clients c ON c.id = s.client_id").
		Where("t.token_hash = ?", hash).Limit(1).Scan(&row)
	if result.Error == nil && result.RowsAffected == 0 {
		return nil, ErrNotFound
	}
	if result.Error != nil {
		return nil, fault("read an access token", result.Error)
	}
	session := s.session(&row.Session, row.Account)
	session.ClientGone = session.ClientID != "" && row.RegisteredID == nil && s.configuredClient(session.ClientID) == nil
	session.IssuedAt = fromMilli(row.TokenIssuedAt)
	if row.TokenExpiresAt != nil {
		session.ExpiresAt = fromMilli(*row.TokenExpiresAt)
	}
	session.use = use{
		session: row.Session.ID, localpart: row.Session.Login.Localpart, device: session.DeviceID, generation: row.TokenGeneration,
		first: row.TokenGeneration == row.Session.Generation && row.Session.GenerationUsedAt == nil,
		seen:  row.LastSeenAt, address: addressFrom(ctx),
	}
	return session, nil
}
