package scope_test

import (
	"strings"
	"testing"

	"keymaker/provider/scope"
)

func mustParse(t *testing.T, raw string) scope.Set {
	t.Helper()
	set, err := scope.Parse(raw, scope.Options{NewDevice: fixedDevice})
	if err != nil {
		t.Fatalf("Parse(%q): %v", raw, err)
	}
	return set
}

func TestIntrospection(t *testing.T) {
	tests := []struct{ name, granted, want string }{
		{"F-04: the stable spelling gets its unstable twins",
			api + " " + dev + "D", api + " " + dev + "D " + apiUnstable + " " + devUnstable + "D"},
		{"F-04: the unstable spelling gets its stable twins",
			"openid " + apiUnstable + " " + devUnstable + "D", "openid " + apiUnstable + " " + devUnstable + "D " + api + " " + dev + "D"},
		{"F-04: a generated device is listed in both spellings",
			apiUnstable, apiUnstable + " " + dev + "GENERATED1 " + api + " " + devUnstable + "GENERATED1"},
		{"F-04: nothing is listed twice",
			api + " " + apiUnstable + " " + dev + "D " + devUnstable + "D", api + " " + apiUnstable + " " + dev + "D " + devUnstable + "D"},
		{"C-3B: a plain OpenID login shows no Matrix scope", "openid email", "openid email"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(mustParse(t, tt.granted).Introspection(), " "); got != tt.want {
				t.Errorf("introspection lists\n%q, want\n%q", got, tt.want)
			}
		})
	}
}

func TestNarrow(t *testing.T) {
	granted := "openid " + api + " " + dev + "D"
	tests := []struct {
		name, raw string
		says      string // "" = accepted
	}{
		{"D-22: no scope parameter", "", ""},
		{"D-22: the granted scope", granted, ""},
		{"D-22: the granted scope in another order", dev + "D " + api + " openid", ""},
		{"D-22: less than granted", api, ""},
		{"D-22: the other spelling of what was granted", apiUnstable + " " + devUnstable + "D", ""},
		{"D-22: a known token that was not granted", granted + " email", "'email' is refused: it was not granted"},
		{"D-22: an unknown token", api + " urn:example:x", "'urn:example:x' is refused: it was not granted"},
		{"D-22: another device", api + " " + dev + "E", "E' is refused: it was not granted"},
		{"D-22: the device in another case", api + " " + dev + "d", "d' is refused: it was not granted"},
		{"D-22: a malformed scope", granted + "  openid", "one space"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := mustParse(t, granted).Narrow(tt.raw)
			if tt.says != "" {
				checkRefused(t, err, tt.says)
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestHas(t *testing.T) {
	set := mustParse(t, "email "+apiUnstable+" "+devUnstable+"D")
	for _, token := range []string{"email", api, apiUnstable, dev + "D", devUnstable + "D"} {
		if !set.Has(token) {
			t.Errorf("Has(%q) = false for %q", token, set)
		}
	}
	for _, token := range []string{"", "openid", "mail", "emai", dev, dev + "d", "urn:matrix:client:api:read"} {
		if set.Has(token) {
			t.Errorf("F-32: Has(%q) = true for %q", token, set)
		}
	}
}

func TestTokensAreACopy(t *testing.T) {
	set := mustParse(t, "openid email")
	set.Tokens()[0] = "changed"
	set.Introspection()[1] = "changed"
	if set.String() != "openid email" {
		t.Errorf("a caller changed the set to %q", set)
	}
}
