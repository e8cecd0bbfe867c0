package store

import (
	"time"

	"gorm.io/gorm"
)

// sessionRow is a row of sessions.
type sessionRow struct {
	ID                  string
	Kind                string
	DeviceID            *string
	ClientID            *string
	Scope               string
	Login               loginColumns `gorm:"embedded"`
	CreatedAt           int64
	Generation          int64
	GenerationUsedAt    *int64
	RefreshHash         []byte
	PreviousRefreshHash []byte
	SuccessorSeed       []byte
	PreviousSeed        []byte
	RotatedAt           int64
	RefreshExpiresAt    *int64
	EndedAt             *int64
	EndReason           *string
	EndedBy             *string
	Address             string
}

func (sessionRow) TableName() string { return "sessions" }

// accountColumns are the columns of users that decide what a session may do.
type accountColumns struct {
	LockedAt      *int64
	SuspendedAt   *int64
	DeactivatedAt *int64
	MarkedAdminBy string
}

func (a accountColumns) account() Account {
	return Account{Locked: a.LockedAt != nil, Suspended: a.SuspendedAt != nil, Deactivated: a.DeactivatedAt != nil, MarkedAdminBy: a.MarkedAdminBy}
}

// session rebuilds fosite's session from its row.
func (s *Store) session(r *sessionRow, a accountColumns) *Session {
	return &Session{
		ID: r.ID, UserID: s.UserID(r.Login.Localpart), DeviceID: deref(r.DeviceID), ClientID: deref(r.ClientID),
		Kind: SessionKind(r.Kind), Scope: r.Scope,
		Login:   r.Login.login(),
		Account: a.account(), Ended: r.EndedAt != nil,
	}
}

// UserID is the Matrix user ID of a localpart on this server.
func (s *Store) UserID(localpart string) string { return "@" + localpart + ":" + s.serverName }

// sessionWithClient is what the token endpoint reads of a refresh token: the
// session, its user and its client, in one statement.
type sessionWithClient struct {
	Session sessionRow   `gorm:"embedded"`
	Owner   ownerColumns `gorm:"embedded"`
}

func (sessionWithClient) query(db *gorm.DB) *gorm.DB {
	return db.Table("sessions AS s").
		Select("s.*, " + selectOwner).
		Joins("JOIN users u ON u.localpart = s.localpart").
		Joins("LEFT JOIN clients c ON c.id = s.client_id")
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// optional stores the empty string as NULL.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// milli stores the zero time as NULL.
func milli(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}
