package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"keymaker/internal/secret"
)

type clientAssertionRow struct {
	IDHash    []byte
	ExpiresAt int64
}

func (clientAssertionRow) TableName() string { return "client_assertions" }

// UseAssertion notes that a client has authenticated with the assertion of that
// jti, which is remembered until a time. Of any number of uses, at any number
// of servers, one succeeds and the others get ErrExists (conformance D-61).
func (s *Store) UseAssertion(ctx context.Context, clientID, jti string, until time.Time) error {
	row := clientAssertionRow{IDHash: secret.Hash(clientID + "\x00" + jti), ExpiresAt: until.UnixMilli()}
	result := s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if result.Error == nil && result.RowsAffected == 0 {
		return fmt.Errorf("use a client assertion: %w", ErrExists)
	}
	return fault("use a client assertion", result.Error)
}
