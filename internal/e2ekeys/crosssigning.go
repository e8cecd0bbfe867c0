package e2ekeys

import (
	"bytes"
	"encoding/json"
)

// Key is a cross-signing key.
type Key struct {
	Usage Usage
	// ID is the public key in unpadded base64, which is also its name.
	ID string
	// JSON is the object in canonical JSON. One that the master key signs has
	// its signature, and nothing has another one.
	JSON []byte

	object signed
}

// Upload are the cross-signing keys of one request, by usage.
type Upload map[Usage]Key

// ParseUpload reads the keys that a user uploads. What is absent or null is not
// in the result. The error is an *Error.
func ParseUpload(userID string, raw map[Usage]json.RawMessage) (Upload, error) {
	upload := Upload{}
	for _, usage := range Usages() {
		if data := raw[usage]; len(data) > 0 && !bytes.Equal(data, []byte("null")) {
			key, err := parseKey(data, userID, usage)
			if err != nil {
				return nil, err
			}
			upload[usage] = key
		}
	}
	if len(upload) == 0 {
		return nil, refuse(Missing, "There is no key.")
	}
	return upload, nil
}

func parseKey(raw []byte, userID string, usage Usage) (Key, error) {
	object, err := sized(raw)
	if err != nil {
		return Key{}, err
	}
	if object.text("user_id") != userID {
		return Key{}, refuse(Malformed, "A cross-signing key is of another user.")
	}
	usages, ok := object["usage"].([]any)
	if !ok || len(usages) != 1 || usages[0] != string(usage) {
		return Key{}, refuse(Malformed, "A cross-signing key has another usage than the one that it is uploaded for.")
	}
	keys, ok := object["keys"].(map[string]any)
	if !ok || len(keys) != 1 {
		return Key{}, refuse(Malformed, "A cross-signing key is not exactly one key.")
	}
	for name, value := range keys {
		id, ok := value.(string)
		if _, well := decode(id, keySize); !ok || !well || name != ed25519Prefix+id {
			return Key{}, refuse(Malformed, "A cross-signing key is no ed25519 key in unpadded base64 that is named by itself.")
		}
		return Key{Usage: usage, ID: id, object: object}, nil
	}
	return Key{}, nil // there is one
}

// StoredKey reads what a Change had kept of a key.
func StoredKey(usage Usage, id string, kept []byte) (Key, error) {
	object, err := parseSigned(kept)
	return Key{Usage: usage, ID: id, JSON: kept, object: object}, err
}

// same tells whether two keys are one, whoever has signed them since.
func (k Key) same(other Key) bool {
	return k.ID == other.ID && bytes.Equal(k.object.bare(), other.object.bare())
}

// State is what a user has.
type State struct {
	UserID string
	Keys   map[Usage]Key
	// Devices are the user's devices by id, with keys or without.
	Devices map[string]DeviceKeys
}

// Change is what an upload does to a State.
type Change struct {
	// Set are the keys that are stored.
	Set []Key
	// Drop are those that go because their master key does.
	Drop []Usage
	// Signatures are those of the user's devices on a master key that is set.
	Signatures []Signature
	// Replaces tells that something is not as the user has left it, so that the
	// person must approve it (MSC3967): more than a first upload.
	Replaces bool
}

// Against says what an upload does, and refuses one that must not be. An upload
// of what is there already does nothing. The error is an *Error.
func (u Upload) Against(s State) (Change, error) {
	var c Change
	master, err := u.master(s)
	if err == nil {
		err = u.checkIDs(s)
	}
	if err != nil {
		return c, err
	}
	before, had := s.Keys[Master]
	renewed := !had || before.ID != master.ID
	for _, usage := range Usages() {
		key, sent := u[usage]
		stored, there := s.Keys[usage]
		switch {
		case !sent && there && renewed:
			c.Drop = append(c.Drop, usage)
		case sent:
			if key, err = key.under(master, s.UserID); err != nil {
				return c, err
			}
			if renewed || !there || !stored.same(key) {
				c.Set = append(c.Set, key)
			}
		}
	}
	c.Replaces = had && len(c.Set) > 0
	if !renewed {
		return c, nil
	}
	c.Signatures, err = s.onMaster(master, master.object)
	return c, err
}

// master is the master key after the upload.
func (u Upload) master(s State) (Key, error) {
	for _, keys := range []map[Usage]Key{u, s.Keys} {
		if key, ok := keys[Master]; ok {
			return key, nil
		}
	}
	return Key{}, refuse(Missing, "There is no master key.")
}

// under is the key as it is kept, which the master key must have signed unless
// it is the master key.
func (k Key) under(master Key, userID string) (Key, error) {
	if k.Usage == Master {
		k.JSON = k.object.keep(userID, nil)
		return k, nil
	}
	id := ed25519Prefix + master.ID
	signature, ok := k.object.signedBy(userID, id, master.ID)
	if !ok {
		return k, refuse(BadSignature, "A self-signing or user-signing key is not signed by the master key.")
	}
	k.JSON = k.object.keep(userID, map[string]any{id: signature})
	return k, nil
}

// checkIDs refuses keys that could be taken for another key of the user:
// signatures name who has made them by nothing but the id (CS-API, 403).
func (u Upload) checkIDs(s State) error {
	seen := map[string]Usage{}
	for usage, key := range s.Keys {
		if _, replaced := u[usage]; !replaced {
			seen[key.ID] = usage
		}
	}
	for usage, key := range u {
		if _, taken := s.Devices[key.ID]; taken {
			return refuse(Forbidden, "A key is called like one of the user's devices.")
		}
		if _, taken := seen[key.ID]; taken {
			return refuse(Forbidden, "Two of the keys are the same.")
		}
		seen[key.ID] = usage
	}
	return nil
}
