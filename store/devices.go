package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"
)

// Device is a Matrix device of a user.
type Device struct {
	Localpart   string
	ID          string
	DisplayName string
	// ClientID is set for an OIDC device (MSC4312): one that came through the
	// OAuth server, whatever became of its session.
	ClientID        string
	ProviderID      string
	UpstreamIssuer  string
	UpstreamSubject string
	CreatedAt       time.Time
	LastSeenAt      time.Time // exact to SeenResolution
	LastAddress     string    // from where it was seen last; "" where it is not known
}

type deviceRow struct {
	Localpart       string
	DeviceID        string
	DisplayName     string
	ClientID        *string
	ProviderID      *string
	UpstreamIssuer  *string
	UpstreamSubject *string
	CreatedAt       int64
	LastSeenAt      int64
	LastSeenAddress string
}

func (deviceRow) TableName() string { return "devices" }

func (r deviceRow) device() Device {
	return Device{Localpart: r.Localpart, ID: r.DeviceID, DisplayName: r.DisplayName, ClientID: deref(r.ClientID),
		ProviderID: deref(r.ProviderID), UpstreamIssuer: deref(r.UpstreamIssuer), UpstreamSubject: deref(r.UpstreamSubject),
		CreatedAt: fromMilli(r.CreatedAt), LastSeenAt: fromMilli(r.LastSeenAt), LastAddress: r.LastSeenAddress}
}

// EnsureDevice makes a device exist. One that is there keeps its name. It
// returns ErrIsKey for what may be no device of this user.
func (s *Store) EnsureDevice(ctx context.Context, localpart, deviceID, displayName string) error {
	result := s.write(ctx).Exec(`INSERT INTO devices (localpart, device_id, display_name, created_at, last_seen_at)
		SELECT ?, ?, ?, CAST(? AS BIGINT), CAST(? AS BIGINT)
		WHERE NOT EXISTS (SELECT 1 FROM cross_signing_keys WHERE localpart = ? AND key_id = ?) ON CONFLICT DO NOTHING`,
		localpart, deviceID, displayName, s.now(), s.now(), localpart, deviceID)
	if result.Error != nil || result.RowsAffected > 0 {
		return fault("create a device", result.Error)
	}
	return s.NotKey(ctx, localpart, deviceID)
}

// claimDevice ties a device to the login that a session begins with, and
// creates it when the homeserver port has not.
func (s *Store) claimDevice(ctx context.Context, n NewSession) error {
	x := n.Session
	row := deviceRow{Localpart: x.Login.Localpart, DeviceID: x.DeviceID, DisplayName: n.DeviceName, ClientID: optional(x.ClientID),
		ProviderID: optional(x.Login.ProviderID), UpstreamIssuer: optional(x.Login.UpstreamIssuer), UpstreamSubject: optional(x.Login.UpstreamSubject),
		CreatedAt: s.now(), LastSeenAt: s.now(), LastSeenAddress: addressFrom(ctx)}
	return fault("claim a device", s.write(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "localpart"}, {Name: "device_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"client_id", "provider_id", "upstream_issuer", "upstream_subject", "last_seen_at", "last_seen_address"}),
	}).Create(&row).Error)
}

// Device returns one device of a user, or ErrNotFound.
func (s *Store) Device(ctx context.Context, localpart, deviceID string) (Device, error) {
	var row deviceRow
	err := s.read(ctx).Where("localpart = ? AND device_id = ?", localpart, deviceID).Take(&row).Error
	return row.device(), fault("read a device", err)
}

// Devices returns the devices of a user, oldest first.
func (s *Store) Devices(ctx context.Context, localpart string) ([]Device, error) {
	var rows []deviceRow
	if err := s.read(ctx).Where("localpart = ?", localpart).Order("created_at, device_id").Find(&rows).Error; err != nil {
		return nil, fault("read the devices", err)
	}
	devices := make([]Device, 0, len(rows))
	for _, r := range rows {
		devices = append(devices, r.device())
	}
	return devices, nil
}

// DeviceInUse tells whether a session lives on a device.
func (s *Store) DeviceInUse(ctx context.Context, localpart, deviceID string) (bool, error) {
	var count int64
	err := s.read(ctx).Model(&sessionRow{}).Where("localpart = ? AND device_id = ? AND ended_at IS NULL", localpart, deviceID).Count(&count).Error
	return count > 0, fault("look for the session of a device", err)
}

// RenameDevice changes the display name of a device, or returns ErrNotFound.
func (s *Store) RenameDevice(ctx context.Context, localpart, deviceID, displayName string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		result := s.write(ctx).Model(&deviceRow{}).Where("localpart = ? AND device_id = ?", localpart, deviceID).Update("display_name", displayName)
		if err := one("rename a device", result, ErrNotFound); err != nil {
			return err
		}
		if err := s.tellHomeserver(ctx, HomeserverChange{Change: ChangeDeviceName, Localpart: localpart, DeviceIDs: []string{deviceID}}); err != nil {
			return err
		}
		return s.Record(ctx, Event{Action: ActionDeviceRenamed, Localpart: localpart, DeviceID: deviceID, Actor: ActorUser})
	})
}
