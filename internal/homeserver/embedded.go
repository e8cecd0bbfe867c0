// Package homeserver implements the port to the homeserver that tokens are
// issued for.
package homeserver

import (
	"context"
	"errors"

	"keymaker/provider"
	"keymaker/store"
)

// Embedded is the homeserver surface that this program serves itself, so that
// a client can use and test it alone. Its users and devices are those of the
// store.
type Embedded struct {
	*store.Store
}

var _ provider.Homeserver = Embedded{}

// Provision implements provider.Homeserver. The user exists since the sign-in.
func (e Embedded) Provision(ctx context.Context, p provider.Provision) error {
	if p.DeviceID == "" {
		return nil
	}
	return e.EnsureDevice(ctx, p.Localpart, p.DeviceID, p.DeviceName)
}

// Available tells whether a localpart is free.
func (e Embedded) Available(ctx context.Context, localpart string) (bool, error) {
	_, err := e.User(ctx, localpart)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}
