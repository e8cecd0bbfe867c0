package templates

import "time"

// AccountHome shows a person their account, and where it is in use
// (conformance H-01).
type AccountHome struct {
	UserID    string // the account that is signed in: @alice:example.org
	SwitchURL string // leads to a sign-in with another account; "" offers none
	Provider  string // the identity provider that signed the person in, as the administrator named it

	Sessions []Session // oldest first
}

func (AccountHome) template() string { return "account" }

// Session is one place where an account is in use. What is "" is not shown.
type Session struct {
	Name       string // of the device
	DeviceID   string
	App        string // the application, as it calls itself
	LastSeenAt time.Time
}

// Seen returns when the session was used last.
func (s Session) Seen() string { return moment(s.LastSeenAt) }
