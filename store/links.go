package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm/clause"
)

// ErrLastLink is returned where nobody could sign in as the user any more
// without the link.
var ErrLastLink = errors.New("it is the only link of the user")

// AddLink links another account to a user who exists. ErrExists: it is linked to
// a user, perhaps to this one; ErrNotFound: there is no such user. It belongs in
// the transaction that uses up the proof that the user is the person's.
func (s *Store) AddLink(ctx context.Context, n NewLink) error {
	if err := s.lockUser(ctx, n.Localpart); err != nil {
		return err
	}
	user, err := s.User(ctx, n.Localpart)
	if err != nil {
		return err
	}
	if user.Account.Deactivated {
		return fmt.Errorf("add a link: %w", ErrNotFound)
	}
	row := linkRow{ProviderID: n.ProviderID, Issuer: n.Issuer, Subject: n.Subject, Localpart: n.Localpart, AccountName: n.AccountName, PictureURL: n.PictureURL, CreatedAt: s.now()}
	result := s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if err := one("add a link", result, ErrExists); err != nil {
		return err
	}
	if err := s.notify(ctx, Notice{Kind: NoticeLinked, Localpart: n.Localpart, ProviderID: n.ProviderID}); err != nil {
		return err
	}
	return s.Record(ctx, Event{Action: ActionUserLinked, Localpart: n.Localpart, Actor: ActorUser, Reason: n.ProviderID})
}

// Unlinking is who takes a link away, and whether it may be the last one.
type Unlinking struct {
	Actor string
	Last  bool
}

// Unlink takes an account at a provider from a user, with the browser sessions,
// the proofs and the logins on their way that began there. Sessions of clients go on.
// ErrNotFound: the user has no such link; ErrLastLink: they have no other, and it
// may not be the last one.
func (s *Store) Unlink(ctx context.Context, localpart string, l UpstreamLink, u Unlinking) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		// What is on its way goes before the user is locked: a login takes its
		// code first and the user afterwards, too.
		if err := s.voidLink(ctx, localpart, l); err != nil {
			return err
		}
		if err := s.lockUser(ctx, localpart); err != nil {
			return err
		}
		result := s.write(ctx).Where("localpart = ? AND provider_id = ? AND issuer = ? AND subject = ?", localpart, l.ProviderID, l.Issuer, l.Subject).Delete(&linkRow{})
		if err := one("remove a link", result, ErrNotFound); err != nil {
			return err
		}
		if err := s.unmarkAdministrator(ctx, localpart, l.ProviderID); err != nil {
			return err
		}
		var left int64
		if err := s.write(ctx).Model(&linkRow{}).Where("localpart = ?", localpart).Count(&left).Error; err != nil {
			return fault("count the links of a user", err)
		}
		if left == 0 && !u.Last {
			return fmt.Errorf("remove a link: %w", ErrLastLink)
		}
		if err := s.notify(ctx, Notice{Kind: NoticeUnlinked, Localpart: localpart, ProviderID: l.ProviderID}); err != nil {
			return err
		}
		return s.Record(ctx, Event{Action: ActionUserUnlinked, Localpart: localpart, Actor: u.Actor, Reason: l.ProviderID})
	})
}

// voidLink removes what began with an account at a provider and is no session of
// a client yet: a sign-in that waits for an approval, too.
func (s *Store) voidLink(ctx context.Context, localpart string, l UpstreamLink) error {
	for _, row := range []any{&authorizationRequestRow{}, &codeRow{}, &deviceGrantRow{}, &loginTokenRow{}, &browserSessionRow{}, &proofRow{}} {
		err := s.write(ctx).Where("localpart = ? AND provider_id = ? AND upstream_issuer = ? AND upstream_subject = ?", localpart, l.ProviderID, l.Issuer, l.Subject).
			Delete(row).Error
		if err != nil {
			return fault("void the logins of a link", err)
		}
	}
	return nil
}
