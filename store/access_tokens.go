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

// sessionByHash finds the session of an access token. It is a constant, and its
// row is read by hand: the homeserver asks for it at every request of its clients.
// What it joins is found by primary keys. When the device was seen it looks up only
// where that can make a difference: a first use is written in any case, and another
// within SeenResolution of the first one is not.
const sessionByHash = `
SELECT t.generation, t.issued_at, t.expires_at,
	s.id, s.kind, s.device_id, s.client_id, s.scope, s.localpart, s.provider_id, s.upstream_issuer, s.upstream_subject, s.auth_time, s.browser_hash,
	s.generation, s.generation_used_at, s.ended_at,
	u.locked_at, u.suspended_at, u.deactivated_at, u.marked_admin_by, c.id,
	CASE WHEN s.generation_used_at <= ? OR s.generation <> t.generation THEN (
		SELECT d.last_seen_at FROM devices AS d WHERE d.localpart = s.localpart AND d.device_id = s.device_id
	) END
FROM access_tokens AS t
JOIN sessions AS s ON s.id = t.session_id
JOIN users AS u ON u.localpart = s.localpart
LEFT JOIN clients AS c ON c.id = s.client_id
WHERE t.token_hash = ?`

// accessTokenWithSession is a row of sessionByHash.
type accessTokenWithSession struct {
	token   accessTokenRow
	session sessionRow
	account accountColumns
	// registeredID is nil where the client is not among those that registered.
	registeredID *string
	lastSeen     *int64 // nil where it was not looked up
}

// columns are where the columns of sessionByHash go, in their order.
func (r *accessTokenWithSession) columns() []any {
	t, s, l, a := &r.token, &r.session, &r.session.Login, &r.account
	return []any{
		&t.Generation, &t.IssuedAt, &t.ExpiresAt,
		&s.ID, &s.Kind, &s.DeviceID, &s.ClientID, &s.Scope, &l.Localpart, &l.ProviderID, &l.UpstreamIssuer, &l.UpstreamSubject, &l.AuthTime, &l.BrowserHash,
		&s.Generation, &s.GenerationUsedAt, &s.EndedAt,
		&a.LockedAt, &a.SuspendedAt, &a.DeactivatedAt, &a.MarkedAdminBy, &r.registeredID, &r.lastSeen,
	}
}

// AccessToken returns the session of an access token, whether it has expired,
// ended or belongs to a locked user: the caller decides, for each means another
// answer. It is one statement, and ErrNotFound when there is no such token.
func (s *Store) AccessToken(ctx context.Context, hash []byte) (*Session, error) {
	var row accessTokenWithSession
	due := s.now() - SeenResolution.Milliseconds()
	if err := s.readOne(ctx, s.sessionByHash, []any{due, hash}, row.columns()); err != nil {
		return nil, fault("read an access token", err)
	}
	session := s.session(&row.session, row.account)
	session.ClientGone = session.ClientID != "" && row.registeredID == nil && s.configuredClient(session.ClientID) == nil
	session.IssuedAt = fromMilli(row.token.IssuedAt)
	if row.token.ExpiresAt != nil {
		session.ExpiresAt = fromMilli(*row.token.ExpiresAt)
	}
	session.use = use{
		session: row.session.ID, localpart: session.Login.Localpart, device: session.DeviceID, generation: row.token.Generation,
		first:   row.token.Generation == row.session.Generation && row.session.GenerationUsedAt == nil,
		address: addressFrom(ctx),
	}
	for _, seen := range []*int64{row.session.GenerationUsedAt, row.lastSeen} {
		if seen != nil {
			session.use.seen = max(session.use.seen, *seen)
		}
	}
	return session, nil
}
