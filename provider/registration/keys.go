package registration

import (
	"encoding/json"

	"keymaker/provider/assertion"
	"keymaker/provider/errtext"
)

// keys reads the public keys of a client: itself or their address, and not both
// (B-25). Only private_key_jwt needs them, and only for it they are kept.
func (r *reader) keys() error {
	hasKeys, hasURI := r.doc.has("jwks"), r.doc.has("jwks_uri")
	if hasKeys && hasURI {
		return invalid("jwks and jwks_uri must not both be there (RFC 7591 section 2): send the keys or their address").of("jwks_uri")
	}
	uri, err := r.calledURI("jwks_uri")
	if err != nil {
		return err
	}
	switch method := r.m.TokenEndpointAuthMethod; {
	case method == AuthPrivateKeyJWT && !hasKeys && uri == "":
		return refuse("token_endpoint_auth_method", method, "it needs the client's public keys: jwks or jwks_uri")
	case method != AuthPrivateKeyJWT && r.policy.Configured && (hasKeys || hasURI):
		return refuse("token_endpoint_auth_method", method, "jwks and jwks_uri are of use with "+AuthPrivateKeyJWT+" alone")
	case method != AuthPrivateKeyJWT:
		return nil
	case hasKeys:
		if r.m.JWKS, err = readKeys(r.doc["jwks"]); err != nil {
			return err
		}
	}
	r.m.JWKSURI = uri
	r.m.AuthSigningAlg, err = r.choice("token_endpoint_auth_signing_alg", "", assertion.Algs())
	return err
}

func readKeys(raw json.RawMessage) (json.RawMessage, error) {
	keys, err := assertion.ParseKeys(raw)
	if err != nil {
		return nil, invalid("jwks is refused: " + errtext.Clean(err.Error())).of("jwks")
	}
	data, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	var sorted any // as the rest of the metadata is written
	if err := json.Unmarshal(data, &sorted); err != nil {
		return nil, err
	}
	return json.Marshal(sorted)
}
