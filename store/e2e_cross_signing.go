package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"

	"keymaker/internal/e2ekeys"
)

type crossSigningKeyRow struct {
	Localpart string
	KeyUsage  string
	KeyID     string
	Key       string
	SetAt     int64
}

func (crossSigningKeyRow) TableName() string { return "cross_signing_keys" }

type keySignatureRow struct {
	Localpart string
	Target    string
	KeyID     string
	DeviceID  string
	Signature string
}

func (keySignatureRow) TableName() string { return "key_signatures" }

// PublicKeys returns the public keys of a user; of one who has none it is empty.
func (s *Store) PublicKeys(ctx context.Context, localpart string) (PublicKeys, error) {
	var keys PublicKeys
	var devices []struct {
		DeviceID, DisplayName string
		Keys                  *string
	}
	err := s.read(ctx).Raw(`SELECT d.device_id, d.display_name, k.keys FROM devices d
		LEFT JOIN device_keys k ON k.localpart = d.localpart AND k.device_id = d.device_id
		WHERE d.localpart = ? ORDER BY d.device_id`, localpart).Scan(&devices).Error
	if err != nil {
		return keys, fault("read the device keys", err)
	}
	for _, d := range devices {
		of := DeviceKeys{DeviceID: d.DeviceID, DisplayName: d.DisplayName}
		if d.Keys != nil {
			of.JSON = []byte(*d.Keys)
		}
		keys.Devices = append(keys.Devices, of)
	}
	var crossSigning []crossSigningKeyRow
	if err := s.read(ctx).Where("localpart = ?", localpart).Order("key_usage").Find(&crossSigning).Error; err != nil {
		return keys, fault("read the cross-signing keys", err)
	}
	for _, r := range crossSigning {
		keys.CrossSigning = append(keys.CrossSigning, CrossSigningKey{Usage: e2ekeys.Usage(r.KeyUsage), ID: r.KeyID, JSON: []byte(r.Key)})
	}
	var signatures []keySignatureRow
	if err := s.read(ctx).Where("localpart = ?", localpart).Order("target, key_id").Find(&signatures).Error; err != nil {
		return keys, fault("read the signatures of keys", err)
	}
	for _, r := range signatures {
		keys.Signatures = append(keys.Signatures, e2ekeys.Signature{Target: r.Target, KeyID: r.KeyID, DeviceID: r.DeviceID, Signature: r.Signature})
	}
	return keys, nil
}

// ChangeCrossSigning does to the cross-signing keys of a session's user what
// plan makes of the keys that they have, and records it. The error of plan is
// returned as it is. To replace keys uses the person's approval up that this
// session may; without one it is ErrNotApproved, and nothing is changed.
func (s *Store) ChangeCrossSigning(ctx context.Context, by *Session, plan func(PublicKeys) (e2ekeys.Change, error)) error {
	localpart := by.Login.Localpart
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := s.lockUser(ctx, localpart); err != nil {
			return err
		}
		have, err := s.PublicKeys(ctx, localpart)
		if err != nil {
			return err
		}
		change, err := plan(have)
		if err != nil || len(change.Set) == 0 {
			return err
		}
		action := ActionKeysSet
		if change.Replaces {
			action = ActionKeysReplaced
			if err := s.TakeResetApproval(ctx, localpart, by.ID); errors.Is(err, ErrNotFound) {
				return fmt.Errorf("replace cross-signing keys: %w", ErrNotApproved)
			} else if err != nil {
				return err
			}
		}
		if err := s.writeCrossSigning(ctx, localpart, have, change); err != nil {
			return err
		}
		if change.Replaces {
			if err := s.notify(ctx, Notice{Kind: NoticeKeysReplaced, Localpart: localpart, ClientID: by.ClientID, DeviceID: by.DeviceID, ProviderID: by.Login.ProviderID}); err != nil {
				return err
			}
		}
		return s.Record(ctx, Event{Action: action, Localpart: localpart, DeviceID: by.DeviceID, SessionID: by.ID, ClientID: by.ClientID, Actor: ActorUser})
	})
}

// writeCrossSigning writes a change. What a key has signed, or was signed as, is
// of no use without it.
func (s *Store) writeCrossSigning(ctx context.Context, localpart string, have PublicKeys, c e2ekeys.Change) error {
	gone := c.Drop
	for _, k := range c.Set {
		gone = append(gone, k.Usage)
	}
	for _, k := range have.CrossSigning {
		if !slices.Contains(gone, k.Usage) || slices.ContainsFunc(c.Set, func(set e2ekeys.Key) bool { return set.ID == k.ID }) {
			continue
		}
		err := s.write(ctx).Where("localpart = ? AND (target = ? OR key_id = ?)", localpart, k.ID, "ed25519:"+k.ID).Delete(&keySignatureRow{}).Error
		if err != nil {
			return fault("remove signatures of keys", err)
		}
	}
	if err := s.write(ctx).Where("localpart = ? AND key_usage IN ?", localpart, gone).Delete(&crossSigningKeyRow{}).Error; err != nil {
		return fault("remove cross-signing keys", err)
	}
	var rows []crossSigningKeyRow
	for _, k := range c.Set {
		rows = append(rows, crossSigningKeyRow{Localpart: localpart, KeyUsage: string(k.Usage), KeyID: k.ID, Key: string(k.JSON), SetAt: s.now()})
	}
	if err := s.write(ctx).Create(&rows).Error; err != nil {
		return fault("set cross-signing keys", err)
	}
	return s.addSignatures(ctx, localpart, c.Signatures)
}

// SignKeys stores the signatures that choose finds among those of a user to be
// right, for the keys that they have.
func (s *Store) SignKeys(ctx context.Context, localpart string, choose func(PublicKeys) ([]e2ekeys.Signature, error)) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := s.lockUser(ctx, localpart); err != nil {
			return err
		}
		have, err := s.PublicKeys(ctx, localpart)
		if err != nil {
			return err
		}
		signatures, err := choose(have)
		if err != nil {
			return err
		}
		return s.addSignatures(ctx, localpart, signatures)
	})
}

// addSignatures goes by the devices, in the order of everybody who locks
// several. One of a device that has gone meanwhile is ErrUnavailable, and
// is found to be wrong when it is sent again.
func (s *Store) addSignatures(ctx context.Context, localpart string, signatures []e2ekeys.Signature) error {
	if len(signatures) == 0 {
		return nil
	}
	rows := make([]keySignatureRow, 0, len(signatures))
	for _, g := range signatures {
		rows = append(rows, keySignatureRow{Localpart: localpart, Target: g.Target, KeyID: g.KeyID, DeviceID: g.DeviceID, Signature: g.Signature})
	}
	slices.SortStableFunc(rows, func(a, b keySignatureRow) int { return cmp.Compare(a.DeviceID, b.DeviceID) })
	return fault("add signatures of keys", s.write(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "localpart"}, {Name: "target"}, {Name: "key_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"signature"}),
	}).Create(&rows).Error)
}

// NotKey is ErrIsKey for a device id that is a cross-signing key of the user.
func (s *Store) NotKey(ctx context.Context, localpart, deviceID string) error {
	var count int64
	err := s.read(ctx).Model(&crossSigningKeyRow{}).Where("localpart = ? AND key_id = ?", localpart, deviceID).Count(&count).Error
	if err == nil && count > 0 {
		return fmt.Errorf("name a device: %w", ErrIsKey)
	}
	return fault("read the cross-signing keys", err)
}
