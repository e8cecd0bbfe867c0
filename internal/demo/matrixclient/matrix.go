package matrixclient

import (
	"context"
	"net/http"
	"net/url"

	"keymaker/internal/secret"
)

// Owner is whose an access token is, as the client-server API says it.
type Owner struct {
	UserID   string `json:"user_id"`
	DeviceID string `json:"device_id"`
}

// WhoAmI asks whose an access token is. A token that does not work is an *Error
// with the status 401.
func (c *Client) WhoAmI(ctx context.Context, access secret.Text) (Owner, error) {
	var o Owner
	err := c.get(ctx, "/_matrix/client/v3/account/whoami", access, &o)
	return o, err
}

// Device is a device of the user.
type Device struct {
	ID          string `json:"device_id"`
	DisplayName string `json:"display_name"`
}

// Devices lists the devices of the token's user.
func (c *Client) Devices(ctx context.Context, access secret.Text) ([]Device, error) {
	var list struct {
		Devices []Device `json:"devices"`
	}
	err := c.get(ctx, "/_matrix/client/v3/devices", access, &list)
	return list.Devices, err
}

func (c *Client) get(ctx context.Context, path string, access secret.Text, v any) error {
	a, err := send(ctx, c.http, request{method: http.MethodGet, url: at(c.Metadata.Issuer, path), bearer: access})
	if err != nil {
		return err
	}
	return a.object(http.StatusOK, v)
}

// Introspection is what a homeserver learns about an access token (RFC 7662
// §2.2, conformance F-04).
type Introspection struct {
	Active   bool   `json:"active"`
	Username string `json:"username"`
	DeviceID string `json:"device_id"`
}

// Introspect asks about an access token as a homeserver does, which shares a
// secret with the server.
func (c *Client) Introspect(ctx context.Context, access, homeserverSecret secret.Text) (Introspection, error) {
	a, err := send(ctx, c.http, request{
		method: http.MethodPost, url: c.Metadata.IntrospectionEndpoint, bearer: homeserverSecret,
		form: url.Values{"token": {access.Reveal()}, "token_type_hint": {"access_token"}},
	})
	if err != nil {
		return Introspection{}, err
	}
	var said Introspection
	err = a.object(http.StatusOK, &said)
	return said, err
}
