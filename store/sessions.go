package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"keymaker/internal/secret"
)

const (
	firstGeneration = 1
	seedSize        = 16
)

// NewSession is a login that gets its tokens.
type NewSession struct {
	Session Session
	// RefreshHash is the hash of the first refresh token; nil for none.
	RefreshHash []byte
	// RefreshExpiresAt is the end of the refresh token; zero = never.
	RefreshExpiresAt time.Time
	// DeviceName names a device that is new.
	DeviceName string
}

// StartSession begins a session. Everything that its device held before is
// over: a device has one live session (conformance C-63, I-0B). It belongs in
// the transaction that stores the session's tokens. It returns ErrIsKey for what
// may be no device of this user.
func (s *Store) StartSession(ctx context.Context, n NewSession) error {
	x := n.Session
	if err := s.lockUser(ctx, x.Login.Localpart); err != nil {
		return err
	}
	if err := s.notifySignIn(ctx, x); err != nil {
		return err
	}
	if x.DeviceID != "" {
		if err := s.NotKey(ctx, x.Login.Localpart, x.DeviceID); err != nil {
			return err
		}
		if err := s.endDevice(ctx, x.Login.Localpart, x.DeviceID, EndReplaced); err != nil {
			return err
		}
		if err := s.claimDevice(ctx, n); err != nil {
			return err
		}
	}
	row := sessionRow{
		ID: x.ID, Kind: string(x.Kind), DeviceID: optional(x.DeviceID), ClientID: optional(x.ClientID), Scope: x.Scope,
		Login: columnsOf(x.Login), CreatedAt: s.now(), Generation: firstGeneration, RefreshHash: n.RefreshHash,
		RotatedAt: s.now(), RefreshExpiresAt: milli(n.RefreshExpiresAt), Address: addressFrom(ctx),
	}
	if n.RefreshHash != nil {
		row.SuccessorSeed = secret.Bytes(seedSize)
	}
	if err := s.write(ctx).Create(&row).Error; err != nil {
		return fault("start a session", err)
	}
	return s.Record(ctx, Event{Action: ActionSessionStarted, Localpart: x.Login.Localpart, DeviceID: x.DeviceID,
		SessionID: x.ID, ClientID: x.ClientID, Actor: ActorUser, Reason: string(x.Kind)})
}

// End says which sessions are to end, and what becomes of their devices.
type End struct {
	Reason EndReason
	Actor  string
	// KeepDevice leaves the device, and with it the encryption keys that the
	// person cannot get back (conformance D-25).
	KeepDevice bool
}

// EndSession ends a session; one that has ended already stays as it was.
func (s *Store) EndSession(ctx context.Context, id string, e End) error {
	return s.endSessions(ctx, e, "id = ?", id)
}

// EndAllSessions ends every session of a user. It locks rows in the order of
// everybody who locks several, or servers on one PostgreSQL would lock each
// other out: sessions by id, then devices.
func (s *Store) EndAllSessions(ctx context.Context, localpart string, e End) error {
	live := s.write(ctx).Model(&sessionRow{}).Select("id").Where("localpart = ? AND ended_at IS NULL", localpart).
		Order("id").Clauses(clause.Locking{Strength: "NO KEY UPDATE"})
	return s.endSessions(ctx, e, "id IN (?)", live)
}

// endDevice ends the live session of a device and keeps the device.
func (s *Store) endDevice(ctx context.Context, localpart, deviceID string, reason EndReason) error {
	return s.endSessions(ctx, End{Reason: reason, Actor: ActorUser, KeepDevice: true}, "localpart = ? AND device_id = ?", localpart, deviceID)
}

// endSessions marks sessions as ended, removes their devices unless they are to
// stay, records why, and lets their clients be told: all of it or nothing. Ending costs the same however
// many tokens were issued, for a token is as alive as its session.
func (s *Store) endSessions(ctx context.Context, e End, where string, args ...any) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		var ended []sessionRow
		result := s.write(ctx).Model(&ended).
			Clauses(clause.Returning{Columns: []clause.Column{{Name: "id"}, {Name: "localpart"}, {Name: "device_id"}, {Name: "client_id"}, {Name: "scope"}}}).
			Where("ended_at IS NULL").Where(where, args...).
			Updates(map[string]any{"ended_at": s.now(), "end_reason": string(e.Reason), "ended_by": e.Actor})
		if result.Error != nil {
			return fault("end sessions", result.Error)
		}
		slices.SortFunc(ended, func(a, b sessionRow) int { return cmp.Compare(deref(a.DeviceID), deref(b.DeviceID)) })
		gone := map[string][]string{}
		for _, r := range ended {
			if err := s.afterEnd(ctx, r, e); err != nil {
				return err
			}
			if r.DeviceID != nil && !e.KeepDevice {
				gone[r.Login.Localpart] = append(gone[r.Login.Localpart], *r.DeviceID)
			}
		}
		for _, localpart := range slices.Sorted(maps.Keys(gone)) {
			if err := s.tellDevicesGone(ctx, localpart, gone[localpart]...); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) afterEnd(ctx context.Context, r sessionRow, e End) error {
	if r.DeviceID != nil && !e.KeepDevice {
		err := s.write(ctx).Where("localpart = ? AND device_id = ?", r.Login.Localpart, *r.DeviceID).Delete(&deviceRow{}).Error
		if err != nil {
			return fault("delete a device", err)
		}
	}
	s.log.InfoContext(ctx, "session ended", "session", r.ID, "device", deref(r.DeviceID),
		"client", deref(r.ClientID), "reason", string(e.Reason), "by", e.Actor)
	if err := s.noticeLogout(ctx, r); err != nil {
		return err
	}
	return s.Record(ctx, Event{Action: ActionSessionEnded, Localpart: r.Login.Localpart, DeviceID: deref(r.DeviceID), SessionID: r.ID,
		ClientID: deref(r.ClientID), Actor: e.Actor, Reason: string(e.Reason)})
}

// EndedSession tells when, why and by whom a session was ended, or ErrNotFound.
func (s *Store) EndedSession(ctx context.Context, id string) (reason EndReason, by string, at time.Time, err error) {
	var row sessionRow
	if err := s.read(ctx).Where("id = ? AND ended_at IS NOT NULL", id).Take(&row).Error; err != nil {
		return "", "", time.Time{}, fault(fmt.Sprintf("read ended session %s", id), err)
	}
	return EndReason(deref(row.EndReason)), deref(row.EndedBy), fromMilli(*row.EndedAt), nil
}
