package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"keymaker/internal/secret"
)

// UpstreamLogin is a person on the way to an identity provider and back.
type UpstreamLogin struct {
	ProviderID string
	// RequestID is the authorization request that waits for the sign-in, or "".
	RequestID string
	// Return is the path of this server's own page that waits for it instead.
	Return string `json:",omitempty"`
	// Proof is what the sign-in has to prove; nil for one that signs the browser
	// in.
	Proof *ProofDemand `json:",omitempty"`
	// LinkTo is the localpart that the account is to be linked to; "" for a
	// sign-in.
	LinkTo   string `json:",omitempty"`
	Verifier string
	Nonce    string
	// MaxAge is what the client asked for (seconds); nil = nothing.
	MaxAge *int64
	// Fresh asks that the person proves anew who they are (prompt=login).
	Fresh bool
	// WithoutPKCE: the provider has refused PKCE once, so there is no verifier.
	WithoutPKCE bool
	StartedAt   time.Time
}

const purposeUpstream = "upstream login"

type upstreamLoginRow struct {
	StateHash   []byte
	BrowserHash []byte
	ProviderID  string
	StateSealed []byte
	CreatedAt   int64
	ExpiresAt   int64
}

func (upstreamLoginRow) TableName() string { return "upstream_logins" }

// BeginUpstream stores a login under its state parameter until it expires.
func (s *Store) BeginUpstream(ctx context.Context, browser, state string, l UpstreamLogin, expires time.Time) error {
	l.StartedAt = s.clock.Now()
	plain, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("store an upstream login: %w", err)
	}
	sealed, err := s.sealer.Seal(purposeUpstream, l.ProviderID, plain)
	if err != nil {
		return fmt.Errorf("store an upstream login: %w", err)
	}
	row := upstreamLoginRow{StateHash: secret.Hash(state), BrowserHash: secret.Hash(browser), ProviderID: l.ProviderID, StateSealed: sealed,
		CreatedAt: s.now(), ExpiresAt: expires.UnixMilli()}
	return fault("store an upstream login", s.write(ctx).Create(&row).Error)
}

// TakeUpstream returns the login that this browser began at this provider with
// this state, and removes it: a state is good once. Otherwise ErrNotFound.
func (s *Store) TakeUpstream(ctx context.Context, browser, providerID, state string) (UpstreamLogin, error) {
	var rows []upstreamLoginRow
	result := s.write(ctx).Clauses(clause.Returning{}).
		Where("state_hash = ? AND browser_hash = ? AND provider_id = ? AND expires_at > ?", secret.Hash(state), secret.Hash(browser), providerID, s.now()).
		Delete(&rows)
	if result.Error != nil {
		return UpstreamLogin{}, fault("take an upstream login", result.Error)
	}
	if len(rows) != 1 {
		return UpstreamLogin{}, fmt.Errorf("upstream login: %w", ErrNotFound)
	}
	plain, err := s.sealer.Open(purposeUpstream, providerID, rows[0].StateSealed)
	if err != nil {
		return UpstreamLogin{}, fmt.Errorf("upstream login: %w: %w", ErrUnavailable, err)
	}
	var l UpstreamLogin
	if err := json.Unmarshal(plain, &l); err != nil {
		return UpstreamLogin{}, fmt.Errorf("upstream login: %w: %w", ErrUnavailable, err)
	}
	return l, nil
}
