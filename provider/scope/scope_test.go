package scope_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"keymaker/provider/errtext"
	"keymaker/provider/scope"
)

const (
	api         = "urn:matrix:client:api:*"
	apiUnstable = "urn:matrix:org.matrix.msc2967.client:api:*"
	dev         = "urn:matrix:client:device:"
	devUnstable = "urn:matrix:org.matrix.msc2967.client:device:"
)

func fixedDevice() string { return "GENERATED1" }

func TestParseGrants(t *testing.T) {
	long := strings.Repeat("d", 255)
	tests := []struct {
		name   string
		raw    string
		opts   scope.Options
		want   string // tokens with a space between
		device string
	}{
		{"C-31: api and device in the stable spelling",
			api + " " + dev + "AAABBBCCCDDD", scope.Options{}, api + " " + dev + "AAABBBCCCDDD", "AAABBBCCCDDD"},
		{"C-32, C-3C: the unstable spelling is granted as it was sent",
			apiUnstable + " " + devUnstable + "AAABBBCCCDDD", scope.Options{}, apiUnstable + " " + devUnstable + "AAABBBCCCDDD", "AAABBBCCCDDD"},
		{"C-30: order is free and kept",
			dev + "D openid " + api, scope.Options{}, dev + "D openid " + api, "D"},
		{"C-30: repeated tokens collapse",
			"openid " + api + " openid " + dev + "D " + dev + "D", scope.Options{}, "openid " + api + " " + dev + "D", "D"},
		{"C-33: an api token of another kind is unknown and dropped",
			api + " urn:matrix:client:api:read " + dev + "D", scope.Options{}, api + " " + dev + "D", "D"},
		{"C-34: the stable api with an unstable device",
			api + " " + devUnstable + "D", scope.Options{}, api + " " + devUnstable + "D", "D"},
		{"C-35: api without device gets a generated device in the stable spelling",
			api, scope.Options{}, api + " " + dev + "GENERATED1", "GENERATED1"},
		{"C-35: the unstable api without device gets a stable device token too",
			apiUnstable + " openid", scope.Options{}, apiUnstable + " openid " + dev + "GENERATED1", "GENERATED1"},
		{"C-35: with the device required, api and device are granted",
			api + " " + dev + "D", scope.Options{RequireDevice: true}, api + " " + dev + "D", "D"},
		{"C-36: every legal character may stand in a device id",
			api + " " + dev + legalCharacters(), scope.Options{}, api + " " + dev + legalCharacters(), legalCharacters()},
		{"C-37: a base64 key with plus and slash is a device id",
			api + " " + dev + "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4+", scope.Options{},
			api + " " + dev + "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4+", "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4+"},
		{"C-38: a device id of one character",
			api + " " + dev + "D", scope.Options{}, api + " " + dev + "D", "D"},
		{"C-38: a device id of 255 characters",
			api + " " + dev + long, scope.Options{}, api + " " + dev + long, long},
		{"C-3A: an unknown token is dropped by default",
			"openid urn:example:other phone", scope.Options{}, "openid", ""},
		{"C-3A: known tokens pass the strict reading",
			"openid profile email offline_access " + api + " " + dev + "D", scope.Options{Strict: true},
			"openid profile email offline_access " + api + " " + dev + "D", "D"},
		{"C-3B: openid alone is a plain OpenID login without device",
			"openid", scope.Options{RequireDevice: true}, "openid", ""},
		{"C-3C: both spellings of the same device and of the api are kept",
			api + " " + apiUnstable + " " + dev + "D " + devUnstable + "D", scope.Options{},
			api + " " + apiUnstable + " " + dev + "D " + devUnstable + "D", "D"},
		{"C-3D: privileged scopes are known where somebody can have them",
			api + " " + dev + "D urn:matrix:client:server_administration urn:synapse:admin:*", scope.Options{Administration: true, Strict: true},
			api + " " + dev + "D urn:matrix:client:server_administration urn:synapse:admin:*", "D"},
		{"C-3D: privileged scopes are not granted",
			"openid urn:matrix:client:server_administration urn:synapse:admin:*", scope.Options{}, "openid", ""},
		{"F-32: a token that contains openid is not openid",
			"openid2 email", scope.Options{}, "email", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.NewDevice = fixedDevice
			set, err := scope.Parse(tt.raw, tt.opts)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.raw, err)
			}
			if set.String() != tt.want || strings.Join(set.Tokens(), " ") != tt.want {
				t.Errorf("granted %q, tokens %q, want %q", set, set.Tokens(), tt.want)
			}
			if set.Device() != tt.device {
				t.Errorf("device %q, want %q", set.Device(), tt.device)
			}
			if want := strings.Contains(tt.want, "client:api:*"); set.HasAPI() != want {
				t.Errorf("HasAPI() = %v, want %v", set.HasAPI(), want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name string
		raw  string
		opts scope.Options
		says string // must stand in the message
	}{
		{"C-30: an empty scope", "", scope.Options{}, "missing or empty"},
		{"C-30: a single space", " ", scope.Options{}, "one space"},
		{"C-30: two spaces between tokens", "openid  email", scope.Options{}, "one space"},
		{"C-30: a leading space", " openid", scope.Options{}, "one space"},
		{"C-30: a trailing space", "openid ", scope.Options{}, "one space"},
		{"C-30: a tab is no separator", "openid\temail", scope.Options{}, "printable ASCII"},
		{"C-30: a newline", "openid\nemail", scope.Options{}, "printable ASCII"},
		{"C-30: a double quote, even in an unknown token", `openid a"b`, scope.Options{}, "printable ASCII"},
		{"C-30: a backslash", `openid a\b`, scope.Options{}, "printable ASCII"},
		{"C-30: DEL", "openid a\x7f", scope.Options{}, "printable ASCII"},
		{"C-30: a character outside ASCII", "openid é", scope.Options{}, "printable ASCII"},
		{"C-30: a byte that is no UTF-8", "openid \xff", scope.Options{}, "printable ASCII"},
		{"C-33: an api token of another kind alone", "urn:matrix:client:api:read", scope.Options{}, "nothing that was asked for is known"},
		{"C-33: an api token of another kind, read strictly", api + " urn:matrix:client:api:read " + dev + "D", scope.Options{Strict: true}, "'urn:matrix:client:api:read' is refused: it is not known"},
		{"C-35: two stable devices", api + " " + dev + "A " + dev + "B", scope.Options{}, "one device"},
		{"C-35: two unstable devices", api + " " + devUnstable + "A " + devUnstable + "B", scope.Options{}, "one device"},
		{"C-35: two devices in two spellings", api + " " + dev + "A " + devUnstable + "B", scope.Options{}, "one device"},
		{"C-35: two devices that differ in case", api + " " + dev + "A " + dev + "a", scope.Options{}, "one device"},
		{"C-35: api without device where a device is required", api, scope.Options{RequireDevice: true}, "needs a device"},
		{"C-35: the unstable api without device where a device is required", apiUnstable, scope.Options{RequireDevice: true}, "needs a device"},
		{"C-36: an empty device id", api + " " + dev, scope.Options{}, "is empty"},
		{"C-36: an empty unstable device id", api + " " + devUnstable, scope.Options{}, "is empty"},
		{"C-36: a device id with a double quote", api + " " + dev + `A"B`, scope.Options{}, "printable ASCII"},
		{"C-38: a device id of 256 characters", api + " " + dev + strings.Repeat("d", 256), scope.Options{}, "longer than 255"},
		{"C-3A: an unknown token, read strictly", "openid phone", scope.Options{Strict: true}, "'phone' is refused: it is not known; accepted are openid"},
		{"C-3A: only unknown tokens", "phone address", scope.Options{}, "nothing that was asked for is known"},
		{"C-3B: a device without api", "openid " + dev + "D", scope.Options{}, "only granted together with " + api},
		{"C-3B: a device alone", devUnstable + "D", scope.Options{}, "only granted together with " + api},
		{"C-3D: a privileged scope without the api", "openid urn:synapse:admin:*", scope.Options{Administration: true}, "only granted together with " + api},
		{"C-3D: a privileged scope, read strictly", "openid urn:synapse:admin:*", scope.Options{Strict: true}, "not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.NewDevice = fixedDevice
			set, err := scope.Parse(tt.raw, tt.opts)
			checkRefused(t, err, tt.says)
			if set.String() != "" || set.Device() != "" {
				t.Errorf("a refused scope still grants %q", set)
			}
		})
	}
}

func checkRefused(t *testing.T, err error, says string) {
	t.Helper()
	var refused *scope.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error is %v (%T), want a *scope.Error", err, err)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("message %q does not say %q", err, says)
	}
	if !errtext.Legal(err.Error()) {
		t.Errorf("message %q holds characters that an error_description may not", err)
	}
}

func TestNewDevice(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := scope.NewDevice()
		if len(id) != 10 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			t.Fatalf("C-35: generated device id %q is not 10 upper-case letters and digits", id)
		}
		seen[id] = true
	}
	if len(seen) < 100 {
		t.Errorf("100 generated device ids, only %d different", len(seen))
	}
}

func TestParseGeneratesWithoutGenerator(t *testing.T) {
	set, err := scope.Parse(api, scope.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Device()) != 10 || !set.Has(dev+set.Device()) {
		t.Errorf("C-35: device %q in %q, want a generated one of 10 characters", set.Device(), set)
	}
}

func TestSupported(t *testing.T) {
	for _, token := range scope.Supported() {
		if strings.Contains(token, "device") {
			t.Errorf("A-03u: %q is a device token", token)
		}
	}
	if got := scope.Supported(); !slices.Contains(got, "openid") || !slices.Contains(got, api) {
		t.Errorf("A-03u: supported scopes %q lack openid or the api", got)
	}
}

// legalCharacters is every character that a scope token may hold (C-36).
func legalCharacters() string {
	var b strings.Builder
	for c := byte(0x21); c <= 0x7e; c++ {
		if c != '"' && c != '\\' {
			b.WriteByte(c)
		}
	}
	return b.String()
}
