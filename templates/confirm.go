package templates

import "fmt"

// ConfirmLogin asks a person whether the application at RedirectURL may sign
// in with the account, before a login token leaves (conformance I-06).
type ConfirmLogin struct {
	Form

	RedirectURL string // the application's redirectUrl
	UserID      string // the account that is signed in: @alice:example.org
	SwitchURL   string // leads to a sign-in with another account; "" offers none
}

func (ConfirmLogin) template() string { return "confirm" }

// Destination returns where the login token goes. A place without a name is an
// error: a person could not judge it.
func (c ConfirmLogin) Destination() (Destination, error) {
	to := destinationOf(c.RedirectURL)
	if to.Name == "" {
		return to, fmt.Errorf("the redirectUrl %q has no host to show", c.RedirectURL)
	}
	return to, nil
}
