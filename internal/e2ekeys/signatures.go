package e2ekeys

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

const keySize = ed25519.PublicKeySize

// Signature is one by which a user says that two of their keys belong
// together: of the self-signing key on a device, or of a device on the master
// key.
type Signature struct {
	// Target is the id of the device, or the master key.
	Target string
	// KeyID names the key that signs: ed25519: and its id.
	KeyID string
	// DeviceID is the device of the two. The signature is of no use without it.
	DeviceID  string
	Signature string
}

// Signatures checks what a user uploads to sign their own keys: for each device
// id or master key the object that it has signed. Each one that is refused is
// named with its reason.
func (s State) Signatures(raw map[string]json.RawMessage) (good []Signature, refused map[string]*Error) {
	refused = map[string]*Error{}
	for _, target := range slices.Sorted(maps.Keys(raw)) {
		signatures, err := s.signaturesOn(target, raw[target])
		if err != nil {
			refused[target] = err
			continue
		}
		good = append(good, signatures...)
	}
	return good, refused
}

func (s State) signaturesOn(target string, raw []byte) ([]Signature, *Error) {
	object, err := sized(raw)
	if err != nil {
		return nil, asError(err)
	}
	if master, ok := s.Keys[Master]; ok && target == master.ID {
		if !bytes.Equal(object.bare(), master.object.bare()) {
			return nil, refuse(Malformed, "This is not the key that was uploaded before.")
		}
		signatures, err := s.onMaster(master, object)
		if err == nil && len(signatures) == 0 {
			err = refuse(BadSignature, "The master key is not signed by a device of the user.")
		}
		return signatures, asError(err)
	}
	return s.onDevice(target, object)
}

// onDevice is the signature of the self-signing key on a device.
func (s State) onDevice(target string, object signed) ([]Signature, *Error) {
	device, ok := s.Devices[target]
	switch {
	case !ok || device.object == nil:
		return nil, refuse(Unknown, "There is no such key.")
	case !bytes.Equal(object.bare(), device.object.bare()):
		return nil, refuse(Malformed, "This is not the key that was uploaded before.")
	}
	signer := s.Keys[SelfSigning].ID
	signature, ok := object.signedBy(s.UserID, ed25519Prefix+signer, signer)
	if !ok {
		return nil, refuse(BadSignature, "The device is not signed by the self-signing key.")
	}
	return []Signature{{Target: target, KeyID: ed25519Prefix + signer, DeviceID: target, Signature: signature}}, nil
}

// onMaster are the signatures of the user's devices on a master key. One of
// something that is no device of theirs is passed over, a wrong one is refused.
func (s State) onMaster(master Key, object signed) ([]Signature, error) {
	var found []Signature
	for _, id := range slices.Sorted(maps.Keys(object.signatures(s.UserID))) {
		deviceID, _ := strings.CutPrefix(id, ed25519Prefix)
		device, ok := s.Devices[deviceID]
		if !ok || device.Ed25519 == "" {
			continue
		}
		signature, ok := object.signedBy(s.UserID, id, device.Ed25519)
		if !ok {
			return nil, refuse(BadSignature, "A signature of a device on the master key is wrong.")
		}
		found = append(found, Signature{Target: master.ID, KeyID: id, DeviceID: deviceID, Signature: signature})
	}
	return found, nil
}

// Signed is a stored key as others see it: with more signatures of its user, by
// key id, and with what a server adds, if anything.
func Signed(kept []byte, userID string, more map[string]string, unsigned map[string]any) (json.RawMessage, error) {
	object, err := parseSigned(kept)
	if err != nil {
		return nil, err
	}
	of := map[string]any{}
	maps.Copy(of, object.signatures(userID))
	for id, signature := range more {
		of[id] = signature
	}
	if len(of) > 0 {
		object["signatures"] = map[string]any{userID: of}
	}
	if len(unsigned) > 0 {
		object["unsigned"] = unsigned
	}
	return canonical(map[string]any(object)), nil
}

// asError is the *Error that every error of this package is.
func asError(err error) *Error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // nothing here wraps
		return e
	}
	return nil
}
