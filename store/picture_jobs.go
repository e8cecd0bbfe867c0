package store

import (
	"context"
	"errors"
)

// JobPicture is the kind of the jobs that take a picture from an identity
// provider. Their payload is a PictureJob, and their secret the URL that the
// provider said.
const JobPicture = "picture"

// PictureJob says whose picture is to be taken, and from which provider.
type PictureJob struct {
	Localpart  string `json:"localpart"`
	ProviderID string `json:"provider_id"`
	// Managed: the provider says what the picture is. Otherwise it is taken only
	// while the user has none.
	Managed bool `json:"managed,omitempty"`
}

// addPictureJob leaves a job behind in the transaction of ctx, where pictures are
// kept.
func (s *Store) addPictureJob(ctx context.Context, p PictureJob, url string) error {
	if s.noPictures.Load() || url == "" {
		return nil
	}
	_, err := s.AddJob(ctx, NewJob{Kind: JobPicture, Lane: JobPicture + " " + p.Localpart, Payload: p, Secret: []byte(url)})
	return err
}

// followPicture has a user's picture be the one that a provider says which
// manages it: at once where it says that there is none, and otherwise by a job,
// unless it is that one already. A user who has left stays as they are.
func (s *Store) followPicture(ctx context.Context, l SeenLink) error {
	if s.noPictures.Load() {
		return nil
	}
	if l.PictureURL == "" {
		_, err := s.ChangePicture(ctx, PictureChange{Localpart: l.Localpart, Actor: ActorServer, Reason: l.ProviderID})
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	p, err := s.PictureOf(ctx, l.Localpart)
	if err != nil && !errors.Is(err, ErrNotFound) || p.IsFrom(l.ProviderID, l.PictureURL) {
		return err
	}
	return s.addPictureJob(ctx, PictureJob{Localpart: l.Localpart, ProviderID: l.ProviderID, Managed: true}, l.PictureURL)
}
