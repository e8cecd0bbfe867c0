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
	// LastSeenAt is exact to SeenResolution; zero for a session without a device.
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
	var rows []sessionWithDevice
	err := sessionsWithDevices(s.read(ctx)).Where("s.localpart = ? AND s.ended_at IS NULL", localpart).Order("s.created_at, s.id").Scan(&rows).Error
	if err != nil {
		return nil, fault("read the sessions of a user", err)
	}
	sessions := make([]LiveSession, 0, len(rows))
	for _, r := range rows {
		sessions = append(sessions, r.live())
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
