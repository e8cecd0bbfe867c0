package e2ekeys_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/e2ekeys"
	"keymaker/internal/e2ekeys/e2ekeystest"
)

const user = "@alice:example.org"

// account is a user with their devices and cross-signing keys.
type account struct {
	t        *testing.T
	identity e2ekeystest.Identity
	phone    e2ekeystest.Device
	state    e2ekeys.State
}

// newAccount has a device, and the keys have been uploaded.
func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{t: t, identity: e2ekeystest.NewIdentity(t, user), phone: e2ekeystest.NewDevice(t, user, "PHONE")}
	keys, err := e2ekeys.ParseDeviceKeys([]byte(a.phone.Keys.JSON()), user, "PHONE")
	if err != nil {
		t.Fatal(err)
	}
	a.state = e2ekeys.State{UserID: user, Keys: map[e2ekeys.Usage]e2ekeys.Key{}, Devices: map[string]e2ekeys.DeviceKeys{"PHONE": keys, "EMPTY": {}}}
	return a
}

// upload sends an upload; what it sets is in the state afterwards.
func (a *account) upload(o e2ekeystest.Object) (e2ekeys.Change, error) {
	a.t.Helper()
	upload, err := e2ekeys.ParseUpload(user, parts(a.t, o))
	if err != nil {
		return e2ekeys.Change{}, err
	}
	change, err := upload.Against(a.state)
	if err != nil {
		return change, err
	}
	for _, usage := range change.Drop {
		delete(a.state.Keys, usage)
	}
	for _, k := range change.Set {
		stored, err := e2ekeys.StoredKey(k.Usage, k.ID, k.JSON)
		if err != nil {
			a.t.Fatal(err)
		}
		a.state.Keys[k.Usage] = stored
	}
	return change, nil
}

func parts(t *testing.T, o e2ekeystest.Object) map[e2ekeys.Usage]json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(o.JSON()), &members); err != nil {
		t.Fatal(err)
	}
	return map[e2ekeys.Usage]json.RawMessage{
		e2ekeys.Master: members["master_key"], e2ekeys.SelfSigning: members["self_signing_key"], e2ekeys.UserSigning: members["user_signing_key"],
	}
}

func usages(keys []e2ekeys.Key) (names []string) {
	for _, k := range keys {
		names = append(names, string(k.Usage))
	}
	return names
}

func TestUpload(t *testing.T) {
	master := func(a *account) e2ekeystest.Object {
		return e2ekeystest.Object{"master_key": a.identity.Master.CrossSigningKey("master")}
	}
	self := func(a *account, signer e2ekeystest.Signer) e2ekeystest.Object {
		return e2ekeystest.Object{"self_signing_key": signer.Sign(e2ekeystest.NewSigner(a.t, user, "").CrossSigningKey("self_signing"))}
	}
	tests := []struct {
		name     string
		before   func(a *account) e2ekeystest.Object // nil: nothing is there
		upload   func(a *account) e2ekeystest.Object
		set      string
		drop     string
		replaces bool
	}{
		{"the first keys are set", nil, func(a *account) e2ekeystest.Object { return a.identity.Upload() }, "master self_signing user_signing", "", false},
		{"the master key alone is set", nil, master, "master", "", false},
		{"the same keys do nothing", func(a *account) e2ekeystest.Object { return a.identity.Upload() }, func(a *account) e2ekeystest.Object { return a.identity.Upload() }, "", "", false},
		{"some of the same keys do nothing", func(a *account) e2ekeystest.Object { return a.identity.Upload() }, master, "", "", false},
		{"the same keys with another signature do nothing", func(a *account) e2ekeystest.Object { return a.identity.Upload() }, func(a *account) e2ekeystest.Object {
			return e2ekeystest.Object{"master_key": a.phone.Sign(a.identity.Master.CrossSigningKey("master"))}
		}, "", "", false},
		{"other keys replace", func(a *account) e2ekeystest.Object { return a.identity.Upload() }, func(a *account) e2ekeystest.Object {
			return e2ekeystest.NewIdentity(a.t, user).Upload()
		}, "master self_signing user_signing", "", true},
		{"another master key drops what the old one signed", func(a *account) e2ekeystest.Object { return a.identity.Upload() }, func(a *account) e2ekeystest.Object {
			return e2ekeystest.Object{"master_key": e2ekeystest.NewSigner(a.t, user, "").CrossSigningKey("master")}
		}, "master", "self_signing user_signing", true},
		{"another self-signing key replaces", func(a *account) e2ekeystest.Object { return a.identity.Upload() }, func(a *account) e2ekeystest.Object {
			return self(a, a.identity.Master)
		}, "self_signing", "", true},
		{"a self-signing key that is new replaces, for there was none", master, func(a *account) e2ekeystest.Object { return self(a, a.identity.Master) }, "self_signing", "", true},
		{"the same key with another member replaces", master, func(a *account) e2ekeystest.Object {
			return e2ekeystest.Object{"master_key": a.identity.Master.CrossSigningKey("master").With("more", "x")}
		}, "master", "", true},
		{"a key that another master key signs is set again", func(a *account) e2ekeystest.Object { return a.identity.Upload() }, func(a *account) e2ekeystest.Object {
			other := a.identity
			other.Master = e2ekeystest.NewSigner(a.t, user, "")
			return other.Upload()
		}, "master self_signing user_signing", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccount(t)
			if tt.before != nil {
				if _, err := a.upload(tt.before(a)); err != nil {
					t.Fatal(err)
				}
			}
			change, err := a.upload(tt.upload(a))
			if err != nil {
				t.Fatal(err)
			}
			var drop []string
			for _, usage := range change.Drop {
				drop = append(drop, string(usage))
			}
			if got := strings.Join(usages(change.Set), " "); got != tt.set || strings.Join(drop, " ") != tt.drop || change.Replaces != tt.replaces {
				t.Errorf("sets %q, drops %q, replaces %v; want %q, %q, %v", got, drop, change.Replaces, tt.set, tt.drop, tt.replaces)
			}
		})
	}
}

func TestUploadRefuses(t *testing.T) {
	identity := func(a *account, change func(i *e2ekeystest.Identity)) e2ekeystest.Object {
		i := a.identity
		change(&i)
		return i.Upload()
	}
	changed := func(a *account, name string, value any) e2ekeystest.Object {
		return e2ekeystest.Object{"master_key": a.identity.Master.CrossSigningKey("master").With(name, value)}
	}
	tests := []struct {
		name   string
		upload func(a *account) e2ekeystest.Object
		want   e2ekeys.Reason
	}{
		{"no key", func(*account) e2ekeystest.Object { return e2ekeystest.Object{} }, e2ekeys.Missing},
		{"a key that is null", func(*account) e2ekeystest.Object { return e2ekeystest.Object{"master_key": nil} }, e2ekeys.Missing},
		{"a self-signing key without a master key", func(a *account) e2ekeystest.Object {
			return e2ekeystest.Object{"self_signing_key": a.identity.Upload()["self_signing_key"]}
		}, e2ekeys.Missing},
		{"a key of another user", func(a *account) e2ekeystest.Object { return changed(a, "user_id", "@bob:example.org") }, e2ekeys.Malformed},
		{"another usage", func(a *account) e2ekeystest.Object { return changed(a, "usage", []any{"self_signing"}) }, e2ekeys.Malformed},
		{"two usages", func(a *account) e2ekeystest.Object { return changed(a, "usage", []any{"master", "self_signing"}) }, e2ekeys.Malformed},
		{"a usage that is a text", func(a *account) e2ekeystest.Object { return changed(a, "usage", "master") }, e2ekeys.Malformed},
		{"no keys", func(a *account) e2ekeystest.Object { return changed(a, "keys", map[string]any{}) }, e2ekeys.Malformed},
		{"two keys", func(a *account) e2ekeystest.Object {
			other := e2ekeystest.NewSigner(a.t, user, "")
			return changed(a, "keys", map[string]any{other.KeyID: other.Public, a.identity.Master.KeyID: a.identity.Master.Public})
		}, e2ekeys.Malformed},
		{"a key with another name", func(a *account) e2ekeystest.Object {
			return changed(a, "keys", map[string]any{"ed25519:other": a.identity.Master.Public})
		}, e2ekeys.Malformed},
		{"a key of another kind", func(a *account) e2ekeystest.Object {
			return changed(a, "keys", map[string]any{"curve25519:" + a.identity.Master.Public: a.identity.Master.Public})
		}, e2ekeys.Malformed},
		{"a key with padding", func(a *account) e2ekeystest.Object {
			padded := a.identity.Master.Public + "="
			return changed(a, "keys", map[string]any{"ed25519:" + padded: padded})
		}, e2ekeys.Malformed},
		{"a key that is too short", func(a *account) e2ekeystest.Object {
			return changed(a, "keys", map[string]any{"ed25519:AAAA": "AAAA"})
		}, e2ekeys.Malformed},
		{"a key that is a number", func(a *account) e2ekeystest.Object { return changed(a, "keys", map[string]any{"ed25519:1": 1}) }, e2ekeys.Malformed},
		{"a key that is too large", func(a *account) e2ekeystest.Object { return changed(a, "more", strings.Repeat("x", 8<<10)) }, e2ekeys.Malformed},
		{"a key that nobody signed", func(a *account) e2ekeystest.Object {
			return a.identity.Upload().With("self_signing_key", a.identity.SelfSigning.CrossSigningKey("self_signing"))
		}, e2ekeys.BadSignature},
		{"a key that another master key signed", func(a *account) e2ekeystest.Object {
			return a.identity.Upload().With("user_signing_key", e2ekeystest.NewSigner(a.t, user, "").Sign(a.identity.UserSigning.CrossSigningKey("user_signing")))
		}, e2ekeys.BadSignature},
		{"a key that was changed after it was signed", func(a *account) e2ekeystest.Object {
			return a.identity.Upload().With("user_signing_key", a.identity.Master.Sign(a.identity.UserSigning.CrossSigningKey("user_signing")).With("more", "x"))
		}, e2ekeys.BadSignature},
		{"a master key with a wrong signature of a device", func(a *account) e2ekeystest.Object {
			impostor := e2ekeystest.NewSigner(a.t, user, "PHONE")
			return e2ekeystest.Object{"master_key": impostor.Sign(a.identity.Master.CrossSigningKey("master"))}
		}, e2ekeys.BadSignature},
		{"two keys that are the same", func(a *account) e2ekeystest.Object {
			return identity(a, func(i *e2ekeystest.Identity) { i.UserSigning = i.SelfSigning })
		}, e2ekeys.Forbidden},
		{"a key that is called like a device", func(a *account) e2ekeystest.Object {
			a.state.Devices[a.identity.UserSigning.Public] = e2ekeys.DeviceKeys{}
			return a.identity.Upload()
		}, e2ekeys.Forbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccount(t)
			change, err := a.upload(tt.upload(a))
			var refused *e2ekeys.Error
			if !errors.As(err, &refused) || refused.Reason != tt.want || refused.Text == "" {
				t.Errorf("change %+v, error %v", change, err)
			}
		})
	}
}

func TestSignatures(t *testing.T) {
	master := func(a *account) e2ekeystest.Object { return a.identity.Master.CrossSigningKey("master") }
	tests := []struct {
		name   string
		target func(a *account) string
		object func(a *account) e2ekeystest.Object
		want   int // signatures
		reason e2ekeys.Reason
	}{
		{"the self-signing key signs a device", phone, func(a *account) e2ekeystest.Object { return a.identity.SelfSigning.Sign(a.phone.Keys) }, 1, 0},
		{"a device signs the master key", masterID, func(a *account) e2ekeystest.Object { return a.phone.Sign(master(a)) }, 1, 0},
		{"what is no device is passed over", masterID, func(a *account) e2ekeystest.Object {
			return e2ekeystest.NewSigner(a.t, user, "GONE").Sign(a.phone.Sign(master(a)))
		}, 1, 0},
		{"a signature of no device", masterID, func(a *account) e2ekeystest.Object { return e2ekeystest.NewSigner(a.t, user, "GONE").Sign(master(a)) }, 0, e2ekeys.BadSignature},
		{"a signature of a device without keys", masterID, func(a *account) e2ekeystest.Object { return e2ekeystest.NewSigner(a.t, user, "EMPTY").Sign(master(a)) }, 0, e2ekeys.BadSignature},
		{"a wrong signature of a device", masterID, func(a *account) e2ekeystest.Object { return e2ekeystest.NewSigner(a.t, user, "PHONE").Sign(master(a)) }, 0, e2ekeys.BadSignature},
		{"no signature of the self-signing key", phone, func(a *account) e2ekeystest.Object { return a.phone.Keys }, 0, e2ekeys.BadSignature},
		{"the master key signs a device", phone, func(a *account) e2ekeystest.Object { return a.identity.Master.Sign(a.phone.Keys) }, 0, e2ekeys.BadSignature},
		{"other device keys", phone, func(a *account) e2ekeystest.Object {
			return a.identity.SelfSigning.Sign(e2ekeystest.NewDevice(a.t, user, "PHONE").Keys)
		}, 0, e2ekeys.Malformed},
		{"another master key", masterID, func(a *account) e2ekeystest.Object { return a.phone.Sign(master(a).With("more", "x")) }, 0, e2ekeys.Malformed},
		{"a device without keys", func(*account) string { return "EMPTY" }, func(a *account) e2ekeystest.Object { return a.identity.SelfSigning.Sign(a.phone.Keys) }, 0, e2ekeys.Unknown},
		{"no such key", func(*account) string { return "NOBODY" }, func(a *account) e2ekeystest.Object { return a.identity.SelfSigning.Sign(a.phone.Keys) }, 0, e2ekeys.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccount(t)
			if _, err := a.upload(a.identity.Upload()); err != nil {
				t.Fatal(err)
			}
			target := tt.target(a)
			good, refused := a.state.Signatures(map[string]json.RawMessage{target: json.RawMessage(tt.object(a).JSON())})
			if len(good) != tt.want || slices.ContainsFunc(good, func(s e2ekeys.Signature) bool {
				return s.Target != target || s.DeviceID != "PHONE" || s.Signature == ""
			}) {
				t.Errorf("signatures %+v", good)
			}
			if err := refused[target]; (err != nil) != (tt.want == 0) || err != nil && err.Reason != tt.reason {
				t.Errorf("refused with %v", err)
			}
		})
	}
}

func phone(*account) string { return "PHONE" }

func masterID(a *account) string { return a.identity.Master.Public }
