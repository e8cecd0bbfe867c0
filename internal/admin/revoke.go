package admin

import (
	"context"
	"errors"
	"strings"

	"keymaker/store"
)

// Target is what revoke and delete are about: a session, or all that a user has.
type Target struct {
	// Session is set where the target is one.
	Session *SessionDetails `json:"session,omitempty"`
	User    *User           `json:"user,omitempty"`
}

// FindTarget tells whether a name is that of a session or of a user. A user ID
// begins with an @; anything else is a session, or else a user's localpart.
var FindTarget = operation("find-target", (*Service).findTarget)

func (s *Service) findTarget(ctx context.Context, name string) (Target, error) {
	if !strings.HasPrefix(name, "@") {
		session, err := s.showSession(ctx, name)
		var missing *Error
		if err == nil {
			return Target{Session: &session}, nil
		}
		if !errors.As(err, &missing) {
			return Target{}, err
		}
	}
	user, err := s.showUser(ctx, name)
	var wrong *Error
	if errors.As(err, &wrong) && !strings.HasPrefix(name, "@") {
		return Target{}, refused("there is no session and no user %s", Printable(name))
	}
	if err != nil {
		return Target{}, err
	}
	return Target{User: &user}, nil
}

// Revoked says what became of sessions.
type Revoked struct {
	SessionID string `json:"session_id,omitempty"` // of one
	UserID    string `json:"user_id"`
	// Ended is how many sessions ended: none where they had before.
	Ended int `json:"sessions_ended"`
}

// RevokeSession ends the tokens of a session, and keeps its device.
var RevokeSession = operation("revoke-session", (*Service).revokeSession)

func (s *Service) revokeSession(ctx context.Context, id string) (Revoked, error) {
	return s.endSession(ctx, id, func() error { return s.Store.EndSession(ctx, id, byAdmin(true)) })
}

// DeleteSession ends a session, and removes its device unless another session
// lives on it.
var DeleteSession = operation("delete-session", (*Service).deleteSession)

func (s *Service) deleteSession(ctx context.Context, id string) (Revoked, error) {
	return s.endSession(ctx, id, func() error { return s.Store.DeleteSession(ctx, id, byAdmin(false)) })
}

func (s *Service) endSession(ctx context.Context, id string, end func() error) (Revoked, error) {
	record, err := s.Store.SessionRecord(ctx, id)
	if err != nil {
		return Revoked{}, knownSession(id, err)
	}
	revoked := Revoked{SessionID: id, UserID: s.Store.UserID(record.Login.Localpart)}
	if record.EndedAt.IsZero() {
		revoked.Ended = 1
	}
	return revoked, knownSession(id, end())
}

// RevokeUser ends every session of a user and every login on its way, and keeps
// the devices.
var RevokeUser = operation("revoke-user", (*Service).revokeUser)

func (s *Service) revokeUser(ctx context.Context, name string) (Revoked, error) {
	localpart, err := s.localpart(name)
	if err != nil {
		return Revoked{}, err
	}
	n, err := s.Store.SignOutUser(ctx, localpart, byAdmin(true))
	return Revoked{UserID: s.Store.UserID(localpart), Ended: n}, s.knownUser(localpart, err)
}

// Detached is what was removed of a user.
type Detached struct {
	UserID       string `json:"user_id"`
	Identities   int    `json:"identities_removed"`
	Associations int    `json:"associations_removed"`
	Sessions     int    `json:"sessions_ended"`
	Devices      int    `json:"devices_removed"`
}

// DeleteUser removes every way in to an account, with all that came through one.
// The account itself stays.
var DeleteUser = operation("delete-user", (*Service).deleteUser)

func (s *Service) deleteUser(ctx context.Context, name string) (Detached, error) {
	localpart, err := s.localpart(name)
	if err != nil {
		return Detached{}, err
	}
	removed, err := s.Store.DetachUser(ctx, localpart, byAdmin(false))
	return Detached{UserID: s.Store.UserID(localpart), Identities: removed.Links, Associations: removed.Associations,
		Sessions: removed.Sessions, Devices: removed.Devices}, s.knownUser(localpart, err)
}

func byAdmin(keepDevice bool) store.End {
	return store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin, KeepDevice: keepDevice}
}
