// Package e2ekeystest makes the keys that a client makes, and signs them, for
// tests.
package e2ekeystest

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
)

// Object is a JSON object.
type Object map[string]any

// JSON is the object as it is sent.
func (o Object) JSON() string {
	data, err := json.Marshal(o)
	if err != nil {
		panic(err) // of what tests write down
	}
	return string(data)
}

// With is the object with another member.
func (o Object) With(name string, value any) Object {
	changed := maps.Clone(o)
	changed[name] = value
	return changed
}

// Signer is a key that signs.
type Signer struct {
	UserID, KeyID string
	// Public is the public key in unpadded base64.
	Public  string
	private ed25519.PrivateKey
}

// NewSigner makes a key of a user. One of a device is named by the device's id;
// with "" it is named by itself, as cross-signing keys are.
func NewSigner(t testing.TB, userID, name string) Signer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := Signer{UserID: userID, Public: base64.RawStdEncoding.EncodeToString(public), private: private}
	if name == "" {
		name = s.Public
	}
	s.KeyID = "ed25519:" + name
	return s
}

// Sign is an object of ASCII texts with one more signature.
func (s Signer) Sign(o Object) Object {
	bare := maps.Clone(o)
	delete(bare, "signatures")
	delete(bare, "unsigned")
	signature := base64.RawStdEncoding.EncodeToString(ed25519.Sign(s.private, []byte(bare.JSON())))
	of := map[string]any{}
	all, _ := o["signatures"].(map[string]any)
	before, _ := all[s.UserID].(map[string]any)
	maps.Copy(of, before)
	of[s.KeyID] = signature
	return o.With("signatures", map[string]any{s.UserID: of})
}

// Device is a device with its keys.
type Device struct {
	Signer
	ID string
	// Keys are what it uploads as device_keys.
	Keys Object
}

// NewDevice makes the keys of a device.
func NewDevice(t testing.TB, userID, deviceID string) Device {
	t.Helper()
	d := Device{Signer: NewSigner(t, userID, deviceID), ID: deviceID}
	d.Keys = d.Sign(Object{
		"user_id": userID, "device_id": deviceID, "algorithms": []any{"m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"},
		"keys": map[string]any{"ed25519:" + deviceID: d.Public, "curve25519:" + deviceID: NewSigner(t, userID, "").Public},
	})
	return d
}

// OneTimeKey is a one-time key of the device, signed.
func (d Device) OneTimeKey(key string) Object { return d.Sign(Object{"key": key}) }

// Identity are the cross-signing keys of a user.
type Identity struct {
	Master, SelfSigning, UserSigning Signer
}

// NewIdentity makes cross-signing keys.
func NewIdentity(t testing.TB, userID string) Identity {
	t.Helper()
	return Identity{Master: NewSigner(t, userID, ""), SelfSigning: NewSigner(t, userID, ""), UserSigning: NewSigner(t, userID, "")}
}

// CrossSigningKey is a key as it is uploaded for a usage.
func (s Signer) CrossSigningKey(usage string) Object {
	return Object{"user_id": s.UserID, "usage": []any{usage}, "keys": map[string]any{s.KeyID: s.Public}}
}

// Upload is what is sent to keys/device_signing/upload.
func (i Identity) Upload() Object {
	return Object{
		"master_key":       i.Master.CrossSigningKey("master"),
		"self_signing_key": i.Master.Sign(i.SelfSigning.CrossSigningKey("self_signing")),
		"user_signing_key": i.Master.Sign(i.UserSigning.CrossSigningKey("user_signing")),
	}
}
