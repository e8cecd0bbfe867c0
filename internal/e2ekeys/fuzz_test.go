package e2ekeys_test

import (
	"encoding/json"
	"testing"

	"keymaker/internal/e2ekeys"
	"keymaker/internal/e2ekeys/e2ekeystest"
)

// FuzzUpload: whatever a client uploads, what is kept of it is kept the same
// again, what is refused is refused with a reason, and nobody's signature is
// made up.
func FuzzUpload(f *testing.F) {
	phone, alice := e2ekeystest.NewDevice(f, user, "PHONE"), e2ekeystest.NewIdentity(f, user)
	f.Add(phone.Keys.JSON())
	f.Add(phone.OneTimeKey("key").JSON())
	f.Add(alice.Master.CrossSigningKey("master").JSON())
	f.Add(phone.Sign(alice.Master.CrossSigningKey("master")).JSON())
	f.Add(`{"user_id":"@alice:example.org","usage":["master"],"keys":{"ed25519:":""},"signatures":{"@alice:example.org":[]}}`)
	f.Add(`{"user_id":"@alice:example.org","device_id":"PHONE","keys":{"ed25519:PHONE":null},"algorithms":[1e400]}`)
	f.Add(`"text"`)
	f.Fuzz(func(t *testing.T, raw string) {
		if k, err := e2ekeys.ParseDeviceKeys([]byte(raw), user, "PHONE"); err == nil {
			again, err := e2ekeys.ParseDeviceKeys(k.JSON, user, "PHONE")
			if err != nil || string(again.JSON) != string(k.JSON) || again.Ed25519 != k.Ed25519 {
				t.Fatalf("kept differently: %s, %s, %v", k.JSON, again.JSON, err)
			}
		}
		if keys, err := e2ekeys.ParseOneTimeKeys(map[string]json.RawMessage{"a:b": json.RawMessage(raw)}); err == nil {
			again, err := e2ekeys.ParseOneTimeKeys(map[string]json.RawMessage{"a:b": keys[0].JSON})
			if err != nil || string(again[0].JSON) != string(keys[0].JSON) {
				t.Fatalf("kept differently: %s, %v", keys[0].JSON, err)
			}
		}
		upload, err := e2ekeys.ParseUpload(user, map[e2ekeys.Usage]json.RawMessage{e2ekeys.Master: json.RawMessage(raw)})
		if err != nil {
			return
		}
		change, err := upload.Against(e2ekeys.State{UserID: user})
		if err != nil || len(change.Set) != 1 || change.Replaces || len(change.Signatures) > 0 {
			t.Fatalf("a first key does %+v, %v", change, err)
		}
		set := change.Set[0]
		stored, err := e2ekeys.StoredKey(set.Usage, set.ID, set.JSON)
		if err != nil {
			t.Fatal(err)
		}
		state := e2ekeys.State{UserID: user, Keys: map[e2ekeys.Usage]e2ekeys.Key{e2ekeys.Master: stored}, Devices: map[string]e2ekeys.DeviceKeys{}}
		if again, err := upload.Against(state); err != nil || len(again.Set) > 0 {
			t.Fatalf("the same key does %+v, %v", again, err)
		}
		if good, refused := state.Signatures(map[string]json.RawMessage{set.ID: json.RawMessage(raw)}); len(good) > 0 || refused[set.ID] == nil {
			t.Fatalf("a signature of no device was accepted: %+v", good)
		}
	})
}
