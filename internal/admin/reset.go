package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"keymaker/store"
)

// ResetQuestion says which device may replace the cross-signing keys of a user.
type ResetQuestion struct {
	User string `json:"user"`
	// Device is one that came through the OAuth server and is signed in; "" for
	// the only one.
	Device string `json:"device,omitempty"`
}

// FindResetDevice finds the device of a question, and changes nothing.
var FindResetDevice = operation("find-reset-device", (*Service).findResetDevice)

func (s *Service) findResetDevice(ctx context.Context, q ResetQuestion) (Session, error) {
	user, err := s.user(ctx, q.User)
	if err != nil {
		return Session{}, err
	}
	live, err := s.Store.LiveSessions(ctx, user.Localpart)
	if err != nil {
		return Session{}, err
	}
	var found, all []store.LiveSession
	var names []string
	for _, l := range live {
		if l.Kind != store.OAuth || l.DeviceID == "" {
			continue
		}
		all = append(all, l)
		if q.Device == "" || l.DeviceID == q.Device {
			found = append(found, l)
		}
		if name := Printable(l.DeviceID); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	userID, list := Printable(s.Store.UserID(user.Localpart)), strings.Join(names, ", ")
	switch {
	case len(all) == 0:
		return Session{}, refused("%s has no OIDC device that is signed in: nothing could replace the keys", userID)
	case len(found) == 0:
		return Session{}, refused("%s has no OIDC device %s that is signed in; these are: %s", userID, Printable(q.Device), list)
	case len(names) > 1 && q.Device == "":
		return Session{}, refused("%s has several OIDC devices that are signed in: name one with --device: %s", userID, list)
	}
	return s.session(found[len(found)-1]), nil
}

// ResetAllowed is an approval of an administrator.
type ResetAllowed struct {
	UserID    string `json:"user_id"`
	DeviceID  string `json:"device_id"`
	SessionID string `json:"session_id"`
	ClientID  string `json:"client_id"`
	// Until is when the approval is over, unless it is used before.
	Until time.Time `json:"until"`
}

// AllowReset lets a device replace the cross-signing keys of its user, once and
// within ten minutes, as the person's own approval would (MSC4312).
var AllowReset = operation("allow-reset", (*Service).allowReset)

func (s *Service) allowReset(ctx context.Context, q ResetQuestion) (ResetAllowed, error) {
	device, err := s.findResetDevice(ctx, q)
	if err != nil {
		return ResetAllowed{}, err
	}
	localpart, err := s.localpart(device.UserID)
	if err != nil {
		return ResetAllowed{}, err
	}
	until, err := s.Store.AllowReset(ctx, localpart, device.ID)
	switch {
	case errors.Is(err, store.ErrConflict):
		err = refused("the account %s is locked or deactivated", Printable(device.UserID))
	case errors.Is(err, store.ErrNotFound):
		err = refused("the session of device %s has just ended", Printable(device.DeviceID))
	}
	return ResetAllowed{UserID: device.UserID, DeviceID: device.DeviceID, SessionID: device.ID, ClientID: device.ClientID, Until: until}, err
}
