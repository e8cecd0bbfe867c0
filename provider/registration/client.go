package registration

import (
	"slices"

	"keymaker/provider/redirect"
)

// The ways in which a client may authenticate (RFC 7591 §2).
const (
	AuthNone  = "none"
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
	// AuthPrivateKeyJWT is OpenID Connect's (Core §9).
	AuthPrivateKeyJWT = "private_key_jwt"

	defaultAlg = "ES256"
	rs256      = "RS256"
)

// AuthMethods returns the accepted values of token_endpoint_auth_method, for
// the metadata document too (conformance D-62).
func AuthMethods() []string { return []string{AuthNone, AuthBasic, AuthPost, AuthPrivateKeyJWT} }

// SigningAlgs returns the accepted values of id_token_signed_response_alg and
// userinfo_signed_response_alg, for the metadata document too (conformance
// F-31). RS256 is one of them when there is a key for it.
func SigningAlgs(withRS256 bool) []string {
	if withRS256 {
		return []string{defaultAlg, rs256}
	}
	return []string{defaultAlg}
}

// unserved holds members that ask for encryption, which this server does not do. A client that sets one would fail to read our answers, so it is
// told now (B-26).
var unserved = []string{
	"id_token_encrypted_response_alg", "id_token_encrypted_response_enc",
	"userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc",
}

// application reads application_type; left out, it is web (B-24).
func (r *reader) application() error {
	kind, err := r.choice("application_type", string(redirect.Web), []string{string(redirect.Web), string(redirect.Native)})
	r.m.ApplicationType = redirect.ApplicationType(kind)
	return err
}

// authMethod reads token_endpoint_auth_method; left out, it is none, which is
// what Matrix clients mean (B-23).
func (r *reader) authMethod() error {
	method, err := r.choice("token_endpoint_auth_method", AuthNone, AuthMethods())
	r.m.TokenEndpointAuthMethod = method
	return err
}

// algorithms reads the signing algorithms of ID tokens (conformance F-31) and of
// userinfo, which is plain JSON without one, and refuses what is not served.
func (r *reader) algorithms() error {
	for _, name := range unserved {
		value, err := r.doc.text(name)
		if err != nil {
			return err
		}
		if value != "" {
			return refuse(name, value, "this server encrypts neither ID tokens nor userinfo; leave it out")
		}
	}
	accepted := SigningAlgs(r.policy.RS256)
	var err error
	if r.m.IDTokenSignedAlg, err = r.choice("id_token_signed_response_alg", defaultAlg, accepted); err != nil {
		return err
	}
	r.m.UserinfoSignedAlg, err = r.choice("userinfo_signed_response_alg", "", accepted)
	return err
}

// choice returns a member that has a default and a list of accepted values.
func (r *reader) choice(name, fallback string, accepted []string) (string, error) {
	value, err := r.doc.text(name)
	switch {
	case err != nil:
		return "", err
	case value == "":
		return fallback, nil
	case !slices.Contains(accepted, value):
		return "", refuse(name, value, oneOf(accepted))
	}
	return value, nil
}
