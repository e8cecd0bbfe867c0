package templates

import (
	"errors"
	"time"
)

// DeviceEntry asks a person for the code that their device shows (RFC 8628
// §3.3). Its form has no request yet, and no decision.
type DeviceEntry struct {
	Form

	UserCode string // fills the field in
	// Failed says that the code that was entered is unknown, used or expired,
	// and not which of them (conformance G-13).
	Failed bool
}

func (DeviceEntry) template() string { return "device" }

// DeviceConsent asks a person whether the device that shows UserCode may use
// the account (conformance G-10). It may be somebody else's device: so the page
// says where the request came from.
type DeviceConsent struct {
	Form

	ClientName string // client_name; "" shows the host
	ClientURI  string
	Configured bool   // as in Consent
	UserCode   string // to compare with the device

	Address     string // of the device, as this server saw it; "" is not shown
	Agent       string // the device's User-Agent; "" is not shown
	RequestedAt time.Time

	UserID    string // the account that is signed in: @alice:example.org
	SwitchURL string // leads to a sign-in with another account; "" offers none

	Permissions []Permission // what is granted
	Device      Device       // the zero value when no device is granted
}

func (DeviceConsent) template() string { return "device_consent" }

// App returns the name of the application.
func (c DeviceConsent) App() (string, error) {
	if name := CleanName(c.ClientName); name != "" {
		return name, nil
	}
	if host := Host(c.ClientURI); host != "" {
		return host, nil
	}
	return "", errors.New("the application has neither a name nor a host to show")
}

// Host returns the host that the application belongs to, or "".
func (c DeviceConsent) Host() string { return Host(c.ClientURI) }

// Time returns when the device asked.
func (c DeviceConsent) Time() string { return moment(c.RequestedAt) }

// Administers says that the application may administer the homeserver.
func (c DeviceConsent) Administers() bool {
	return Consent{Permissions: c.Permissions}.Administers()
}

// Granted returns the permissions in the order in which a page lists them.
func (c DeviceConsent) Granted() ([]Permission, error) {
	return Consent{Permissions: c.Permissions}.Granted()
}
