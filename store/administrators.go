package store

import (
	"context"

	"gorm.io/gorm"
)

// MarkAdministrator keeps what an identity provider says at a sign-in of whether
// its user administers the homeserver. What another provider has said stands
// until that one takes it back. A user who has left stays as they are.
func (s *Store) MarkAdministrator(ctx context.Context, localpart, providerID string, administers bool) error {
	if !administers {
		return s.unmarkAdministrator(ctx, localpart, providerID)
	}
	return s.markAdministrator(ctx, Event{Action: ActionAdminMarked, Localpart: localpart, Reason: providerID}, func(user *gorm.DB) *gorm.DB {
		return user.Where("marked_admin_by = '' AND deactivated_at IS NULL").Update("marked_admin_by", providerID)
	})
}

// unmarkAdministrator takes back what a provider has said.
func (s *Store) unmarkAdministrator(ctx context.Context, localpart, providerID string) error {
	return s.markAdministrator(ctx, Event{Action: ActionAdminUnmarked, Localpart: localpart, Reason: providerID}, func(user *gorm.DB) *gorm.DB {
		return user.Where("marked_admin_by = ?", providerID).Update("marked_admin_by", "")
	})
}

func (s *Store) markAdministrator(ctx context.Context, e Event, change func(user *gorm.DB) *gorm.DB) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		result := change(s.write(ctx).Model(&userRow{}).Where("localpart = ?", e.Localpart))
		if result.Error != nil || result.RowsAffected == 0 {
			return fault("mark an administrator", result.Error)
		}
		e.Actor = ActorServer
		return s.Record(ctx, e)
	})
}
