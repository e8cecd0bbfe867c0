package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"keymaker/internal/secret"
)

// PendingLink is an account at an identity provider that may be linked to a
// user.
type PendingLink struct {
	// NewLink is what would be stored. Its Localpart is the user that has to be
	// proved.
	NewLink
	AuthTime time.Time
	// Taken says that it is a first login whose name is that user's.
	Taken bool
	// RequestID is the authorization request that waits for the sign-in, Return
	// the page of ours that does; both "" when none does.
	RequestID, Return string
}

const purposePendingLink = "pending link"

type pendingLinkRow struct {
	IDHash      []byte
	BrowserHash []byte
	LinkSealed  []byte
	CreatedAt   int64
	ExpiresAt   int64
}

func (pendingLinkRow) TableName() string { return "pending_links" }

// BeginLink keeps a pending link for a browser until it expires, and returns its
// unguessable id.
func (s *Store) BeginLink(ctx context.Context, browser string, p PendingLink, expires time.Time) (id string, err error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("keep a pending link: %w", err)
	}
	sealed, err := s.sealer.Seal(purposePendingLink, "", plain)
	if err != nil {
		return "", fmt.Errorf("keep a pending link: %w", err)
	}
	id = secret.Token()
	row := pendingLinkRow{IDHash: secret.Hash(id), BrowserHash: secret.Hash(browser), LinkSealed: sealed, CreatedAt: s.now(), ExpiresAt: expires.UnixMilli()}
	return id, fault("keep a pending link", s.write(ctx).Create(&row).Error)
}

// PendingLink returns what this browser may link, or ErrNotFound.
func (s *Store) PendingLink(ctx context.Context, browser, id string) (PendingLink, error) {
	var row pendingLinkRow
	err := s.read(ctx).Where("id_hash = ? AND browser_hash = ? AND expires_at > ?", secret.Hash(id), secret.Hash(browser), s.now()).Take(&row).Error
	if err != nil {
		return PendingLink{}, fault("read a pending link", err)
	}
	plain, err := s.sealer.Open(purposePendingLink, "", row.LinkSealed)
	if err != nil {
		return PendingLink{}, fmt.Errorf("read a pending link: %w: %w", ErrUnavailable, err)
	}
	var p PendingLink
	if err := json.Unmarshal(plain, &p); err != nil {
		return PendingLink{}, fmt.Errorf("read a pending link: %w: %w", ErrUnavailable, err)
	}
	return p, nil
}

// EndLink removes a pending link: of any number of callers one succeeds, and the
// others get ErrConflict.
func (s *Store) EndLink(ctx context.Context, browser, id string) error {
	return one("end a pending link", s.write(ctx).Where("id_hash = ? AND browser_hash = ?", secret.Hash(id), secret.Hash(browser)).
		Delete(&pendingLinkRow{}), ErrConflict)
}
