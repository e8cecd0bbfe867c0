package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"keymaker/internal/secret"
)

// withoutSession is true for a device whose session has ended and left it.
const withoutSession = `NOT EXISTS (SELECT 1 FROM sessions s
	WHERE s.localpart = devices.localpart AND s.device_id = devices.device_id AND s.ended_at IS NULL)`

// IdleDevices returns the devices of a user that have no live session, oldest
// first: what ended their sessions has kept them, and with them their keys.
func (s *Store) IdleDevices(ctx context.Context, localpart string) ([]Device, error) {
	var rows []deviceRow
	err := s.read(ctx).Where("localpart = ?", localpart).Where(withoutSession).Order("created_at, device_id").Find(&rows).Error
	if err != nil {
		return nil, fault("read the idle devices", err)
	}
	devices := make([]Device, 0, len(rows))
	for _, r := range rows {
		devices = append(devices, r.device())
	}
	return devices, nil
}

// Places name sessions of a user by their ids, and devices that have none by
// theirs.
type Places struct {
	Sessions, Devices []string
}

// EndPlaces ends sessions of a user at their own wish, with their devices, and
// removes devices that have no live session. What is not there any more, or is
// somebody else's, is passed over (conformance H-06).
func (s *Store) EndPlaces(ctx context.Context, localpart string, p Places) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		ids := s.write(ctx).Model(&sessionRow{}).Select("id").Where("localpart = ? AND ended_at IS NULL AND id IN ?", localpart, p.Sessions).
			Order("id").Clauses(clause.Locking{Strength: "NO KEY UPDATE"})
		if err := s.endSessions(ctx, End{Reason: EndUserRequest, Actor: ActorUser}, "id IN (?)", ids); err != nil {
			return err
		}
		return s.removeIdle(ctx, localpart, p.Devices, End{Reason: EndUserRequest, Actor: ActorUser})
	})
}

// removeIdle removes devices of a user that have no live session.
func (s *Store) removeIdle(ctx context.Context, localpart string, ids []string, e End) error {
	var gone []deviceRow
	err := s.write(ctx).Clauses(clause.Returning{Columns: []clause.Column{{Name: "device_id"}, {Name: "client_id"}}}).
		Where("localpart = ? AND device_id IN ?", localpart, ids).Where(withoutSession).Delete(&gone).Error
	if err != nil {
		return fault("remove devices", err)
	}
	slices.SortFunc(gone, func(a, b deviceRow) int { return cmp.Compare(a.DeviceID, b.DeviceID) })
	var removed []string
	for _, d := range gone {
		err := s.Record(ctx, Event{Action: ActionDeviceRemoved, Localpart: localpart, DeviceID: d.DeviceID, ClientID: deref(d.ClientID),
			Actor: e.Actor, Reason: string(e.Reason)})
		if err != nil {
			return err
		}
		removed = append(removed, d.DeviceID)
	}
	return s.tellDevicesGone(ctx, localpart, removed...)
}

// SignOutElsewhere ends, at a person's own wish, all that is open but for what
// belongs to one browser: the sessions that it has not approved with their
// devices, logins and proofs on their way, and the browser sessions but for the
// cookie's.
func (s *Store) SignOutElsewhere(ctx context.Context, l Login, cookie string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		for _, row := range []any{&codeRow{}, &deviceGrantRow{}, &loginTokenRow{}} {
			if err := s.write(ctx).Where("localpart = ?", l.Localpart).Delete(row).Error; err != nil {
				return fault("void logins", err)
			}
		}
		proofs := s.write(ctx).Where("localpart = ? AND browser_hash <> ?", l.Localpart, []byte(l.BrowserHash)).Delete(&proofRow{})
		if proofs.Error != nil {
			return fault("void proofs", proofs.Error)
		}
		browsers := s.write(ctx).Where("localpart = ? AND id_hash <> ?", l.Localpart, secret.Hash(cookie)).Delete(&browserSessionRow{})
		if browsers.Error != nil {
			return fault("end browser sessions", browsers.Error)
		}
		if browsers.RowsAffected > 0 {
			err := s.Record(ctx, Event{Action: ActionBrowserSignedOut, Localpart: l.Localpart, Actor: ActorUser, Reason: string(EndUserRequest)})
			if err != nil {
				return err
			}
		}
		ids := s.write(ctx).Model(&sessionRow{}).Select("id").Where("localpart = ? AND ended_at IS NULL", l.Localpart).
			Where("browser_hash IS NULL OR browser_hash <> ?", []byte(l.BrowserHash)).
			Order("id").Clauses(clause.Locking{Strength: "NO KEY UPDATE"})
		return s.endSessions(ctx, End{Reason: EndUserRequest, Actor: ActorUser}, "id IN (?)", ids)
	})
}

// KnowSignIns notes that a person knows of every sign-in up to a time.
func (s *Store) KnowSignIns(ctx context.Context, localpart string, until time.Time) error {
	return fault("note what is known", s.write(ctx).Model(&userRow{}).
		Where("localpart = ? AND (sign_ins_known_at IS NULL OR sign_ins_known_at < ?)", localpart, until.UnixMilli()).
		Update("sign_ins_known_at", until.UnixMilli()).Error)
}
