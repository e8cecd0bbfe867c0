package homeserver_test

import (
	"testing"

	"keymaker/internal/homeserver"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestEmbedded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		ctx := t.Context()
		h := homeserver.Embedded{Store: d.Open(t)}
		link := store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1", Localpart: "alice", CreateUser: true}
		if free, err := h.Available(ctx, "alice"); err != nil || !free {
			t.Errorf("before she exists: free %t, %v", free, err)
		}
		if _, err := h.Link(ctx, link); err != nil {
			t.Fatal(err)
		}
		if free, err := h.Available(ctx, "alice"); err != nil || free {
			t.Errorf("once she exists: free %t, %v", free, err)
		}
		provision := provider.Provision{Localpart: "alice", DeviceID: "DEVICE", DeviceName: "Phone"}
		for _, name := range []string{"Phone", "Another name"} {
			provision.DeviceName = name
			if err := h.Provision(ctx, provision); err != nil {
				t.Fatal(err)
			}
			if device, err := h.Device(ctx, "alice", "DEVICE"); err != nil || device.DisplayName != "Phone" {
				t.Errorf("D-11: the device is %+v, %v; want it to exist, with its first name", device, err)
			}
		}
		if err := h.Provision(ctx, provider.Provision{Localpart: "alice"}); err != nil {
			t.Errorf("a login without a device: %v", err)
		}
		if devices, err := h.Devices(ctx, "alice"); err != nil || len(devices) != 1 {
			t.Errorf("devices %+v, %v; want one", devices, err)
		}
	})
}
