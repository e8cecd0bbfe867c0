package scope_test

import (
	"testing"

	"keymaker/provider/scope"
)

func TestStoredMakesNothingUp(t *testing.T) {
	tests := []struct {
		name, granted, device, introspection string
	}{
		{"C-35: an api scope without a device stays without one", scope.API, "", scope.API + " " + scope.APIUnstable},
		{"F-04: both spellings of api and device are listed", scope.APIUnstable + " " + scope.DevicePrefixUnstable + "ABC", "ABC",
			scope.APIUnstable + " " + scope.DevicePrefixUnstable + "ABC " + scope.API + " " + scope.DevicePrefix + "ABC"},
		{"F-32: openid alone has neither", "openid", "", "openid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := scope.Stored(tt.granted)
			if set.Device() != tt.device {
				t.Errorf("device %q, want %q", set.Device(), tt.device)
			}
			got := ""
			for i, token := range set.Introspection() {
				if i > 0 {
					got += " "
				}
				got += token
			}
			if got != tt.introspection {
				t.Errorf("introspection\n got %s\nwant %s", got, tt.introspection)
			}
		})
	}
}

func TestLegacyScopeNamesTheDeviceWhereItCan(t *testing.T) {
	for device, want := range map[string]string{
		"ABCDEF":     scope.API + " " + scope.DevicePrefix + "ABCDEF",
		"with space": scope.API,
		"":           scope.API,
		`quo"te`:     scope.API,
		"ümlaut":     scope.API,
	} {
		t.Run("F-08: device "+device, func(t *testing.T) {
			if got := scope.Legacy(device); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
