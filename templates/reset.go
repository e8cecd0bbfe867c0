package templates

// ResetDevices lets a person choose the device that may replace the
// cross-signing keys (MSC4312; conformance J-20).
type ResetDevices struct {
	AccountFrame

	Places []Place
	// Unprovable are the providers of other devices of the person, which do not
	// prove who they are: nothing begun there can go on.
	Unprovable []string
}

func (ResetDevices) template() string { return "reset_devices" }

// Reset asks a person who has just signed in afresh whether a device may replace
// the cross-signing keys, and says what is lost.
type Reset struct {
	Form

	UserID string
	Place  Place // the device that asks
}

func (Reset) template() string { return "reset" }

// SwitchURL is for a page on which another account can be chosen: not this one.
func (Reset) SwitchURL() string { return "" }

// AuthDone tells a person that a client may go on with what they have approved,
// and the client, when it has opened the page, by a script (CS-API, Fallback).
type AuthDone struct{}

func (AuthDone) template() string { return "auth_done" }
