package templates

import "fmt"

// SignOut asks a person whether to sign out of this server in this browser, and
// of the application that sent them (OpenID Connect RP-Initiated Logout).
type SignOut struct {
	Form

	ClientName string // client_name; "" shows the host
	ClientURI  string // client_uri; both "" when no application is known
	UserID     string // the account that is signed in here; "" for none
	// Session says that the application's session ends with it, and DeviceID
	// which Matrix device goes; "" for none.
	Session  bool
	DeviceID string
	// RedirectURI is where the person goes afterwards; "" for nowhere.
	RedirectURI string
}

func (SignOut) template() string { return "signout" }

// App returns the name of the application, or "" when none is known.
func (s SignOut) App() string {
	if name := CleanName(s.ClientName); name != "" {
		return name
	}
	return Host(s.ClientURI)
}

// SwitchURL is for a page on which another account can be chosen: not this one.
func (SignOut) SwitchURL() string { return "" }

// Destination returns where the person goes afterwards. A place without a name
// is an error: a person could not judge it.
func (s SignOut) Destination() (Destination, error) {
	to := destinationOf(s.RedirectURI)
	if to.Name == "" && s.RedirectURI != "" {
		return to, fmt.Errorf("the redirect URI %q has no host to show", s.RedirectURI)
	}
	return to, nil
}
