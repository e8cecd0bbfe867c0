package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"keymaker/internal/jobs"
	"keymaker/internal/picture"
	"keymaker/store"
)

// pictureAttempts is how often a picture is asked for whose server does not
// answer. The person can have it taken later.
const pictureAttempts = 3

// PictureStore is what taking a picture needs of the storage.
type PictureStore interface {
	JobSecret(j store.Job) ([]byte, error)
	User(ctx context.Context, localpart string) (store.User, error)
	UpstreamLinks(ctx context.Context, localpart string) ([]store.UpstreamLink, error)
	PictureOf(ctx context.Context, localpart string) (store.Picture, error)
	ChangePicture(ctx context.Context, c store.PictureChange) (changed bool, err error)
}

// Pictures takes the pictures that providers say of people.
type Pictures struct {
	Store     PictureStore
	Providers []*Provider
	// Off: pictures are not kept, so that jobs which are left have nothing to do.
	Off bool
}

// Jobs are the jobs that take a picture after a sign-in, which waits for none.
func (p *Pictures) Jobs() map[string]jobs.Handler {
	return map[string]jobs.Handler{store.JobPicture: p.take}
}

// take does a job, unless it is of no use any more.
func (p *Pictures) take(ctx context.Context, j store.Job) error {
	if p.Off {
		return nil
	}
	var job store.PictureJob
	if err := json.Unmarshal(j.Payload, &job); err != nil {
		return fmt.Errorf("read the payload: %w: %w", err, jobs.ErrFinal)
	}
	address, err := p.Store.JobSecret(j)
	if err != nil {
		return fmt.Errorf("%w: %w", err, jobs.ErrFinal)
	}
	user, err := p.Store.User(ctx, job.Localpart)
	if err != nil {
		return err
	}
	wanted, err := p.wanted(ctx, user, job, string(address))
	if err != nil || !wanted {
		return err
	}
	err = p.Take(ctx, job.ProviderID, string(address), store.PictureChange{Localpart: job.Localpart, Actor: store.ActorServer, Instead: &user.AvatarURL})
	switch {
	case errors.Is(err, store.ErrConflict) && !job.Managed, errors.Is(err, store.ErrNotFound):
		return nil // the person was quicker, or has left
	case errors.Is(err, ErrPictureAway) && j.Attempts < pictureAttempts, errors.Is(err, store.ErrConflict):
		return err
	case errors.Is(err, ErrPictureAway), errors.Is(err, ErrPictureRefused), errors.Is(err, picture.ErrNoPicture), errors.Is(err, picture.ErrTooLarge):
		return fmt.Errorf("%w: %w", err, jobs.ErrFinal)
	}
	return err
}

// wanted tells whether a picture is still to be taken: the account is linked and
// its provider has said nothing else since, and the user has no picture, or not
// the one that is managed.
func (p *Pictures) wanted(ctx context.Context, user store.User, job store.PictureJob, address string) (bool, error) {
	if user.Account.Deactivated || user.AvatarURL != "" && !job.Managed {
		return false, nil
	}
	links, err := p.Store.UpstreamLinks(ctx, job.Localpart)
	if err != nil {
		return false, err
	}
	said := false
	for _, l := range links {
		said = said || l.ProviderID == job.ProviderID && l.PictureURL == address
	}
	if !said || user.AvatarURL == "" {
		return said, nil
	}
	has, err := p.Store.PictureOf(ctx, job.Localpart)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return !has.IsFrom(job.ProviderID, address), err
}

// Take fetches the picture at an address that a provider has said, and makes the
// change with it. Errors are those of FetchPicture and of the storage; a provider
// that is not configured any more is an ErrPictureRefused.
func (p *Pictures) Take(ctx context.Context, providerID, address string, c store.PictureChange) error {
	for _, provider := range p.Providers {
		if provider.ID() != providerID {
			continue
		}
		fetched, err := provider.FetchPicture(ctx, address)
		if err != nil {
			return err
		}
		c.Picture, c.Reason = &store.NewPicture{ContentType: fetched.ContentType, Content: fetched.Content, ProviderID: providerID, URL: address}, providerID
		_, err = p.Store.ChangePicture(ctx, c)
		return err
	}
	return refusedPicture("its provider is not configured any more")
}
