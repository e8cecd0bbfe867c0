package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"keymaker/internal/secret"
)

// ProofLife is how long a proof permits the change that it was made for.
const ProofLife = 10 * time.Minute

// ProofDemand is what a person on the way to an identity provider has to prove.
type ProofDemand struct {
	// Localpart is the account that is to be changed, Purpose the kind of
	// change, and Detail what exactly it changes: "" where the purpose says it
	// all.
	Localpart, Purpose string
	Detail             string `json:",omitempty"`
	// Issuer and Subject are the account at the provider that has to sign in;
	// both "" for any that is linked to the localpart.
	Issuer  string `json:",omitempty"`
	Subject string `json:",omitempty"`
}

// Met tells whether the sign-in is by the account that is demanded.
func (d ProofDemand) Met(l Login) bool {
	return l.Localpart == d.Localpart && (d.Subject == "" || l.UpstreamIssuer == d.Issuer && l.UpstreamSubject == d.Subject)
}

// ProofKey finds a proof: it is of one browser, by the value of its cookie, and
// for one change.
type ProofKey struct {
	Browser, Localpart, Purpose, Detail string
}

func (k ProofKey) where() (string, []any) {
	return "browser_hash = ? AND localpart = ? AND purpose = ? AND detail = ?",
		[]any{secret.Hash(k.Browser), k.Localpart, k.Purpose, k.Detail}
}

type proofRow struct {
	Login     loginColumns `gorm:"embedded"`
	Purpose   string
	Detail    string
	ExpiresAt int64
}

func (proofRow) TableName() string { return "proofs" }

// AddProof remembers for ProofLife that a person has just signed in afresh, as
// their browser's proof for one change. A later one replaces an earlier one.
func (s *Store) AddProof(ctx context.Context, k ProofKey, l Login) error {
	l.Localpart, l.BrowserHash = k.Localpart, string(secret.Hash(k.Browser))
	row := proofRow{Login: columnsOf(l), Purpose: k.Purpose, Detail: k.Detail, ExpiresAt: s.clock.Now().Add(ProofLife).UnixMilli()}
	return fault("store a proof", s.write(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "browser_hash"}, {Name: "localpart"}, {Name: "purpose"}, {Name: "detail"}},
		DoUpdates: clause.AssignmentColumns([]string{"provider_id", "upstream_issuer", "upstream_subject", "auth_time", "expires_at"}),
	}).Create(&row).Error)
}

// Proof returns the sign-in of a proof that is still good, or ErrNotFound. It
// permits nothing: that is for TakeProof.
func (s *Store) Proof(ctx context.Context, k ProofKey) (Login, error) {
	var row proofRow
	where, args := k.where()
	err := s.read(ctx).Where(where, args...).Where("expires_at > ?", s.now()).Take(&row).Error
	if err != nil {
		return Login{}, fault("read a proof", err)
	}
	return row.Login.login(), nil
}

// TakeProof uses a proof up, in the transaction of the change that it permits,
// and returns its sign-in. Of any number of callers one succeeds, the others
// get ErrNotFound.
func (s *Store) TakeProof(ctx context.Context, k ProofKey) (Login, error) {
	var rows []proofRow
	where, args := k.where()
	result := s.write(ctx).Clauses(clause.Returning{}).Where(where, args...).Where("expires_at > ?", s.now()).Delete(&rows)
	if result.Error != nil {
		return Login{}, fault("take a proof", result.Error)
	}
	if len(rows) != 1 {
		return Login{}, fmt.Errorf("take a proof: %w", ErrNotFound)
	}
	return rows[0].Login.login(), nil
}
