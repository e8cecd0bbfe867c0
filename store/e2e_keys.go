package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"keymaker/internal/e2ekeys"
)

// maxOneTimeKeys is how many one-time keys a device may have here. Clients keep
// fifty or a hundred.
const maxOneTimeKeys = 500

// maxFallbackKeys is for how many algorithms a device may have a fallback key:
// there is one in use.
const maxFallbackKeys = 20

// PublicKeys are the public keys of a user, for end-to-end encryption. They are
// as their client made them; nothing here signs with them.
type PublicKeys struct {
	// Devices are all devices, those without keys too, ordered by id.
	Devices      []DeviceKeys
	CrossSigning []CrossSigningKey
	Signatures   []e2ekeys.Signature
}

// DeviceKeys are a device and its identity keys.
type DeviceKeys struct {
	DeviceID, DisplayName string
	// JSON is nil for a device that has uploaded none.
	JSON []byte
}

// CrossSigningKey is one of the keys by which a user's devices trust each other.
type CrossSigningKey struct {
	Usage e2ekeys.Usage
	ID    string // the public key
	JSON  []byte
}

// KeyUpload is what a device uploads: new keys, beside those that it has.
type KeyUpload struct {
	// Device are the identity keys; nil leaves them. Other ones than before make
	// everything void that belonged to those.
	Device            []byte
	OneTime, Fallback []e2ekeys.OneTimeKey
}

type deviceKeysRow struct {
	Localpart string
	DeviceID  string
	Keys      string
}

func (deviceKeysRow) TableName() string { return "device_keys" }

type oneTimeKeyRow struct {
	Localpart string
	DeviceID  string
	Algorithm string
	KeyID     string
	Key       string
	CreatedAt int64
}

func (oneTimeKeyRow) TableName() string { return "one_time_keys" }

func (r oneTimeKeyRow) key() e2ekeys.OneTimeKey {
	return e2ekeys.OneTimeKey{Algorithm: r.Algorithm, ID: r.KeyID, JSON: []byte(r.Key)}
}

type fallbackKeyRow struct {
	Localpart string
	DeviceID  string
	Algorithm string
	KeyID     string
	Key       string
}

func (fallbackKeyRow) TableName() string { return "fallback_keys" }

// ofDevice are the rows of one device.
func ofDevice(db *gorm.DB, localpart, deviceID string) *gorm.DB {
	return db.Where("localpart = ? AND device_id = ?", localpart, deviceID)
}

// UploadKeys adds keys of a device, and returns how many one-time keys it has
// of each algorithm. It returns ErrNotFound when the device is gone, ErrConflict
// for a one-time key that has the name of another one, and ErrTooMany.
func (s *Store) UploadKeys(ctx context.Context, localpart, deviceID string, u KeyUpload) (counts map[string]int, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		device := ofDevice(s.write(ctx), localpart, deviceID).Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Take(&deviceRow{})
		if device.Error != nil {
			return fault("lock a device", device.Error)
		}
		if u.Device != nil {
			if err := s.setDeviceKeys(ctx, deviceKeysRow{Localpart: localpart, DeviceID: deviceID, Keys: string(u.Device)}); err != nil {
				return err
			}
		}
		counts, err = s.addOneTimeKeys(ctx, localpart, deviceID, u.OneTime)
		if err != nil {
			return err
		}
		return s.setFallbackKeys(ctx, localpart, deviceID, u.Fallback)
	})
	return counts, err
}

// setFallbackKeys sets the one key of each algorithm.
func (s *Store) setFallbackKeys(ctx context.Context, localpart, deviceID string, keys []e2ekeys.OneTimeKey) error {
	if len(keys) == 0 {
		return nil
	}
	for _, k := range keys {
		row := fallbackKeyRow{Localpart: localpart, DeviceID: deviceID, Algorithm: k.Algorithm, KeyID: k.ID, Key: string(k.JSON)}
		err := s.write(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "localpart"}, {Name: "device_id"}, {Name: "algorithm"}},
			DoUpdates: clause.AssignmentColumns([]string{"key_id", "key"})}).Create(&row).Error
		if err != nil {
			return fault("set a fallback key", err)
		}
	}
	var count int64
	if err := ofDevice(s.write(ctx), localpart, deviceID).Model(&fallbackKeyRow{}).Count(&count).Error; err != nil {
		return fault("count the fallback keys", err)
	}
	if count > maxFallbackKeys {
		return fmt.Errorf("set fallback keys: %w", ErrTooMany)
	}
	return nil
}

// setDeviceKeys sets the identity keys of a device. With other ones than before
// nobody can use what was made with those.
func (s *Store) setDeviceKeys(ctx context.Context, row deviceKeysRow) error {
	var before []string
	err := ofDevice(s.write(ctx), row.Localpart, row.DeviceID).Model(&deviceKeysRow{}).Pluck("keys", &before).Error
	if err != nil {
		return fault("read device keys", err)
	}
	if len(before) > 0 && before[0] == row.Keys {
		return nil
	}
	if len(before) > 0 {
		for _, made := range []any{&oneTimeKeyRow{}, &fallbackKeyRow{}, &keySignatureRow{}} {
			if err := ofDevice(s.write(ctx), row.Localpart, row.DeviceID).Delete(made).Error; err != nil {
				return fault("replace device keys", err)
			}
		}
	}
	return fault("set device keys", s.write(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "localpart"}, {Name: "device_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"keys"})}).Create(&row).Error)
}

// addOneTimeKeys adds what is not there yet, and counts what is.
func (s *Store) addOneTimeKeys(ctx context.Context, localpart, deviceID string, keys []e2ekeys.OneTimeKey) (counts map[string]int, err error) {
	var have []oneTimeKeyRow
	if err := ofDevice(s.write(ctx), localpart, deviceID).Find(&have).Error; err != nil {
		return nil, fault("read the one-time keys", err)
	}
	counts = map[string]int{}
	known := map[[2]string]string{}
	for _, r := range have {
		counts[r.Algorithm]++
		known[[2]string{r.Algorithm, r.KeyID}] = r.Key
	}
	var rows []oneTimeKeyRow
	for _, k := range keys {
		before, there := known[[2]string{k.Algorithm, k.ID}]
		switch {
		case there && before != string(k.JSON):
			return nil, fmt.Errorf("add a one-time key: %w", ErrConflict)
		case there:
			continue
		}
		counts[k.Algorithm]++
		rows = append(rows, oneTimeKeyRow{Localpart: localpart, DeviceID: deviceID, Algorithm: k.Algorithm, KeyID: k.ID, Key: string(k.JSON), CreatedAt: s.now()})
	}
	switch {
	case len(rows) == 0:
		return counts, nil
	case len(have)+len(rows) > maxOneTimeKeys:
		return nil, fmt.Errorf("add one-time keys: %w", ErrTooMany)
	}
	return counts, fault("add one-time keys", s.write(ctx).Create(&rows).Error)
}

// ClaimKeys takes a one-time key of an algorithm of each of a user's devices,
// the oldest first: nobody else gets it. Where there is none it is the fallback
// key, which stays. Devices that have neither are not in the result.
func (s *Store) ClaimKeys(ctx context.Context, localpart string, algorithms map[string]string) (keys map[string]e2ekeys.OneTimeKey, err error) {
	keys = map[string]e2ekeys.OneTimeKey{}
	err = s.InTx(ctx, func(ctx context.Context) error {
		var devices []string // in the order of everybody who locks several
		err := s.write(ctx).Model(&deviceRow{}).Where("localpart = ?", localpart).Order("device_id").Pluck("device_id", &devices).Error
		if err != nil {
			return fault("read the devices", err)
		}
		for _, deviceID := range devices {
			algorithm, wanted := algorithms[deviceID]
			if !wanted {
				continue
			}
			key, err := s.claimKey(ctx, localpart, deviceID, algorithm)
			if err != nil {
				return err
			}
			if key != nil {
				keys[deviceID] = *key
			}
		}
		return nil
	})
	return keys, err
}

func (s *Store) claimKey(ctx context.Context, localpart, deviceID, algorithm string) (*e2ekeys.OneTimeKey, error) {
	var rows []oneTimeKeyRow
	err := ofDevice(s.write(ctx), localpart, deviceID).Where("algorithm = ?", algorithm).Order("created_at, key_id").Limit(1).
		Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"}).Find(&rows).Error
	if err != nil {
		return nil, fault("find a one-time key", err)
	}
	if len(rows) > 0 {
		key := rows[0].key()
		err := ofDevice(s.write(ctx), localpart, deviceID).Where("algorithm = ? AND key_id = ?", key.Algorithm, key.ID).Delete(&oneTimeKeyRow{}).Error
		return &key, fault("take a one-time key", err)
	}
	var fallback []fallbackKeyRow
	if err := ofDevice(s.read(ctx), localpart, deviceID).Where("algorithm = ?", algorithm).Limit(1).Find(&fallback).Error; err != nil {
		return nil, fault("find a fallback key", err)
	}
	if len(fallback) == 0 {
		return nil, nil
	}
	return &e2ekeys.OneTimeKey{Algorithm: fallback[0].Algorithm, ID: fallback[0].KeyID, JSON: []byte(fallback[0].Key)}, nil
}
