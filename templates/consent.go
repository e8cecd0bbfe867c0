package templates

import (
	"fmt"
	"slices"
)

// A Permission is something that a person allows an application to do.
type Permission string

// The permissions that a page has words for.
const (
	PermissionMatrix   Permission = "matrix"   // the Matrix client-server API
	PermissionIdentity Permission = "identity" // openid
	PermissionProfile  Permission = "profile"
	PermissionEmail    Permission = "email"
	PermissionOffline  Permission = "offline" // offline_access
	// PermissionAdministration stands out on a page (conformance C-3D).
	PermissionAdministration Permission = "administration"
)

// permissions are in the order in which pages list them.
var permissions = []Permission{
	PermissionAdministration, PermissionMatrix, PermissionIdentity, PermissionProfile, PermissionEmail, PermissionOffline,
}

// Consent asks a person whether an application may use the account
// (conformance C-60). What the application says about itself is cleaned here;
// handlers pass it as it is stored. A logo is never shown: everybody can show
// everybody's.
type Consent struct {
	Form

	ClientName string // client_name; "" shows the host
	ClientURI  string // client_uri; "" for a configured client without one
	// RedirectURI is where the answer goes. Its host is shown when it is not
	// that of ClientURI, or that it is on the person's own device.
	RedirectURI string
	// Configured says that the administrator has configured the client. Every
	// other one has registered itself and is marked as unverified (L-25).
	Configured bool
	TOSURI     string // tos_uri; linked only when it is https
	PolicyURI  string // policy_uri; likewise

	UserID string // the account that is signed in: @alice:example.org
	// SwitchURL leads to a sign-in with another account; "" offers none.
	SwitchURL string

	Permissions []Permission // what is granted
	Device      Device       // the zero value when no device is granted
}

// A Device is the Matrix device that a sign-in creates or takes over.
type Device struct {
	ID   string
	Name string // the display name it has already, or will get; "" for none
	// Exists says that the account has this device already, so that approving
	// ends its session (conformance C-63, C-66).
	Exists bool
}

func (Consent) template() string { return "consent" }

// App returns the name of the application.
func (c Consent) App() string {
	if name := CleanName(c.ClientName); name != "" {
		return name
	}
	return c.Host()
}

// Host returns the host that the application belongs to.
func (c Consent) Host() string {
	if host := Host(c.ClientURI); host != "" {
		return host
	}
	return destinationOf(c.RedirectURI).Name
}

// Destination returns where the answer goes. An answer that goes to a place
// without a name is an error: a person could not judge it.
func (c Consent) Destination() (Destination, error) {
	to := destinationOf(c.RedirectURI)
	if to.Name == "" {
		return to, fmt.Errorf("the redirect URI %q has no host to show", c.RedirectURI)
	}
	return to, nil
}

// Administers says that the application may administer the homeserver, which
// stands out on a page (conformance C-3D).
func (c Consent) Administers() bool {
	return slices.Contains(c.Permissions, PermissionAdministration)
}

// Granted returns the permissions in the order in which a page lists them.
func (c Consent) Granted() ([]Permission, error) {
	for _, p := range c.Permissions {
		if !slices.Contains(permissions, p) {
			return nil, fmt.Errorf("there are no words for the permission %q", p)
		}
	}
	return slices.DeleteFunc(slices.Clone(permissions), func(p Permission) bool {
		return !slices.Contains(c.Permissions, p)
	}), nil
}
