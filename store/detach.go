package store

import "context"

// ActionUserDetached is the audit log's action for the removal of every way in
// to an account.
const ActionUserDetached = "user_detached"

// DeleteSession ends a session, whoever asks for it as e says, and removes its
// device unless another session lives on it. A session that has ended already
// stays as it was, and is remembered like any other. It returns ErrNotFound for
// one that is not known.
func (s *Store) DeleteSession(ctx context.Context, id string, e End) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		session, err := s.SessionOf(ctx, id)
		if err != nil {
			return err
		}
		if err := s.EndSession(ctx, id, e); err != nil {
			return err
		}
		if session.DeviceID == "" {
			return nil
		}
		return s.removeIdle(ctx, session.Login.Localpart, []string{session.DeviceID}, e)
	})
}

// Detached is what DetachUser has removed.
type Detached struct {
	Links, Associations, Sessions, Devices int
}

// DetachUser removes every way in to an account and all that came through one:
// the links to identity providers, associations, sessions, devices, and logins
// on their way. The user stays, and nobody is given the name; an association
// lets somebody in again. It returns ErrNotFound for a user that does not exist.
func (s *Store) DetachUser(ctx context.Context, localpart string, e End) (removed Detached, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		if err := s.voidLogins(ctx, localpart); err != nil {
			return err
		}
		if _, err := s.User(ctx, localpart); err != nil {
			return err
		}
		devices, err := s.Devices(ctx, localpart)
		if err != nil {
			return err
		}
		removed.Devices = len(devices)
		e.KeepDevice = true // they go below, with those that have no session
		if removed.Sessions, err = s.SignOutUser(ctx, localpart, e); err != nil {
			return err
		}
		if err := s.deleteDevices(ctx, localpart); err != nil {
			return err
		}
		if err := s.tellHomeserver(ctx, HomeserverChange{Change: ChangeDevices, Localpart: localpart}); err != nil {
			return err
		}
		links, err := s.UpstreamLinks(ctx, localpart)
		if err != nil {
			return err
		}
		for _, l := range links {
			if err := s.unmarkAdministrator(ctx, localpart, l.ProviderID); err != nil {
				return err
			}
			if err := s.notify(ctx, Notice{Kind: NoticeUnlinked, Localpart: localpart, ProviderID: l.ProviderID}); err != nil {
				return err
			}
		}
		for _, step := range []struct {
			row   any
			count *int
		}{{&linkRow{}, &removed.Links}, {&associationRow{}, &removed.Associations}, {&authorizationRequestRow{}, new(int)}} {
			result := s.write(ctx).Where("localpart = ?", localpart).Delete(step.row)
			if result.Error != nil {
				return fault("detach a user", result.Error)
			}
			*step.count = int(result.RowsAffected)
		}
		return s.Record(ctx, Event{Action: ActionUserDetached, Localpart: localpart, Actor: e.Actor})
	})
	return removed, err
}
