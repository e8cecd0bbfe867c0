package e2ekeys

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

const (
	// maxKey is the largest key in bytes; a device's are some 700.
	maxKey = 8 << 10
	// maxOneTimeKey is the largest one-time key in bytes; one is some 200.
	maxOneTimeKey = 2 << 10
	// maxName is the longest name of an algorithm or of a key in bytes.
	maxName = 128
	// MaxUpload is how many one-time keys one upload may bring. Clients bring
	// fifty or a hundred.
	MaxUpload = 200
)

// DeviceKeys are the identity keys of a device.
type DeviceKeys struct {
	// JSON is the object in canonical JSON, with the device's own signature.
	JSON []byte
	// Ed25519 is the key that the device signs with, in unpadded base64.
	Ed25519 string

	object signed
}

// ParseDeviceKeys reads the identity keys that a device uploads, which it must
// have signed itself. The error is an *Error.
func ParseDeviceKeys(raw []byte, userID, deviceID string) (DeviceKeys, error) {
	object, err := sized(raw)
	if err != nil {
		return DeviceKeys{}, err
	}
	if object.text("user_id") != userID || object.text("device_id") != deviceID {
		return DeviceKeys{}, refuse(Malformed, "The device_keys are of another user or device.")
	}
	if algorithms, ok := object["algorithms"].([]any); !ok || !allText(algorithms) {
		return DeviceKeys{}, refuse(Malformed, "The algorithms of the device_keys are no list of texts.")
	}
	keys, ok := object["keys"].(map[string]any)
	if !ok || !allText(slices.Collect(maps.Values(keys))) {
		return DeviceKeys{}, refuse(Malformed, "The keys of the device_keys are no object of texts.")
	}
	id := ed25519Prefix + deviceID
	k := DeviceKeys{object: object}
	k.Ed25519, _ = keys[id].(string)
	signature, ok := object.signedBy(userID, id, k.Ed25519)
	if !ok {
		return DeviceKeys{}, refuse(BadSignature, "The device_keys are not signed with the ed25519 key of the device.")
	}
	k.JSON = object.keep(userID, map[string]any{id: signature})
	return k, nil
}

// StoredDeviceKeys reads what ParseDeviceKeys has made of a device's keys.
func StoredDeviceKeys(kept []byte, deviceID string) (DeviceKeys, error) {
	object, err := parseSigned(kept)
	if err != nil {
		return DeviceKeys{}, err
	}
	k := DeviceKeys{JSON: kept, object: object}
	keys, _ := object["keys"].(map[string]any)
	k.Ed25519, _ = keys[ed25519Prefix+deviceID].(string)
	return k, nil
}

// OneTimeKey is a key that another device takes to begin a session with this
// one: once, or with a fallback key whenever the one-time keys are used up.
type OneTimeKey struct {
	Algorithm, ID string
	// JSON is canonical: the same key is the same bytes.
	JSON []byte
}

// ParseOneTimeKeys reads the one-time or fallback keys of an upload, ordered by
// their names. The error is an *Error.
func ParseOneTimeKeys(raw map[string]json.RawMessage) ([]OneTimeKey, error) {
	if len(raw) > MaxUpload {
		return nil, refuse(Malformed, "These are too many one-time keys for one upload.")
	}
	keys := make([]OneTimeKey, 0, len(raw))
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		algorithm, id, _ := strings.Cut(name, ":")
		if !nameLike(algorithm) || !nameLike(id) {
			return nil, refuse(Malformed, "A one-time key is not named as algorithm:id.")
		}
		if len(raw[name]) > maxOneTimeKey {
			return nil, refuse(Malformed, "A key is too large.")
		}
		value, err := parse(raw[name])
		if err != nil {
			return nil, err
		}
		switch value.(type) {
		case string, map[string]any:
		default:
			return nil, refuse(Malformed, "A one-time key is neither a text nor an object.")
		}
		keys = append(keys, OneTimeKey{Algorithm: algorithm, ID: id, JSON: canonical(value)})
	}
	return keys, nil
}

func nameLike(s string) bool {
	return s != "" && len(s) <= maxName && checkText(s) == nil
}

func allText(values []any) bool {
	return !slices.ContainsFunc(values, func(v any) bool { _, ok := v.(string); return !ok })
}

// sized reads an object that may be signed and is not too large to be kept.
func sized(raw []byte) (signed, error) {
	if len(raw) > maxKey {
		return nil, refuse(Malformed, "A key is too large.")
	}
	return parseSigned(raw)
}
