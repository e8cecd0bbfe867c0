package e2ekeys

import (
	"crypto/ed25519"
	"encoding/base64"
	"maps"
)

// ed25519Prefix begins the id of every key that signs.
const ed25519Prefix = "ed25519:"

// signed is a JSON object that can be signed (Matrix specification, Appendices,
// Signing JSON).
type signed map[string]any

func parseSigned(raw []byte) (signed, error) {
	object, err := parseObject(raw)
	return signed(object), err
}

// bare is what is signed: the object without signatures and without what a
// server adds.
func (o signed) bare() []byte {
	bare := maps.Clone(map[string]any(o))
	delete(bare, "signatures")
	delete(bare, "unsigned")
	return canonical(bare)
}

// text is a member that is a string, or "".
func (o signed) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// signatures are those of one user, by key id.
func (o signed) signatures(userID string) map[string]any {
	all, _ := o["signatures"].(map[string]any)
	of, _ := all[userID].(map[string]any)
	return of
}

// signedBy tells whether the object has a signature of a user's key, and the
// signature is right. The key is in unpadded base64.
func (o signed) signedBy(userID, keyID, key string) (signature string, ok bool) {
	signature, _ = o.signatures(userID)[keyID].(string)
	raw, ok := decode(signature, ed25519.SignatureSize)
	if !ok {
		return "", false
	}
	public, ok := decode(key, ed25519.PublicKeySize)
	return signature, ok && ed25519.Verify(public, o.bare(), raw)
}

// decode reads unpadded base64 of a size, in the one way to write it: of a key
// there must not be two spellings.
func decode(s string, size int) ([]byte, bool) {
	if len(s) != base64.RawStdEncoding.EncodedLen(size) {
		return nil, false
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(s)
	return raw, err == nil
}

// keep is the object with no signatures but those given, of one user, and
// without what a server adds.
func (o signed) keep(userID string, signatures map[string]any) []byte {
	kept := maps.Clone(map[string]any(o))
	delete(kept, "unsigned")
	delete(kept, "signatures")
	if len(signatures) > 0 {
		kept["signatures"] = map[string]any{userID: signatures}
	}
	return canonical(kept)
}
