package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"keymaker/internal/secret"
)

// maxUnused is how many pictures a client may have stored for a user that are
// not the user's picture; the oldest goes for another one.
const maxUnused = 4

// Picture is a picture of a user, which a client has stored at least.
type Picture struct {
	// ID is the last part of the mxc URI. Nobody can guess it.
	ID string
	// PublicID is under what anybody sees it who was told. Nobody can guess it.
	PublicID    string
	Localpart   string
	ContentType string // image/jpeg or image/png
	Content     []byte
	FileName    string // what a client called it; "" for none
	// ProviderID is the identity provider that it was taken from; "" when it was
	// sent.
	ProviderID string
	CreatedAt  time.Time

	urlHash []byte
}

// IsFrom tells whether the picture is the one that a provider has at a URL.
func (p Picture) IsFrom(providerID, url string) bool {
	return p.ProviderID == providerID && url != "" && bytes.Equal(p.urlHash, secret.Hash(url))
}

// NewPicture is a picture that is to be stored.
type NewPicture struct {
	ContentType string
	Content     []byte
	FileName    string
	// ProviderID and URL say where an identity provider has it; both "" when it
	// was sent. Of the URL a hash is kept.
	ProviderID, URL string
}

type pictureRow struct {
	ID          string
	PublicID    string
	Localpart   string
	ContentType string
	Content     []byte
	FileName    string
	ProviderID  *string
	URLHash     []byte
	CreatedAt   int64
	UsedAt      *int64
}

func (pictureRow) TableName() string { return "pictures" }

func (r pictureRow) picture() Picture {
	return Picture{ID: r.ID, PublicID: r.PublicID, Localpart: r.Localpart, ContentType: r.ContentType, Content: r.Content, FileName: r.FileName,
		ProviderID: deref(r.ProviderID), CreatedAt: fromMilli(r.CreatedAt), urlHash: r.URLHash}
}

// MediaURI is the mxc URI of what this server keeps under an id.
func (s *Store) MediaURI(id string) string { return "mxc://" + s.serverName + "/" + id }

// Picture returns a picture by its id, or ErrNotFound. Of a user who has left
// there is none; so it is with the others.
func (s *Store) Picture(ctx context.Context, id string) (Picture, error) {
	return s.picture(ctx, "id = ?", id)
}

// PublicPicture returns a user's picture by its public id, or ErrNotFound.
func (s *Store) PublicPicture(ctx context.Context, publicID string) (Picture, error) {
	return s.picture(ctx, "public_id = ? AND used_at IS NOT NULL", publicID)
}

// PictureOf returns the picture of a user, or ErrNotFound.
func (s *Store) PictureOf(ctx context.Context, localpart string) (Picture, error) {
	return s.picture(ctx, "localpart = ? AND used_at IS NOT NULL", localpart)
}

func (s *Store) picture(ctx context.Context, where, arg string) (Picture, error) {
	var row pictureRow
	err := s.read(ctx).Where(where, arg).Where("localpart IN (SELECT localpart FROM users WHERE deactivated_at IS NULL)").Take(&row).Error
	return row.picture(), fault("read a picture", err)
}

// PublicPictureID returns under what anybody sees a user's picture who is told,
// or ErrNotFound.
func (s *Store) PublicPictureID(ctx context.Context, localpart string) (string, error) {
	var row pictureRow
	err := s.read(ctx).Select("public_id").Where("localpart = ? AND used_at IS NOT NULL", localpart).Take(&row).Error
	return row.PublicID, fault("read a picture", err)
}

// AddPicture stores a picture that a user may use, and returns its mxc URI. Of
// those that are not used some are kept for a day. ErrNotFound: the user does not
// exist, or has left.
func (s *Store) AddPicture(ctx context.Context, localpart string, n NewPicture) (uri string, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.member(ctx, localpart); err != nil {
			return err
		}
		row, err := s.addPicture(ctx, localpart, n, nil)
		if err != nil {
			return err
		}
		uri = s.MediaURI(row.ID)
		others := func() *gorm.DB {
			return s.write(ctx).Model(&pictureRow{}).Where("localpart = ? AND used_at IS NULL AND id <> ?", localpart, row.ID)
		}
		kept := others().Select("id").Order("created_at DESC, id").Limit(maxUnused - 1)
		return fault("remove unused pictures", others().Where("id NOT IN (?)", kept).Delete(&pictureRow{}).Error)
	})
	return uri, err
}

func (s *Store) addPicture(ctx context.Context, localpart string, n NewPicture, used *int64) (pictureRow, error) {
	row := pictureRow{ID: secret.Token(), PublicID: secret.Token(), Localpart: localpart, ContentType: n.ContentType, Content: n.Content,
		FileName: n.FileName, ProviderID: optional(n.ProviderID), CreatedAt: s.now(), UsedAt: used}
	if n.URL != "" {
		row.URLHash = secret.Hash(n.URL)
	}
	return row, fault("store a picture", s.write(ctx).Create(&row).Error)
}

// PictureChange is another picture of a user.
type PictureChange struct {
	Localpart string
	// Picture is the new one; nil removes the user's.
	Picture *NewPicture
	// Actor and Reason are those of the audit log.
	Actor, Reason string
	// Instead is the avatar URL that the user must still have, or else nothing
	// changes; nil: whichever they have.
	Instead *string
}

// ChangePicture gives a user another picture, and removes the one of before. It
// returns whether anything has changed. ErrNotFound: the user does not exist, or
// has left; ErrConflict: they have another picture than the one to be replaced.
func (s *Store) ChangePicture(ctx context.Context, c PictureChange) (changed bool, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		user, err := s.member(ctx, c.Localpart)
		switch {
		case err != nil:
			return err
		case c.Instead != nil && *c.Instead != user.AvatarURL:
			return fmt.Errorf("change a picture: %w", ErrConflict)
		case c.Picture == nil && user.AvatarURL == "":
			return nil
		}
		if err := s.removeUsed(ctx, c.Localpart); err != nil {
			return err
		}
		uri := ""
		if c.Picture != nil {
			now := s.now()
			row, err := s.addPicture(ctx, c.Localpart, *c.Picture, &now)
			if err != nil {
				return err
			}
			uri = s.MediaURI(row.ID)
		}
		changed = true
		return s.setAvatar(ctx, c.Localpart, uri, c.Actor, c.Reason)
	})
	return changed, err
}

// UsePicture makes a picture that was stored for a user the user's. ErrNotFound:
// it is not theirs, or there is none, or the user has left.
func (s *Store) UsePicture(ctx context.Context, localpart, uri, actor string) (changed bool, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		user, err := s.member(ctx, localpart)
		if err != nil || user.AvatarURL == uri {
			return err
		}
		id, ours := strings.CutPrefix(uri, s.MediaURI(""))
		if !ours {
			return fmt.Errorf("use a picture: %w", ErrNotFound)
		}
		if err := s.removeUsed(ctx, localpart); err != nil {
			return err
		}
		used := s.write(ctx).Model(&pictureRow{}).Where("id = ? AND localpart = ?", id, localpart).Update("used_at", s.now())
		if err := one("use a picture", used, ErrNotFound); err != nil {
			return err
		}
		changed = true
		return s.setAvatar(ctx, localpart, uri, actor, "")
	})
	return changed, err
}

// member is a user who has not left, whose row nobody else changes until the
// transaction ends. It is nobody where no pictures are kept: a homeserver that is
// another program keeps them itself, and cannot be told of others.
func (s *Store) member(ctx context.Context, localpart string) (User, error) {
	if s.noPictures.Load() {
		return User{}, fmt.Errorf("no pictures are kept: %w", ErrNotFound)
	}
	if err := s.lockUser(ctx, localpart); err != nil {
		return User{}, err
	}
	user, err := s.User(ctx, localpart)
	if err == nil && user.Account.Deactivated {
		err = fmt.Errorf("the user has left: %w", ErrNotFound)
	}
	return user, err
}

// removeUsed removes the picture of a user.
func (s *Store) removeUsed(ctx context.Context, localpart string) error {
	return fault("remove a picture", s.write(ctx).Where("localpart = ? AND used_at IS NOT NULL", localpart).Delete(&pictureRow{}).Error)
}

// setAvatar notes the picture of a user, who is locked, and by whom it was
// changed.
func (s *Store) setAvatar(ctx context.Context, localpart, uri, actor, reason string) error {
	if _, err := s.changeProfile(ctx, localpart, "avatar_url", uri); err != nil {
		return err
	}
	return s.Record(ctx, Event{Action: ActionPictureChanged, Localpart: localpart, Actor: actor, Reason: reason})
}

// erasePictures removes every picture of a user.
func (s *Store) erasePictures(ctx context.Context, localpart string) error {
	return fault("erase the pictures", s.write(ctx).Where("localpart = ?", localpart).Delete(&pictureRow{}).Error)
}
