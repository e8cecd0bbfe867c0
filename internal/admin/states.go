package admin

import (
	"context"

	"keymaker/store"
)

// StateChange is what became of an account.
type StateChange struct {
	UserID string `json:"user_id"`
	// Changed is false where the account was in that state already.
	Changed bool      `json:"changed"`
	State   UserState `json:"state"`
}

// What changes the state of an account, which the question names.
var (
	LockUser       = stateChange("lock-user", (*store.Store).LockUser)
	UnlockUser     = stateChange("unlock-user", (*store.Store).UnlockUser)
	SuspendUser    = stateChange("suspend-user", (*store.Store).SuspendUser)
	UnsuspendUser  = stateChange("unsuspend-user", (*store.Store).UnsuspendUser)
	DeactivateUser = stateChange("deactivate-user", (*store.Store).DeactivateUser)
	ReactivateUser = stateChange("reactivate-user", (*store.Store).ReactivateUser)
)

func stateChange(operationName string, change func(*store.Store, context.Context, string) (bool, error)) Operation[string, StateChange] {
	return operation(operationName, func(s *Service, ctx context.Context, name string) (StateChange, error) {
		localpart, err := s.localpart(name)
		if err != nil {
			return StateChange{}, err
		}
		changed, err := change(s.Store, ctx, localpart)
		if err != nil {
			return StateChange{}, s.knownUser(localpart, err)
		}
		user, err := s.Store.User(ctx, localpart)
		return StateChange{UserID: s.Store.UserID(localpart), Changed: changed, State: stateOf(user.Account)}, err
	})
}

// DevicesSynced is a user whose devices the homeserver is told of.
type DevicesSynced struct {
	UserID string `json:"user_id"`
}

// SyncDevices has a homeserver that is another program told of all devices of a
// user, whatever it knows of them.
var SyncDevices = operation("sync-devices", (*Service).syncDevices)

func (s *Service) syncDevices(ctx context.Context, name string) (DevicesSynced, error) {
	localpart, err := s.localpart(name)
	if err != nil {
		return DevicesSynced{}, err
	}
	if !s.Config.Homeserver.Remote() {
		return DevicesSynced{}, refused("the homeserver is this server: nobody else knows of devices")
	}
	return DevicesSynced{UserID: s.Store.UserID(localpart)}, s.knownUser(localpart, s.Store.SyncDevices(ctx, localpart))
}

// SessionsEnded says how many sessions of a user were ended.
type SessionsEnded struct {
	UserID string `json:"user_id"`
	Ended  int    `json:"sessions_ended"`
}

// EndSessions logs a user out everywhere, and removes the devices.
var EndSessions = operation("end-sessions", (*Service).endSessions)

func (s *Service) endSessions(ctx context.Context, name string) (SessionsEnded, error) {
	localpart, err := s.localpart(name)
	if err != nil {
		return SessionsEnded{}, err
	}
	n, err := s.Store.SignOutUser(ctx, localpart, store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin})
	return SessionsEnded{UserID: s.Store.UserID(localpart), Ended: n}, s.knownUser(localpart, err)
}
