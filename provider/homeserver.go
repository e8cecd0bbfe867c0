package provider

import "context"

// Homeserver is the homeserver that this server issues tokens for.
type Homeserver interface {
	// Provision makes the user and the device exist on the homeserver. It is
	// called before a token for them leaves; when it fails none does, and the
	// code stays good (conformance D-11). It may be called again for what it
	// has done already. Without a device it is no failure that the homeserver
	// cannot be told.
	Provision(ctx context.Context, p Provision) error
}

// Provision is a user and a device that must exist.
type Provision struct {
	Localpart string
	// DeviceID is "" for a login without a device.
	DeviceID string
	// DeviceName names the device when it is new. At most 100 characters.
	DeviceName string
}
