package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// ListedUser is a user with how much belongs to them.
type ListedUser struct {
	User User
	// Links are accounts at identity providers, Sessions those that have not
	// ended.
	Links, Sessions, Devices int
}

// UserPage says which users to list: those after a localpart, at most Limit.
type UserPage struct {
	// ProviderID is a provider that they are linked at; "" for all users.
	ProviderID string
	After      string
	Limit      int
}

// ListUsers returns users in the order of their localparts.
func (s *Store) ListUsers(ctx context.Context, p UserPage) ([]ListedUser, error) {
	var rows []struct {
		User                     userRow `gorm:"embedded"`
		Links, Sessions, Devices int
	}
	query := s.read(ctx).Table("users AS u").Select(`u.*,
		(SELECT count(*) FROM upstream_links l WHERE l.localpart = u.localpart) AS links,
		(SELECT count(*) FROM sessions s WHERE s.localpart = u.localpart AND s.ended_at IS NULL) AS sessions,
		(SELECT count(*) FROM devices d WHERE d.localpart = u.localpart) AS devices`).
		Where("u.localpart > ?", p.After)
	if p.ProviderID != "" {
		query = query.Where("EXISTS (SELECT 1 FROM upstream_links l WHERE l.localpart = u.localpart AND l.provider_id = ?)", p.ProviderID)
	}
	if err := query.Order("u.localpart").Limit(p.Limit).Scan(&rows).Error; err != nil {
		return nil, fault("list the users", err)
	}
	users := make([]ListedUser, 0, len(rows))
	for _, r := range rows {
		users = append(users, ListedUser{User: r.User.user(), Links: r.Links, Sessions: r.Sessions, Devices: r.Devices})
	}
	return users, nil
}

// SessionRecord is all that is known of a session, live or ended.
type SessionRecord struct {
	LiveSession

	// Generation counts the rotations of the refresh token, from 1.
	Generation int64
	// HasRefresh is set when the session has a refresh token, which ends at
	// RefreshExpiresAt; zero = never.
	HasRefresh       bool
	RefreshExpiresAt time.Time
	// EndedAt is zero for a live session.
	EndedAt   time.Time
	EndReason EndReason
	EndedBy   string
}

// SessionPage says which sessions to list: those that began before one, at most
// Limit.
type SessionPage struct {
	// Localpart, ProviderID and ClientID are whose they are; "" for everybody's.
	Localpart, ProviderID, ClientID string
	// Ended lists those that have ended, too.
	Ended  bool
	Before string
	Limit  int
}

// ListSessions returns sessions, the newest first. An ended one is known for a
// month.
func (s *Store) ListSessions(ctx context.Context, p SessionPage) ([]SessionRecord, error) {
	var rows []sessionWithDevice
	query := sessionsWithDevices(s.read(ctx))
	for column, value := range map[string]string{"s.localpart": p.Localpart, "s.provider_id": p.ProviderID, "s.client_id": p.ClientID} {
		if value != "" {
			query = query.Where(column+" = ?", value)
		}
	}
	if !p.Ended {
		query = query.Where("s.ended_at IS NULL")
	}
	if p.Before != "" {
		query = query.Where("s.id < ?", p.Before)
	}
	if err := query.Order("s.id DESC").Limit(p.Limit).Scan(&rows).Error; err != nil {
		return nil, fault("list the sessions", err)
	}
	sessions := make([]SessionRecord, 0, len(rows))
	for _, r := range rows {
		sessions = append(sessions, r.record())
	}
	return sessions, nil
}

// SessionRecord returns a session by its id, live or ended, or ErrNotFound.
func (s *Store) SessionRecord(ctx context.Context, id string) (SessionRecord, error) {
	var row sessionWithDevice
	result := sessionsWithDevices(s.read(ctx)).Where("s.id = ?", id).Limit(1).Find(&row)
	return row.record(), one("read a session", result, ErrNotFound)
}

// sessionWithDevice is a session with what its device shows.
type sessionWithDevice struct {
	Session         sessionRow `gorm:"embedded"`
	DisplayName     string
	LastSeenAt      *int64
	LastSeenAddress string
}

func sessionsWithDevices(db *gorm.DB) *gorm.DB {
	return db.Table("sessions AS s").
		Select("s.*, COALESCE(d.display_name, '') AS display_name, d.last_seen_at, COALESCE(d.last_seen_address, '') AS last_seen_address").
		Joins("LEFT JOIN devices d ON d.localpart = s.localpart AND d.device_id = s.device_id")
}

func (r *sessionWithDevice) live() LiveSession {
	live := LiveSession{ID: r.Session.ID, Kind: SessionKind(r.Session.Kind), DeviceID: deref(r.Session.DeviceID), DeviceName: r.DisplayName,
		ClientID: deref(r.Session.ClientID), Scope: r.Session.Scope, Login: r.Session.Login.login(),
		StartedAt: fromMilli(r.Session.CreatedAt), RefreshedAt: fromMilli(r.Session.RotatedAt),
		Address: r.Session.Address, DeviceAddress: r.LastSeenAddress}
	if r.LastSeenAt != nil {
		live.LastSeenAt = fromMilli(*r.LastSeenAt)
	}
	return live
}

func (r *sessionWithDevice) record() SessionRecord {
	record := SessionRecord{LiveSession: r.live(), Generation: r.Session.Generation, HasRefresh: r.Session.RefreshHash != nil,
		EndReason: EndReason(deref(r.Session.EndReason)), EndedBy: deref(r.Session.EndedBy)}
	if r.Session.RefreshExpiresAt != nil {
		record.RefreshExpiresAt = fromMilli(*r.Session.RefreshExpiresAt)
	}
	if r.Session.EndedAt != nil {
		record.EndedAt = fromMilli(*r.Session.EndedAt)
	}
	return record
}

// DevicePage says which devices to list: those after a device of a user, at
// most Limit.
type DevicePage struct {
	// Localpart and ProviderID are whose they are; "" for everybody's.
	Localpart, ProviderID string
	// OIDC leaves out the devices of legacy logins (MSC4312).
	OIDC                        bool
	AfterLocalpart, AfterDevice string
	Limit                       int
}

// ListDevices returns devices in the order of their users' localparts and their
// ids.
func (s *Store) ListDevices(ctx context.Context, p DevicePage) ([]Device, error) {
	query := s.read(ctx)
	if p.Localpart != "" {
		query = query.Where("localpart = ?", p.Localpart)
	}
	if p.ProviderID != "" {
		query = query.Where("provider_id = ?", p.ProviderID)
	}
	if p.OIDC {
		query = query.Where("client_id IS NOT NULL")
	}
	if p.AfterLocalpart != "" {
		query = query.Where("(localpart, device_id) > (?, ?)", p.AfterLocalpart, p.AfterDevice)
	}
	var rows []deviceRow
	if err := query.Order("localpart, device_id").Limit(p.Limit).Find(&rows).Error; err != nil {
		return nil, fault("list the devices", err)
	}
	devices := make([]Device, 0, len(rows))
	for _, r := range rows {
		devices = append(devices, r.device())
	}
	return devices, nil
}

// ProviderUse is how much of the database came through an identity provider.
type ProviderUse struct {
	// Users are linked there, and Sessions have not ended.
	Users, Sessions, Devices int
}

// ProviderUses returns what came through each identity provider, configured or
// not, by its id.
func (s *Store) ProviderUses(ctx context.Context) (map[string]ProviderUse, error) {
	var rows []struct {
		ProviderID               string
		Users, Sessions, Devices int
	}
	err := s.read(ctx).Raw(`SELECT provider_id, sum(users) AS users, sum(sessions) AS sessions, sum(devices) AS devices FROM (
		SELECT provider_id, count(DISTINCT localpart) AS users, 0 AS sessions, 0 AS devices FROM upstream_links GROUP BY provider_id
		UNION ALL SELECT provider_id, 0, count(*), 0 FROM sessions WHERE ended_at IS NULL GROUP BY provider_id
		UNION ALL SELECT provider_id, 0, 0, count(*) FROM devices WHERE provider_id IS NOT NULL GROUP BY provider_id
		) AS used GROUP BY provider_id`).Scan(&rows).Error
	if err != nil {
		return nil, fault("count what came through the providers", err)
	}
	uses := make(map[string]ProviderUse, len(rows))
	for _, r := range rows {
		uses[r.ProviderID] = ProviderUse{Users: r.Users, Sessions: r.Sessions, Devices: r.Devices}
	}
	return uses, nil
}
