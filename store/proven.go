package store

import "context"

// LinkProven links the account of a pending link, whose id is given up for it,
// by a proof that the user is the person's. ErrNotFound: the proof is gone, or
// the user; ErrConflict: the pending link was answered; ErrExists: the account
// has been linked meanwhile.
func (s *Store) LinkProven(ctx context.Context, k ProofKey, id string, p PendingLink) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.TakeProof(ctx, k); err != nil {
			return err
		}
		if err := s.EndLink(ctx, k.Browser, id); err != nil {
			return err
		}
		return s.AddLink(ctx, p.NewLink)
	})
}

// UnlinkProven is Unlink by a proof of who the person is. ErrNotFound: the proof
// is gone, or the link.
func (s *Store) UnlinkProven(ctx context.Context, k ProofKey, l UpstreamLink) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.TakeProof(ctx, k); err != nil {
			return err
		}
		return s.Unlink(ctx, k.Localpart, l, Unlinking{Actor: ActorUser})
	})
}

// CloseAccount deactivates a user at their own wish, by a proof of who the
// person is, as DeactivateUser does. With erase, what others and we know of them
// by name goes too. ErrNotFound: the proof is gone.
func (s *Store) CloseAccount(ctx context.Context, k ProofKey, erase bool) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.TakeProof(ctx, k); err != nil {
			return err
		}
		if _, err := s.deactivate(ctx, k.Localpart, ActorUser, erase); err != nil || !erase {
			return err
		}
		return s.erase(ctx, k.Localpart)
	})
}

// erase removes what a person is called and looks like. The localpart stays:
// nobody else may ever have it.
func (s *Store) erase(ctx context.Context, localpart string) error {
	err := s.write(ctx).Model(&userRow{}).Where("localpart = ?", localpart).
		Updates(map[string]any{"display_name": "", "email": "", "language": "", "avatar_url": "", "profile_changed_at": s.now()}).Error
	if err != nil {
		return fault("erase a profile", err)
	}
	if err := s.erasePictures(ctx, localpart); err != nil {
		return err
	}
	err = s.write(ctx).Model(&linkRow{}).Where("localpart = ?", localpart).Updates(map[string]any{"account_name": "", "picture_url": ""}).Error
	if err != nil {
		return fault("erase the names of links", err)
	}
	return s.Record(ctx, Event{Action: ActionUserErased, Localpart: localpart, Actor: ActorUser})
}
