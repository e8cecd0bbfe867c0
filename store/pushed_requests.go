package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"keymaker/internal/secret"
)

type pushedRequestRow struct {
	URIHash   []byte
	ClientID  string
	Params    string
	CreatedAt int64
	ExpiresAt int64
}

func (pushedRequestRow) TableName() string { return "pushed_requests" }

// Push stores an authorization request of a client under the URI that stands
// for it, until it expires (RFC 9126 §2.2).
func (s *Store) Push(ctx context.Context, uri, clientID string, params json.RawMessage, expires time.Time) error {
	row := pushedRequestRow{URIHash: secret.Hash(uri), ClientID: clientID, Params: string(params), CreatedAt: s.now(), ExpiresAt: expires.UnixMilli()}
	return fault("store a pushed request", s.write(ctx).Create(&row).Error)
}

// TakePushed removes a request that this client has pushed and returns its
// parameters: of any number of callers one succeeds, the others get ErrNotFound.
func (s *Store) TakePushed(ctx context.Context, uri, clientID string) (json.RawMessage, error) {
	var rows []pushedRequestRow
	result := s.write(ctx).Clauses(clause.Returning{}).
		Where("uri_hash = ? AND client_id = ? AND expires_at > ?", secret.Hash(uri), clientID, s.now()).Delete(&rows)
	if result.Error != nil {
		return nil, fault("take a pushed request", result.Error)
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("pushed request: %w", ErrNotFound)
	}
	return json.RawMessage(rows[0].Params), nil
}
