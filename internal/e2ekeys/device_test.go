package e2ekeys_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"keymaker/internal/e2ekeys"
	"keymaker/internal/e2ekeys/e2ekeystest"
)

func TestDeviceKeys(t *testing.T) {
	d := e2ekeystest.NewDevice(t, user, "PHONE")
	t.Run("what is kept has the device's own signature, and nothing of a server's", func(t *testing.T) {
		sent := e2ekeystest.NewSigner(t, user, "OTHER").Sign(d.Keys).With("unsigned", map[string]any{"device_display_name": "mine"})
		k, err := e2ekeys.ParseDeviceKeys([]byte(sent.JSON()), user, "PHONE")
		if err != nil || string(k.JSON) != d.Keys.JSON() || k.Ed25519 != d.Public {
			t.Errorf("kept %s, %v; want %s", k.JSON, err, d.Keys.JSON())
		}
	})
	again := func(name string, value any) e2ekeystest.Object { return d.Sign(d.Keys.With(name, value)) }
	refused := []struct {
		name string
		keys e2ekeystest.Object
		want e2ekeys.Reason
	}{
		{"of another user", again("user_id", "@bob:example.org"), e2ekeys.Malformed},
		{"of another device", again("device_id", "TABLET"), e2ekeys.Malformed},
		{"algorithms that are a text", again("algorithms", "all"), e2ekeys.Malformed},
		{"an algorithm that is a number", again("algorithms", []any{1}), e2ekeys.Malformed},
		{"keys that are a list", again("keys", []any{}), e2ekeys.Malformed},
		{"a key that is a number", again("keys", map[string]any{"ed25519:PHONE": 1}), e2ekeys.Malformed},
		{"no key that signs", again("keys", map[string]any{"curve25519:PHONE": d.Public}), e2ekeys.BadSignature},
		{"no signature", d.Keys.With("signatures", map[string]any{}), e2ekeys.BadSignature},
		{"a signature of another key", e2ekeystest.NewSigner(t, user, "PHONE").Sign(d.Keys), e2ekeys.BadSignature},
		{"a change after the signature", d.Keys.With("more", "x"), e2ekeys.BadSignature},
		{"too large", again("more", strings.Repeat("x", 8<<10)), e2ekeys.Malformed},
	}
	for _, tt := range refused {
		t.Run("refused: "+tt.name, func(t *testing.T) {
			_, err := e2ekeys.ParseDeviceKeys([]byte(tt.keys.JSON()), user, "PHONE")
			var e *e2ekeys.Error
			if !errors.As(err, &e) || e.Reason != tt.want {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestOneTimeKeys(t *testing.T) {
	keys, err := e2ekeys.ParseOneTimeKeys(map[string]json.RawMessage{"signed_curve25519:B": json.RawMessage(`{"b":1, "a":2}`), "curve25519:A": json.RawMessage(` "text" `)})
	if err != nil || len(keys) != 2 || keys[0].Algorithm != "curve25519" || keys[0].ID != "A" || string(keys[0].JSON) != `"text"` || string(keys[1].JSON) != `{"a":2,"b":1}` {
		t.Fatalf("keys %+v, error %v", keys, err)
	}
	many := map[string]json.RawMessage{}
	for i := range e2ekeys.MaxUpload + 1 {
		many[fmt.Sprintf("a:%d", i)] = json.RawMessage(`"x"`)
	}
	one := func(name, key string) map[string]json.RawMessage {
		return map[string]json.RawMessage{name: json.RawMessage(key)}
	}
	refused := []struct {
		name string
		keys map[string]json.RawMessage
	}{
		{"a name without an algorithm", one(":A", `{}`)},
		{"a name without an id", one("a:", `{}`)},
		{"a name without a colon", one("a", `{}`)},
		{"a name that is too long", one("a:"+strings.Repeat("x", 129), `{}`)},
		{"a name with a NUL", one("a:\x00", `{}`)},
		{"a number", one("a:A", `1`)},
		{"a list", one("a:A", `[]`)},
		{"null", one("a:A", `null`)},
		{"a key that is too large", one("a:A", `"`+strings.Repeat("x", 2<<10)+`"`)},
		{"too many", many},
	}
	for _, tt := range refused {
		t.Run("refused: "+tt.name, func(t *testing.T) {
			if keys, err := e2ekeys.ParseOneTimeKeys(tt.keys); err == nil {
				t.Errorf("accepted: %+v", keys)
			}
		})
	}
}
