package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"keymaker/internal/jobs"
	"keymaker/internal/provisioning"
	"keymaker/store"
)

// Jobs are the jobs that tell the homeserver what has changed.
func (h *Synapse) Jobs() map[string]jobs.Handler {
	return map[string]jobs.Handler{store.JobHomeserver: h.deliver}
}

// deliver tells the homeserver of one change, as things are by now. It waits for
// a homeserver that is not there, or refuses our secret, for as long as it takes.
func (h *Synapse) deliver(ctx context.Context, j store.Job) error {
	var c store.HomeserverChange
	if err := json.Unmarshal(j.Payload, &c); err != nil {
		return fmt.Errorf("read the payload: %w: %w", err, jobs.ErrFinal)
	}
	err := h.tell(ctx, c)
	var refused *provisioning.Refused
	switch {
	case errors.Is(err, provisioning.ErrUnavailable), errors.Is(err, provisioning.ErrSecret), errors.Is(err, provisioning.ErrDisabled):
		return fmt.Errorf("%s: %w: %w", c.Change, err, jobs.ErrAway)
	case errors.As(err, &refused), nameRefused(err), errors.Is(err, provisioning.ErrNotFound), errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%s: %w: %w", c.Change, err, jobs.ErrFinal)
	case err != nil:
		return fmt.Errorf("%s: %w", c.Change, err)
	}
	return nil
}

func (h *Synapse) tell(ctx context.Context, c store.HomeserverChange) error {
	user, err := h.Store.User(ctx, c.Localpart)
	if err != nil {
		return err
	}
	switch {
	case c.Change == store.ChangeDeactivated && user.Account.Deactivated:
		return gone(h.API.DeleteUser(ctx, c.Localpart, c.Erase))
	case c.Change == store.ChangeDeactivated, user.Account.Deactivated:
		return nil // a later change says how it ends
	}
	switch c.Change {
	case store.ChangeReactivated:
		return h.tellReactivated(ctx, user)
	case store.ChangeDevices, store.ChangeDevicesGone, store.ChangeDeviceName:
		return h.tellDevices(ctx, user, c)
	case store.ChangeResetAllowed:
		if h.Clock.Now().UnixMilli() >= c.Until {
			return fmt.Errorf("the person's approval is over: %w", jobs.ErrFinal)
		}
		return h.API.AllowCrossSigningReset(ctx, c.Localpart)
	}
	return h.tellProfile(ctx, user, c.Change)
}

// gone is nil where the homeserver does not have what is to go.
func gone(err error) error {
	if errors.Is(err, provisioning.ErrNotFound) {
		return nil
	}
	return err
}

func (h *Synapse) tellReactivated(ctx context.Context, user store.User) error {
	if err := gone(h.API.ReactivateUser(ctx, user.Localpart)); err != nil {
		return err
	}
	_, err := h.API.ProvisionUser(ctx, user.Localpart, profile(user))
	return err
}

func (h *Synapse) tellProfile(ctx context.Context, user store.User, c store.Change) error {
	var p provisioning.Profile
	switch c {
	case store.ChangeUserCreated:
		p = profile(user)
	case store.ChangeDisplayName:
		p.DisplayName = &user.DisplayName
	case store.ChangeEmail:
		p.Emails = new(addresses(user))
	case store.ChangeLocked:
		p.Locked = &user.Account.Locked
	default:
		return fmt.Errorf("a change that this version does not know: %w", jobs.ErrFinal)
	}
	_, err := h.API.ProvisionUser(ctx, user.Localpart, p)
	return err
}

func addresses(u store.User) []string {
	if u.Email == "" {
		return []string{}
	}
	return []string{u.Email}
}

func (h *Synapse) tellDevices(ctx context.Context, user store.User, c store.HomeserverChange) error {
	devices, err := h.Devices(ctx, user.Localpart)
	if err != nil {
		return err
	}
	names := map[string]string{}
	ids := make([]string, 0, len(devices))
	for _, d := range devices {
		ids, names[d.ID] = append(ids, d.ID), d.DisplayName
	}
	if c.Change == store.ChangeDevices {
		return gone(h.API.SyncDevices(ctx, user.Localpart, ids))
	}
	for _, id := range c.DeviceIDs {
		name, there := names[id]
		switch {
		case c.Change == store.ChangeDevicesGone && !there:
			err = gone(h.API.DeleteDevice(ctx, user.Localpart, id))
		case c.Change == store.ChangeDeviceName && there:
			err = gone(h.API.UpdateDeviceDisplayName(ctx, user.Localpart, id, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
