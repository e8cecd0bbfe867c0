package store

import (
	"context"
	"fmt"

	"gorm.io/gorm/clause"
)

// stateChange is one way in which an account changes.
type stateChange struct {
	column string
	set    bool
	action string
	actor  string
	tell   Change // "" where the homeserver has no such state
}

// LockUser keeps a user out for as long as an administrator wishes: their
// tokens stay, and are refused (conformance K-03). It returns whether anything
// changed, and ErrNotFound for a user that does not exist; so do the others.
func (s *Store) LockUser(ctx context.Context, localpart string) (changed bool, err error) {
	return s.changeState(ctx, localpart, stateChange{"locked_at", true, ActionUserLocked, ActorAdmin, ChangeLocked})
}

// UnlockUser lets a locked user in again, with the tokens they had.
func (s *Store) UnlockUser(ctx context.Context, localpart string) (changed bool, err error) {
	return s.changeState(ctx, localpart, stateChange{"locked_at", false, ActionUserUnlocked, ActorAdmin, ChangeLocked})
}

// SuspendUser lets a user log in and read, and no more (conformance K-04).
func (s *Store) SuspendUser(ctx context.Context, localpart string) (changed bool, err error) {
	return s.changeState(ctx, localpart, stateChange{"suspended_at", true, ActionUserSuspended, ActorAdmin, ""})
}

// UnsuspendUser gives a suspended user everything back.
func (s *Store) UnsuspendUser(ctx context.Context, localpart string) (changed bool, err error) {
	return s.changeState(ctx, localpart, stateChange{"suspended_at", false, ActionUserUnsuspended, ActorAdmin, ""})
}

// DeactivateUser closes an account: every session and sign-in ends, every
// device goes, and nobody logs in to it (conformance H-07, K-05). The user
// stays in the database with the links to identity providers, so that no login
// ever gets the name again.
func (s *Store) DeactivateUser(ctx context.Context, localpart string) (changed bool, err error) {
	return s.deactivate(ctx, localpart, ActorAdmin, false)
}

func (s *Store) deactivate(ctx context.Context, localpart, actor string, erase bool) (changed bool, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		// What is on its way goes before the user is locked: a login takes its
		// code first and the user afterwards, too.
		if err := s.voidLogins(ctx, localpart); err != nil {
			return err
		}
		var err error
		if changed, err = s.changeState(ctx, localpart, stateChange{"deactivated_at", true, ActionUserDeactivated, actor, ""}); err != nil {
			return err
		}
		if err := s.removeAssociations(ctx, localpart); err != nil {
			return err
		}
		if err := s.EndAllSessions(ctx, localpart, End{Reason: EndDeactivated, Actor: actor, KeepDevice: true}); err != nil {
			return err
		}
		if err := s.deleteDevices(ctx, localpart); err != nil || !changed {
			return err
		}
		if err := s.notify(ctx, Notice{Kind: NoticeDeactivated, Localpart: localpart}); err != nil {
			return err
		}
		return s.tellHomeserver(ctx, HomeserverChange{Change: ChangeDeactivated, Localpart: localpart, Erase: erase})
	})
	return changed, err
}

// deleteDevices removes every device of a user, with a session or without. It
// locks them in the order of everybody who locks several.
func (s *Store) deleteDevices(ctx context.Context, localpart string) error {
	devices := s.write(ctx).Model(&deviceRow{}).Select("device_id").Where("localpart = ?", localpart).
		Order("device_id").Clauses(clause.Locking{Strength: "UPDATE"})
	return fault("delete the devices", s.write(ctx).Where("localpart = ? AND device_id IN (?)", localpart, devices).Delete(&deviceRow{}).Error)
}

// ReactivateUser opens a closed account: its person can log in again, to no
// device of before. Nothing that was begun before the account was closed, or
// while it was, can be finished.
func (s *Store) ReactivateUser(ctx context.Context, localpart string) (changed bool, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		var err error
		changed, err = s.changeState(ctx, localpart, stateChange{"deactivated_at", false, ActionUserReactivated, ActorAdmin, ChangeReactivated})
		if err != nil || !changed {
			return err
		}
		if err := s.voidLogins(ctx, localpart); err != nil {
			return err
		}
		err = s.write(ctx).Where("localpart = ?", localpart).Delete(&authorizationRequestRow{}).Error
		return fault("delete authorization requests", err)
	})
	return changed, err
}

// SignOutUser ends what a user has open everywhere: sessions with their
// devices, browser sessions, and logins on their way. It returns how many
// sessions ended.
func (s *Store) SignOutUser(ctx context.Context, localpart string, e End) (ended int, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.User(ctx, localpart); err != nil {
			return err
		}
		if err := s.voidLogins(ctx, localpart); err != nil {
			return err
		}
		live, err := s.LiveSessions(ctx, localpart)
		if err != nil {
			return err
		}
		ended = len(live)
		return s.EndAllSessions(ctx, localpart, e)
	})
	return ended, err
}

// changeState sets or clears the time since which a user is in a state, and
// records it; a user who is in that state already is left alone.
func (s *Store) changeState(ctx context.Context, localpart string, c stateChange) (changed bool, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.User(ctx, localpart); err != nil {
			return err
		}
		before, value := "IS NOT NULL", any(nil)
		if c.set {
			before, value = "IS NULL", s.now()
		}
		result := s.write(ctx).Model(&userRow{}).Where(fmt.Sprintf("localpart = ? AND %s %s", c.column, before), localpart).Update(c.column, value)
		if result.Error != nil || result.RowsAffected == 0 {
			return fault("change an account", result.Error)
		}
		changed = true
		if c.tell != "" {
			if err := s.tellHomeserver(ctx, HomeserverChange{Change: c.tell, Localpart: localpart}); err != nil {
				return err
			}
		}
		return s.Record(ctx, Event{Action: c.action, Localpart: localpart, Actor: c.actor})
	})
	return changed, err
}

// voidLogins removes what a user could make a session or an approval of: codes,
// device grants, login tokens, browser sessions, remembered consents, proofs and
// approvals.
func (s *Store) voidLogins(ctx context.Context, localpart string) error {
	for _, row := range []any{&codeRow{}, &deviceGrantRow{}, &loginTokenRow{}, &browserSessionRow{}, &consentRow{}, &proofRow{}, &resetApprovalRow{}} {
		if err := s.write(ctx).Where("localpart = ?", localpart).Delete(row).Error; err != nil {
			return fault("void logins", err)
		}
	}
	return nil
}
