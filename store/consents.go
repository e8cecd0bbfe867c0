package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm/clause"
)

// consentRow remembers that a person approved one scope token for a client.
type consentRow struct {
	Localpart  string
	ClientID   string
	Scope      string
	ApprovedAt int64
}

func (consentRow) TableName() string { return "consents" }

// consentLife is how long an approval is remembered. It ends sooner with the
// account, and when an administrator signs the user out; it outlives the sessions
// that it was given for, which a client may end and begin every day.
const consentLife = 365 * 24 * time.Hour

// Consent remembers that a user approved scope tokens for a client, beside those
// approved before. It belongs in the transaction of the approval.
func (s *Store) Consent(ctx context.Context, localpart, clientID string, scope []string) error {
	rows := make([]consentRow, 0, len(scope))
	for _, token := range slices.Sorted(slices.Values(scope)) { // in one order, whoever comes at once
		rows = append(rows, consentRow{Localpart: localpart, ClientID: clientID, Scope: token, ApprovedAt: s.now()})
	}
	err := s.write(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "localpart"}, {Name: "client_id"}, {Name: "scope"}},
		DoUpdates: clause.AssignmentColumns([]string{"approved_at"})}).Create(&rows).Error
	return fault("remember a consent", err)
}

// Consented tells whether a user has approved every one of the scope tokens for
// a client.
func (s *Store) Consented(ctx context.Context, localpart, clientID string, scope []string) (bool, error) {
	var found int64
	err := s.read(ctx).Model(&consentRow{}).Where("localpart = ? AND client_id = ? AND scope IN ? AND approved_at > ?",
		localpart, clientID, scope, s.clock.Now().Add(-consentLife).UnixMilli()).Count(&found).Error
	return found == int64(len(scope)), fault("look for a consent", err)
}
