package store

import (
	"context"
	"errors"
)

// SetDisplayName changes the name by which others know a user, and says by whom
// it was changed. It returns whether it is another one, and ErrNotFound for a
// user that does not exist.
func (s *Store) SetDisplayName(ctx context.Context, localpart, name, actor string) (changed bool, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.User(ctx, localpart); err != nil {
			return err
		}
		var err error
		changed, err = s.changeProfile(ctx, localpart, "display_name", name)
		if err != nil || !changed {
			return err
		}
		return s.Record(ctx, Event{Action: ActionDisplayNameChanged, Localpart: localpart, Actor: actor})
	})
	return changed, err
}

// changeProfile changes a column of what others see of a user who has not left.
func (s *Store) changeProfile(ctx context.Context, localpart, column, value string) (changed bool, err error) {
	result := s.write(ctx).Model(&userRow{}).
		Where("localpart = ? AND deactivated_at IS NULL", localpart).Where(column+" <> ?", value).
		Updates(map[string]any{column: value, "profile_changed_at": s.now()})
	if result.Error != nil || result.RowsAffected == 0 {
		return false, fault("change a profile", result.Error)
	}
	return true, s.tellHomeserver(ctx, HomeserverChange{Change: Change(column), Localpart: localpart})
}

// firstEmail gives a user who has no address one.
func (s *Store) firstEmail(ctx context.Context, localpart, address string) error {
	if address == "" {
		return nil
	}
	user, err := s.User(ctx, localpart)
	if errors.Is(err, ErrNotFound) || err == nil && user.Email != "" {
		return nil
	}
	if err == nil {
		_, err = s.changeProfile(ctx, localpart, "email", address)
	}
	return err
}

// SeenLink is what an identity provider says of a linked account at a sign-in.
type SeenLink struct {
	ProviderID, Issuer, Subject string
	Localpart                   string
	// AccountName is what the person is called there; "" when it does not say.
	AccountName string
	// PictureURL is where the provider has the person's picture; "" when it does
	// not say.
	PictureURL string
	// TakePicture: the user's picture is that one from now on.
	TakePicture bool
	// DisplayName and Email are the user's from now on; nil leaves them alone.
	DisplayName, Email *string
	// FirstEmail is the user's if they have none; "" for none either.
	FirstEmail string
}

// SeeLink keeps what a provider says of an account that is linked, and changes
// what the provider manages of its user. A user who has left stays as they are.
func (s *Store) SeeLink(ctx context.Context, l SeenLink) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if l.DisplayName != nil {
			changed, err := s.changeProfile(ctx, l.Localpart, "display_name", *l.DisplayName)
			if err == nil && changed {
				err = s.Record(ctx, Event{Action: ActionDisplayNameChanged, Localpart: l.Localpart, Actor: ActorServer, Reason: l.ProviderID})
			}
			if err != nil {
				return err
			}
		}
		if l.Email != nil {
			if _, err := s.changeProfile(ctx, l.Localpart, "email", *l.Email); err != nil {
				return err
			}
		}
		if err := s.firstEmail(ctx, l.Localpart, l.FirstEmail); err != nil {
			return err
		}
		if l.TakePicture {
			if err := s.followPicture(ctx, l); err != nil {
				return err
			}
		}
		return fault("keep what a linked account is called", s.write(ctx).Model(&linkRow{}).
			Where("provider_id = ? AND issuer = ? AND subject = ? AND (account_name <> ? OR picture_url <> ?)", l.ProviderID, l.Issuer, l.Subject, l.AccountName, l.PictureURL).
			Where("localpart IN (SELECT localpart FROM users WHERE deactivated_at IS NULL)").
			Updates(map[string]any{"account_name": l.AccountName, "picture_url": l.PictureURL}).Error)
	})
}
