package provisioning

import (
	"context"
	"net/http"
)

// MaxDeviceName is how much of a device's name is sent: more is refused
// (characters).
const MaxDeviceName = 100

// UpsertDevice makes a device of a user exist, and tells whether it is new. A
// name that is not "" becomes its name, cut to MaxDeviceName. A user who does
// not exist is ErrNotFound.
func (c *Client) UpsertDevice(ctx context.Context, localpart, deviceID, name string) (created bool, err error) {
	body := map[string]any{"localpart": localpart, "device_id": deviceID}
	if name = cut(name, MaxDeviceName); name != "" {
		body["display_name"] = name
	}
	a, err := c.call(ctx, request{name: "upsert_device", body: body})
	return a.status == http.StatusCreated, err
}

// UpdateDeviceDisplayName names a device; the name is cut to MaxDeviceName. A
// user or a device that does not exist is ErrNotFound.
func (c *Client) UpdateDeviceDisplayName(ctx context.Context, localpart, deviceID, name string) error {
	return c.post(ctx, "update_device_display_name", map[string]any{
		"localpart": localpart, "device_id": deviceID, "display_name": cut(name, MaxDeviceName),
	})
}

// DeleteDevice makes a device of a user not exist. A user who does not exist is
// ErrNotFound.
func (c *Client) DeleteDevice(ctx context.Context, localpart, deviceID string) error {
	return c.post(ctx, "delete_device", map[string]any{"localpart": localpart, "device_id": deviceID})
}

// SyncDevices makes a user have these devices and no others: missing ones are
// added without a name, all others deleted. It takes up to SyncTimeout. A user
// who does not exist is ErrNotFound.
func (c *Client) SyncDevices(ctx context.Context, localpart string, deviceIDs []string) error {
	if deviceIDs == nil {
		deviceIDs = []string{} // null is refused
	}
	_, err := c.call(ctx, request{name: "sync_devices", body: map[string]any{"localpart": localpart, "devices": deviceIDs}, timeout: SyncTimeout})
	return err
}
