package admin

import (
	"context"
	"strings"
	"time"

	"keymaker/store"
)

// Device is a Matrix device.
type Device struct {
	UserID      string `json:"user_id"`
	ID          string `json:"device_id"`
	DisplayName string `json:"display_name"`
	// OIDC: the device came through the OAuth server (MSC4312), as the client
	// and for the account at the provider that are named.
	OIDC       bool      `json:"oidc"`
	ClientID   string    `json:"client_id,omitempty"`
	Provider   string    `json:"provider,omitempty"`
	Issuer     string    `json:"issuer,omitempty"`
	Subject    string    `json:"subject,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
}

func (s *Service) device(d store.Device) Device {
	return Device{UserID: s.Store.UserID(d.Localpart), ID: d.ID, DisplayName: d.DisplayName, OIDC: d.ClientID != "", ClientID: d.ClientID,
		Provider: d.ProviderID, Issuer: d.UpstreamIssuer, Subject: d.UpstreamSubject, CreatedAt: d.CreatedAt, LastSeenAt: d.LastSeenAt}
}

// Devices are a part of the list of devices.
type Devices struct {
	Devices []Device `json:"devices"`
	// Next is the After of the next part; "" at the end.
	Next string `json:"next,omitempty"`
}

// DevicesQuestion says which devices to list.
type DevicesQuestion struct {
	Page

	// User and Provider are whose they are; "" for everybody's.
	User     string `json:"user,omitempty"`
	Provider string `json:"provider,omitempty"`
	// OIDC leaves out the devices of legacy logins.
	OIDC bool `json:"oidc,omitempty"`
}

// ListDevices lists devices in the order of their users and ids.
var ListDevices = operation("list-devices", (*Service).listDevices)

func (s *Service) listDevices(ctx context.Context, q DevicesQuestion) (Devices, error) {
	limit, err := q.fetch()
	if err != nil {
		return Devices{}, err
	}
	page := store.DevicePage{OIDC: q.OIDC, Limit: limit}
	if page.Localpart, err = s.anyUser(ctx, q.User); err != nil {
		return Devices{}, err
	}
	if page.ProviderID, err = s.providerID(ctx, q.Provider); err != nil {
		return Devices{}, err
	}
	if q.After != "" {
		user, device, named := cutDevice(q.After)
		if !named {
			return Devices{}, wrong("--after %s: write what the last part named, as @alice:%s/DEVICE", Printable(q.After), s.Config.ServerName)
		}
		if page.AfterLocalpart, err = s.localpart(user); err != nil {
			return Devices{}, err
		}
		page.AfterDevice = device
	}
	found, err := s.Store.ListDevices(ctx, page)
	if err != nil {
		return Devices{}, err
	}
	list := Devices{Devices: []Device{}}
	for _, d := range found {
		list.Devices = append(list.Devices, s.device(d))
	}
	list.Devices, list.Next = part(q.Page, list.Devices, func(d Device) string { return d.UserID + "/" + d.ID })
	return list, nil
}

// cutDevice takes a user ID and a device apart. A slash may be in both, but not
// in the server's name.
func cutDevice(name string) (user, device string, ok bool) {
	localpart, rest, hasServer := strings.Cut(name, ":")
	server, device, hasDevice := strings.Cut(rest, "/")
	return localpart + ":" + server, device, hasServer && hasDevice
}
