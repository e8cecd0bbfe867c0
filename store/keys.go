package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"
)

// SigningKey is a row of oidc_signingkey, opened.
type SigningKey struct {
	KID   string
	Alg   string
	State KeyState
	// Published is when the key was made: from then on it is in the key set.
	Published time.Time
	// NotBefore is, of a next key, when it may begin to sign; of the others,
	// when they began.
	NotBefore time.Time
	// RetireAfter is when a retiring key can be removed, because whatever it
	// signed has expired. Zero in the other states.
	RetireAfter time.Time
	// PKCS8 is the private key.
	PKCS8 []byte
}

// KeyState is what a signing key is there for.
type KeyState string

// The states of a signing key, in the order of its life.
const (
	KeyNext     KeyState = "next"     // published, and does not sign yet
	KeyActive   KeyState = "active"   // signs: one of each algorithm
	KeyRetiring KeyState = "retiring" // signs no more, and verifies what it signed
)

// Actions of the audit log. Their reason names the algorithm and the key.
const (
	ActionKeyPublished = "key_published"
	ActionKeyActivated = "key_activated"
	ActionKeyRemoved   = "key_removed"
)

const (
	purposeSigningKey = "signing key"
	purposeSecret     = "server secret"
)

type signingKeyRow struct {
	KID         string `gorm:"column:kid"`
	Alg         string
	State       KeyState
	NotBefore   int64
	RetireAfter *int64
	KeySealed   []byte
	CreatedAt   int64
}

func (signingKeyRow) TableName() string { return "oidc_signingkey" }

// SigningKeys returns every signing key, oldest first. The error wraps
// secret.ErrSealed when the secret file is not the one they were sealed with.
func (s *Store) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	var rows []signingKeyRow
	if err := s.read(ctx).Order("created_at, kid").Find(&rows).Error; err != nil {
		return nil, fault("read the signing keys", err)
	}
	keys := make([]SigningKey, 0, len(rows))
	for _, r := range rows {
		plain, err := s.sealer.Open(purposeSigningKey, r.KID, r.KeySealed)
		if err != nil {
			return nil, fmt.Errorf("open signing key %s: %w", r.KID, err)
		}
		key := SigningKey{KID: r.KID, Alg: r.Alg, State: r.State, Published: fromMilli(r.CreatedAt), NotBefore: fromMilli(r.NotBefore), PKCS8: plain}
		if r.RetireAfter != nil {
			key.RetireAfter = fromMilli(*r.RetireAfter)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// ChangeSigningKeys gives change all signing keys, in a transaction in which
// nobody else can change them: what it decides is decided once, however many
// servers ask. Its context carries the transaction. Whoever has another secret
// file than the keys gets an error that wraps secret.ErrSealed before change is
// called, and so cannot add a key that the others cannot open.
func (s *Store) ChangeSigningKeys(ctx context.Context, change func(ctx context.Context, keys []SigningKey) error) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := s.lockSealed(ctx, signingKeyRow{}.TableName()); err != nil {
			return err
		}
		keys, err := s.SigningKeys(ctx)
		if err != nil {
			return err
		}
		return change(ctx, keys)
	})
}

// lockSealed lets nobody else write to a table until the transaction ends;
// reading goes on. SQLite has one writer at a time anyway.
func (s *Store) lockSealed(ctx context.Context, table string) error {
	if !s.postgres {
		return nil
	}
	return fault("lock "+table, s.write(ctx).Exec("LOCK TABLE "+table+" IN SHARE ROW EXCLUSIVE MODE").Error)
}

// AddSigningKey stores a key, published as of now, unless there is an active
// one of its algorithm: of servers that start at once, one makes the key and
// all use it.
func (s *Store) AddSigningKey(ctx context.Context, k SigningKey) error {
	sealed, err := s.sealer.Seal(purposeSigningKey, k.KID, k.PKCS8)
	if err != nil {
		return fmt.Errorf("seal signing key %s: %w", k.KID, err)
	}
	row := signingKeyRow{KID: k.KID, Alg: k.Alg, State: k.State, NotBefore: k.NotBefore.UnixMilli(), KeySealed: sealed, CreatedAt: s.now()}
	return fault("store a signing key", s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error)
}

// ActivateSigningKey lets a next key sign from now on, and the active key of
// its algorithm, if there is one, retire until the given time. ErrConflict: the
// key is not next any more. Both or neither happen: call it in a transaction.
func (s *Store) ActivateSigningKey(ctx context.Context, k SigningKey, retireAfter time.Time) error {
	doing := "activate signing key " + k.KID
	err := s.write(ctx).Model(&signingKeyRow{}).Where("alg = ? AND state = ?", k.Alg, KeyActive).
		Updates(map[string]any{"state": KeyRetiring, "retire_after": retireAfter.UnixMilli()}).Error
	if err != nil {
		return fault(doing, err)
	}
	return one(doing, s.write(ctx).Model(&signingKeyRow{}).Where("kid = ? AND state = ?", k.KID, KeyNext).
		Updates(map[string]any{"state": KeyActive, "not_before": s.now()}), ErrConflict)
}

// RemoveSigningKey removes a key that does not sign. ErrNotFound: there is no
// such key, or it signs.
func (s *Store) RemoveSigningKey(ctx context.Context, kid string) error {
	return one("remove signing key "+kid, s.write(ctx).Where("kid = ? AND state <> ?", kid, KeyActive).Delete(&signingKeyRow{}), ErrNotFound)
}

type serverSecretRow struct {
	Purpose     string
	ValueSealed []byte
	CreatedAt   int64
}

func (serverSecretRow) TableName() string { return "server_secrets" }

// ServerSecret returns the secret for a purpose, and stores candidate as that
// secret when there is none yet: all servers on one database get the same.
func (s *Store) ServerSecret(ctx context.Context, purpose string, candidate []byte) ([]byte, error) {
	sealed, err := s.sealer.Seal(purposeSecret, purpose, candidate)
	if err != nil {
		return nil, fmt.Errorf("seal the %s secret: %w", purpose, err)
	}
	row := serverSecretRow{Purpose: purpose, ValueSealed: sealed, CreatedAt: s.now()}
	if err := s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return nil, fault("store the "+purpose+" secret", err)
	}
	var stored serverSecretRow
	if err := s.write(ctx).Where("purpose = ?", purpose).Take(&stored).Error; err != nil {
		return nil, fault("read the "+purpose+" secret", err)
	}
	plain, err := s.sealer.Open(purposeSecret, purpose, stored.ValueSealed)
	if err != nil {
		return nil, fmt.Errorf("open the %s secret: %w", purpose, err)
	}
	return plain, nil
}
