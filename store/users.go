package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm/clause"
)

// User is a Matrix user of this server.
type User struct {
	Localpart   string
	DisplayName string
	Email       string
	// Language is that of the pages on which the person signed in last, as BCP 47
	// has it; "" where it is not kept.
	Language string
	// AvatarURL is the mxc URI of the user's picture; "" for none.
	AvatarURL string
	CreatedAt time.Time
	Account   Account
	// SignInsKnownAt is up to when the person knows of sign-ins; zero before
	// they have said so.
	SignInsKnownAt time.Time
	// ProfileChangedAt is when what others see of the user changed last; zero
	// before it ever did.
	ProfileChangedAt time.Time
}

type userRow struct {
	Localpart        string
	DisplayName      string
	Email            string
	Language         string
	AvatarURL        string
	CreatedAt        int64
	State            accountColumns `gorm:"embedded"`
	SignInsKnownAt   *int64
	ProfileChangedAt *int64
}

func (userRow) TableName() string { return "users" }

func (r userRow) user() User {
	user := User{Localpart: r.Localpart, DisplayName: r.DisplayName, Email: r.Email, Language: r.Language, AvatarURL: r.AvatarURL, CreatedAt: fromMilli(r.CreatedAt), Account: r.State.account()}
	if r.SignInsKnownAt != nil {
		user.SignInsKnownAt = fromMilli(*r.SignInsKnownAt)
	}
	if r.ProfileChangedAt != nil {
		user.ProfileChangedAt = fromMilli(*r.ProfileChangedAt)
	}
	return user
}

// User returns a user, or ErrNotFound.
func (s *Store) User(ctx context.Context, localpart string) (User, error) {
	var row userRow
	err := s.read(ctx).Where("localpart = ?", localpart).Take(&row).Error
	return row.user(), fault("read a user", err)
}

// UpstreamLink ties an account at an identity provider to a user.
type UpstreamLink struct {
	ProviderID, Issuer, Subject string
	// AccountName is what the person is called there; "" when the provider has
	// not said.
	AccountName string
	// PictureURL is where the provider has the person's picture; "" when it has
	// not said.
	PictureURL string
	CreatedAt  time.Time
}

// UpstreamLinks returns the accounts that a user is linked to, oldest first.
func (s *Store) UpstreamLinks(ctx context.Context, localpart string) ([]UpstreamLink, error) {
	var rows []linkRow
	if err := s.read(ctx).Where("localpart = ?", localpart).Order("created_at, provider_id, subject").Find(&rows).Error; err != nil {
		return nil, fault("read the links of a user", err)
	}
	links := make([]UpstreamLink, 0, len(rows))
	for _, r := range rows {
		links = append(links, UpstreamLink{ProviderID: r.ProviderID, Issuer: r.Issuer, Subject: r.Subject, AccountName: r.AccountName, PictureURL: r.PictureURL, CreatedAt: fromMilli(r.CreatedAt)})
	}
	return links, nil
}

type linkRow struct {
	ProviderID  string
	Issuer      string
	Subject     string
	Localpart   string
	AccountName string
	PictureURL  string
	CreatedAt   int64
}

func (linkRow) TableName() string { return "upstream_links" }

// LinkedUser returns the localpart that an account at an identity provider is
// linked to, or ErrNotFound.
func (s *Store) LinkedUser(ctx context.Context, providerID, issuer, subject string) (string, error) {
	var row linkRow
	err := s.read(ctx).Where("provider_id = ? AND issuer = ? AND subject = ?", providerID, issuer, subject).Take(&row).Error
	return row.Localpart, fault("read a link", err)
}

// NewLink ties an account at an identity provider to a Matrix user.
type NewLink struct {
	ProviderID, Issuer, Subject string
	Localpart                   string
	AccountName                 string // what the person is called there; may be ""
	PictureURL                  string // where the person's picture is; may be ""
	// Association is the id of one that the link uses up; "" for none.
	Association string
	// CreateUser makes the user too, with these particulars. One who exists gets
	// the address by Link, if they have none.
	CreateUser         bool
	DisplayName, Email string
}

// Link stores a link, and with CreateUser the user, in one transaction. When
// the account has been linked meanwhile it returns the user of that link: two
// first logins at once end with one user. ErrExists: the localpart of a user
// that was to be created is taken; ErrNotFound: a user that was not to be
// created does not exist; ErrConflict: the association has been used, or removed.
// It must not be called inside a transaction, for it undoes its own to find out.
func (s *Store) Link(ctx context.Context, n NewLink) (localpart string, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		if n.CreateUser {
			err := s.createUser(ctx, n)
			if errors.Is(err, ErrExists) {
				// It may be the other of two first logins that took the name.
				localpart, err = s.linkedOr(ctx, n, ErrExists)
				return err
			}
			if err != nil {
				return err
			}
		} else if _, err := s.User(ctx, n.Localpart); err != nil {
			return err
		}
		row := linkRow{ProviderID: n.ProviderID, Issuer: n.Issuer, Subject: n.Subject, Localpart: n.Localpart, AccountName: n.AccountName, PictureURL: n.PictureURL, CreatedAt: s.now()}
		result := s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if result.Error != nil {
			return fault("store a link", result.Error)
		}
		if result.RowsAffected == 0 {
			return errLinked
		}
		localpart = n.Localpart
		if n.CreateUser {
			if err := s.addPictureJob(ctx, PictureJob{Localpart: n.Localpart, ProviderID: n.ProviderID}, n.PictureURL); err != nil {
				return err
			}
		}
		event := Event{Action: ActionUserLinked, Localpart: n.Localpart, Actor: ActorUser, Reason: n.ProviderID}
		if n.Association != "" {
			event.Actor = ActorAdmin
			if err := s.useAssociation(ctx, n.Association); err != nil {
				return err
			}
		}
		if !n.CreateUser {
			if err := s.firstEmail(ctx, n.Localpart, n.Email); err != nil {
				return err
			}
			if err := s.notify(ctx, Notice{Kind: NoticeLinked, Localpart: n.Localpart, ProviderID: n.ProviderID}); err != nil {
				return err
			}
		}
		return s.Record(ctx, event)
	})
	if errors.Is(err, errLinked) {
		// The user that was made for it is gone with the transaction.
		return s.LinkedUser(ctx, n.ProviderID, n.Issuer, n.Subject)
	}
	return localpart, err
}

// errLinked undoes a transaction in which the link was there first.
var errLinked = errors.New("linked already")

func (s *Store) createUser(ctx context.Context, n NewLink) error {
	row := userRow{Localpart: n.Localpart, DisplayName: n.DisplayName, Email: n.Email, CreatedAt: s.now()}
	result := s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if err := one("create a user", result, ErrExists); err != nil {
		return err
	}
	if err := s.tellHomeserver(ctx, HomeserverChange{Change: ChangeUserCreated, Localpart: n.Localpart}); err != nil {
		return err
	}
	return s.Record(ctx, Event{Action: ActionUserCreated, Localpart: n.Localpart, Actor: ActorUser, Reason: n.ProviderID})
}

// AdoptUser makes a user of the homeserver one of this server's, unless they
// are that by now. The homeserver is told nothing: it has them.
func (s *Store) AdoptUser(ctx context.Context, u User) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		row := userRow{Localpart: u.Localpart, DisplayName: u.DisplayName, CreatedAt: s.now()}
		if u.Account.Deactivated {
			row.State.DeactivatedAt = &row.CreatedAt
		}
		result := s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if result.Error != nil || result.RowsAffected == 0 {
			return fault("adopt a user", result.Error)
		}
		return s.Record(ctx, Event{Action: ActionUserAdopted, Localpart: u.Localpart, Actor: ActorServer})
	})
}

// linkedOr is the user that the account is linked to, or else otherwise.
func (s *Store) linkedOr(ctx context.Context, n NewLink, otherwise error) (string, error) {
	localpart, err := s.LinkedUser(ctx, n.ProviderID, n.Issuer, n.Subject)
	if errors.Is(err, ErrNotFound) {
		return "", otherwise
	}
	return localpart, err
}
