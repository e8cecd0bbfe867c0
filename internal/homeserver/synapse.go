package homeserver

import (
	"context"
	"errors"
	"fmt"

	"keymaker/internal/clock"
	"keymaker/internal/provisioning"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/upstream"
)

// API is how a homeserver that is another program is told of users and devices.
// *provisioning.Client implements it.
type API interface {
	QueryUser(ctx context.Context, localpart string) (provisioning.User, error)
	LocalpartAvailable(ctx context.Context, localpart string) error
	ProvisionUser(ctx context.Context, localpart string, p provisioning.Profile) (created bool, err error)
	DeleteUser(ctx context.Context, localpart string, erase bool) error
	ReactivateUser(ctx context.Context, localpart string) error
	UpsertDevice(ctx context.Context, localpart, deviceID, name string) (created bool, err error)
	UpdateDeviceDisplayName(ctx context.Context, localpart, deviceID, name string) error
	DeleteDevice(ctx context.Context, localpart, deviceID string) error
	SyncDevices(ctx context.Context, localpart string, deviceIDs []string) error
	AllowCrossSigningReset(ctx context.Context, localpart string) error
}

// Synapse is a homeserver that is another program: Synapse, and what takes the
// same calls. The store knows which users and devices there should be, and what
// it has not been told yet is a lane of jobs for each user.
type Synapse struct {
	*store.Store
	API   API
	Clock clock.Clock
	// Clear does what waits in a lane. It is an error when something still waits
	// afterwards (jobs.Runner.Clear).
	Clear func(ctx context.Context, lane string) error
}

var (
	_ provider.Homeserver = (*Synapse)(nil)
	_ upstream.Links      = (*Synapse)(nil)
	_ upstream.Localparts = (*Synapse)(nil)
)

// Provision implements provider.Homeserver. The device is in the store before
// the homeserver has it: an earlier removal that is told meanwhile finds it
// there, and one that is being told is waited for.
func (h *Synapse) Provision(ctx context.Context, p provider.Provision) error {
	if p.DeviceID == "" {
		// Who signs in elsewhere with this account needs no homeserver, unless it is
		// the homeserver itself that lets them in here: then the user has to be there.
		// What cannot be told now stays a job.
		_ = h.Clear(ctx, store.HomeserverLane(p.Localpart))
		return nil
	}
	if err := h.EnsureDevice(ctx, p.Localpart, p.DeviceID, p.DeviceName); err != nil {
		return err
	}
	if err := h.Clear(ctx, store.HomeserverLane(p.Localpart)); err != nil {
		return fmt.Errorf("tell the homeserver what has changed before: %w", err)
	}
	name, err := h.newName(ctx, p)
	if err != nil {
		return err
	}
	_, err = h.API.UpsertDevice(ctx, p.Localpart, p.DeviceID, name)
	if errors.Is(err, provisioning.ErrNotFound) {
		// Somebody removed the user there, or put back an older database.
		if err = h.provisionUser(ctx, p.Localpart); err == nil {
			_, err = h.API.UpsertDevice(ctx, p.Localpart, p.DeviceID, name)
		}
	}
	return err
}

// newName is what the homeserver is to call a device; "" leaves the name that a
// device in use has there, which its owner may have changed with the client.
func (h *Synapse) newName(ctx context.Context, p provider.Provision) (string, error) {
	device, err := h.Device(ctx, p.Localpart, p.DeviceID)
	if err != nil {
		return "", err
	}
	used, err := h.DeviceInUse(ctx, p.Localpart, p.DeviceID)
	if err != nil || used {
		return "", err
	}
	return device.DisplayName, nil
}

// provisionUser makes a user exist as the store has them.
func (h *Synapse) provisionUser(ctx context.Context, localpart string) error {
	user, err := h.Store.User(ctx, localpart)
	if err != nil {
		return err
	}
	_, err = h.API.ProvisionUser(ctx, localpart, profile(user))
	return err
}

// profile is all that the homeserver is told of a new user. What nobody has
// said is left alone: the homeserver may know it.
func profile(u store.User) provisioning.Profile {
	p := provisioning.Profile{Locked: new(u.Account.Locked)}
	if u.DisplayName != "" {
		p.DisplayName = &u.DisplayName
	}
	if u.Email != "" {
		p.Emails = new(addresses(u))
	}
	return p
}

// Available implements upstream.Localparts.
func (h *Synapse) Available(ctx context.Context, localpart string) (bool, error) {
	if free, err := (Embedded{h.Store}).Available(ctx, localpart); err != nil || !free {
		return false, err
	}
	err := h.API.LocalpartAvailable(ctx, localpart)
	switch {
	case nameRefused(err):
		return false, nil
	case err != nil:
		return false, unavailable(err)
	}
	return true, nil
}

// nameRefused tells whether the homeserver gives nobody the name.
func nameRefused(err error) bool {
	return errors.Is(err, provisioning.ErrNameInUse) || errors.Is(err, provisioning.ErrNameInvalid) || errors.Is(err, provisioning.ErrNameExclusive)
}

// unavailable is an error of the homeserver as the store's are: it is no answer
// to what was asked.
func unavailable(err error) error { return fmt.Errorf("%w: %w", store.ErrUnavailable, err) }
