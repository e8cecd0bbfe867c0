package scope_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"keymaker/provider/errtext"
	"keymaker/provider/scope"
)

// FuzzParse checks what must hold for every input: a refusal has a message that
// may be sent, and a granted scope is legal, has at most one device, grants
// nothing that was not asked for but a generated device, and reads back to
// itself.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", " ", "openid", "openid  email", "openid profile email offline_access",
		api, apiUnstable, api + " " + dev + "AAABBBCCCDDD", apiUnstable + " " + devUnstable + "AAABBBCCCDDD",
		api + " " + dev + "A " + devUnstable + "A", api + " " + dev + "A " + dev + "B", api + " " + dev,
		dev + "A", "urn:matrix:client:api:read", api + " " + dev + "a+b/c=", "openid \x00", "openid \xff", `a"b\c`,
		api + " " + dev + strings.Repeat("x", 256),
	} {
		f.Add(seed, false, false)
		f.Add(seed, true, true)
	}
	f.Fuzz(func(t *testing.T, raw string, strict, requireDevice bool) {
		opts := scope.Options{Strict: strict, RequireDevice: requireDevice, NewDevice: fixedDevice}
		set, err := scope.Parse(raw, opts)
		if err != nil {
			var refused *scope.Error
			if !errors.As(err, &refused) || !errtext.Legal(err.Error()) {
				t.Fatalf("%T with message %q", err, err)
			}
			return
		}
		checkTokens(t, raw, set)
		again, err := scope.Parse(set.String(), scope.Options{Strict: true, RequireDevice: true})
		if err != nil || again.String() != set.String() || again.Device() != set.Device() {
			t.Fatalf("%q reads back as %q, %v", set, again, err)
		}
		if err := set.Narrow(strings.Join(set.Introspection(), " ")); err != nil {
			t.Fatalf("introspection lists more than was granted: %v", err)
		}
	})
}

func checkTokens(t *testing.T, raw string, set scope.Set) {
	t.Helper()
	asked := strings.Split(raw, " ")
	devices := map[string]bool{}
	for _, token := range set.Tokens() {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
			t.Fatalf("token %q of %q is not legal", token, raw)
		}
		if !slices.Contains(asked, token) && token != dev+fixedDevice() {
			t.Fatalf("token %q was not asked for in %q", token, raw)
		}
		for _, prefix := range []string{dev, devUnstable} {
			if id, ok := strings.CutPrefix(token, prefix); ok {
				devices[id] = true
			}
		}
	}
	if len(devices) > 1 || (len(devices) == 1) != set.HasAPI() || set.HasAPI() != (set.Device() != "") {
		t.Fatalf("%q grants the devices %v, api %v", raw, devices, set.HasAPI())
	}
}
