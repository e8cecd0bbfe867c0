package fakesynapse

import (
	"maps"
	"slices"
	"time"
)

// User is what a test sees of a user, and sets.
type User struct {
	// DisplayName and AvatarURL are "" for none.
	DisplayName, AvatarURL string
	// Emails are sorted.
	Emails                                 []string
	Locked, Suspended, Deactivated, Erased bool
	// Devices have their names; "" is none.
	Devices map[string]string
	// Dehydrated is the id of a device that sync_devices leaves alone.
	Dehydrated string
	// CrossSigning is whether they have keys. ResetUntil is when these may be
	// replaced without questions; the zero time is never.
	CrossSigning bool
	ResetUntil   time.Time
}

// User returns a user, or false when there is none.
func (s *Synapse) User(localpart string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[localpart]
	if !ok {
		return User{}, false
	}
	v := User{
		Emails: slices.Sorted(slices.Values(u.emails)), Devices: maps.Clone(u.devices),
		Locked: u.locked, Suspended: u.suspended, Deactivated: u.deactivated, Erased: u.erased,
		Dehydrated: u.dehydrated, CrossSigning: u.crossSigning, ResetUntil: u.resetUntil,
	}
	if u.displayName != nil {
		v.DisplayName = *u.displayName
	}
	if u.avatarURL != nil {
		v.AvatarURL = *u.avatarURL
	}
	return v, true
}

// SetUser makes a user be like that, whom nobody has provisioned: one of an older
// Synapse, or as its own administrator left them.
func (s *Synapse) SetUser(localpart string, v User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	devices := maps.Clone(v.Devices)
	if devices == nil {
		devices = map[string]string{}
	}
	s.users[localpart] = &account{
		displayName: notEmpty(v.DisplayName), avatarURL: notEmpty(v.AvatarURL), emails: slices.Clone(v.Emails), devices: devices,
		locked: v.Locked, suspended: v.Suspended, deactivated: v.Deactivated, erased: v.Erased,
		dehydrated: v.Dehydrated, crossSigning: v.CrossSigning, resetUntil: v.ResetUntil,
	}
}

// RemoveUser makes a user never have been, as an older database would.
func (s *Synapse) RemoveUser(localpart string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, localpart)
}

// Localparts are those of all users, sorted.
func (s *Synapse) Localparts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.users))
}

// Reserve keeps the names that begin with prefix for an application service.
func (s *Synapse) Reserve(prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved = append(s.reserved, prefix)
}
