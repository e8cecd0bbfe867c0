package store

import (
	"cmp"
	"context"
	"time"
)

// LiveSession is a session that has not ended.
type LiveSession struct {
	ID         string
	Kind       SessionKind
	DeviceID   string // "" for a session without the Matrix API
	DeviceName string
	ClientID   string // "" for a legacy login
	Scope      string
	Login      Login
	StartedAt  time.Time
	// RefreshedAt is the last rotation of the refresh token; without one, the
	// start.
	RefreshedAt time.Time
	// LastSeenAt is exact to two minutes; zero for a session without a device.
	LastSeenAt time.Time
	// Address is the IP address of the last start or rotation, DeviceAddress
	// that of LastSeenAt; "" where it is not known.
	Address, DeviceAddress string
}

// LastUse is when a session was used last, and from which IP address; "" where
// that is not known.
func (l LiveSession) LastUse() (at time.Time, address string) {
	if l.LastSeenAt.After(l.RefreshedAt) {
		return l.LastSeenAt, cmp.Or(l.DeviceAddress, l.Address)
	}
	return l.RefreshedAt, cmp.Or(l.Address, l.DeviceAddress)
}

// LiveSessions returns the sessions of a user that have not ended, oldest
// first. A user that does not exist has none.
func (s *Store) LiveSessions(ctx context.Context, localpart string) ([]LiveSession, error) {
	var rows []struct {
		Session         sessionRow `gorm:"embedded"`
		DisplayName     string
		LastSeenAt      *int64
		LastSeenAddress string
	}
	err := s.read(ctx).Table("sessions AS s").
		Select("s.*, COALESCE(d.display_name, '') AS display_name, d.last_seen_at, COALESCE(d.last_seen_address, '') AS last_seen_address").
		Joins("LEFT JOIN devices d ON d.localpart = s.localpart AND d.device_id = s.device_id").
		Where("s.localpart = ? AND s.ended_at IS NULL", localpart).Order("s.created_at, s.id").Scan(&rows).Error
	if err != nil {
		return nil, fault("read the sessions of a user", err)
	}
	sessions := make([]LiveSession, 0, len(rows))
	for _, r := range rows {
		live := LiveSession{ID: r.Session.ID, Kind: SessionKind(r.Session.Kind), DeviceID: deref(r.Session.DeviceID), DeviceName: r.DisplayName,
			ClientID: deref(r.Session.ClientID), Scope: r.Session.Scope, Login: r.Session.Login.login(),
			StartedAt: fromMilli(r.Session.CreatedAt), RefreshedAt: fromMilli(r.Session.RotatedAt),
			Address: r.Session.Address, DeviceAddress: r.LastSeenAddress}
		if r.LastSeenAt != nil {
			live.LastSeenAt = fromMilli(*r.LastSeenAt)
		}
		sessions = append(sessions, live)
	}
	return sessions, nil
}

// SessionOf returns a session by its id, live or ended, or ErrNotFound. An ended
// one is known for a month.
func (s *Store) SessionOf(ctx context.Context, id string) (*Session, error) {
	var row sessionRow
	if err := s.read(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return nil, fault("read a session", err)
	}
	return s.session(&row, accountColumns{}), nil
}
