package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"
)

// SigningKey is a row of oidc_signingkey, opened.
type SigningKey struct {
	KID       string
	Alg       string
	State     string // next, active, retiring
	NotBefore time.Time
	// PKCS8 is the private key.
	PKCS8 []byte
}

// KeyActive is the state of the key that signs.
const KeyActive = "active"

const (
	purposeSigningKey = "signing key"
	purposeSecret     = "server secret"
)

type signingKeyRow struct {
	KID         string `gorm:"column:kid"`
	Alg         string
	State       string
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
		keys = append(keys, SigningKey{KID: r.KID, Alg: r.Alg, State: r.State, NotBefore: fromMilli(r.NotBefore), PKCS8: plain})
	}
	return keys, nil
}

// AddSigningKey stores a key unless there is an active one of its algorithm:
// of servers that start at once, one makes the key and all use it.
func (s *Store) AddSigningKey(ctx context.Context, k SigningKey) error {
	sealed, err := s.sealer.Seal(purposeSigningKey, k.KID, k.PKCS8)
	if err != nil {
		return fmt.Errorf("seal signing key %s: %w", k.KID, err)
	}
	row := signingKeyRow{KID: k.KID, Alg: k.Alg, State: k.State, NotBefore: k.NotBefore.UnixMilli(), KeySealed: sealed, CreatedAt: s.now()}
	return fault("store a signing key", s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error)
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
