package scope

import "strings"

// maxDevice is the longest device id in bytes that homeservers take (C-38).
const maxDevice = 255

// deviceID returns the device id of a device token, in either spelling.
func deviceID(token string) (id string, ok bool) {
	if id, ok = strings.CutPrefix(token, DevicePrefix); ok {
		return id, true
	}
	return strings.CutPrefix(token, DevicePrefixUnstable)
}

// checkDevice enforces the length of a device id (C-36, C-38). Its characters
// need no check: the grammar of a scope token allows exactly those of C-36,
// '+' and '/' of a base64 key included (C-37).
func checkDevice(token, id string) error {
	if id == "" {
		return refuse(token, "the device id after the last colon is empty")
	}
	if len(id) > maxDevice {
		return refuse(token, "the device id is longer than 255 characters")
	}
	return nil
}
