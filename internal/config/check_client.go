package config

import (
	"encoding/json"
	"errors"
	"regexp"

	"keymaker/provider/registration"
)

// ownClientID is narrower than RFC 6749 §A.1: without an @ it can be nobody's
// subject (conformance B-45), and it needs no escaping anywhere.
var ownClientID = regexp.MustCompile(`^[0-9A-Za-z._~:/-]{1,255}$`)

// reservedClientID is what introspection calls a session of the legacy login.
const reservedClientID = "legacy"

// shortSecret is the length in characters below which a secret can be guessed.
const shortSecret = 22

func checkOwnClientID(s string) error {
	if !ownClientID.MatchString(s) || s == reservedClientID {
		return refuse("%s cannot be a client_id: 1 to 255 characters out of 0-9 A-Z a-z . _ ~ : / -, and not %q", quote(s), reservedClientID)
	}
	return nil
}

// checkClient looks at a client as a whole: by the rules of registration.
func checkClient(r *reader, n *node, path string) {
	if (n.has("jwks") || n.has("jwks_file")) && r.draft.members["jwks"] == nil {
		return // the keys were refused
	}
	if _, set := r.draft.members["token_endpoint_auth_method"]; !set {
		if method := usualMethod(n); method != "" {
			r.draft.members["token_endpoint_auth_method"] = method
		}
	}
	document, err := json.Marshal(r.draft.members)
	if err != nil {
		r.problem(n.place, path, err)
		return
	}
	metadata, err := registration.Parse(document, registration.Policy{Configured: true, RS256: true})
	if err != nil {
		reportMember(r, n, path, err)
		return
	}
	r.draft.client.Metadata = *metadata
	checkClientSecret(r, n, path, metadata)
}

// usualMethod is how a client authenticates that has a secret or keys, and says
// no more.
func usualMethod(client *node) string {
	switch {
	case client.has("client_secret"), client.has("client_secret_file"):
		return registration.AuthBasic
	case client.has("jwks"), client.has("jwks_file"), client.has("jwks_uri"):
		return registration.AuthPrivateKeyJWT
	}
	return ""
}

// reportMember notes a member of the metadata that the rules refuse, where it
// was written.
func reportMember(r *reader, n *node, path string, err error) {
	var refused *registration.Error
	if !errors.As(err, &refused) {
		r.problem(n.place, path, err)
		return
	}
	member := refused.Member
	if member == "jwks" && !n.has(member) {
		member = "jwks_file"
	}
	r.problem(n.at(member), join(path, member), refuse("%s", refused.Description))
}

// checkClientSecret refuses a client whose secret and method do not go together.
func checkClientSecret(r *reader, n *node, path string, m *registration.Metadata) {
	set := n.has("client_secret") || n.has("client_secret_file")
	length := len(r.draft.client.ClientSecret)
	switch method := n.at("token_endpoint_auth_method"); {
	case m.HasSecret() && !set:
		r.problem(method, join(path, "client_secret"), refuse("is missing: token_endpoint_auth_method is %s", m.TokenEndpointAuthMethod))
	case !m.HasSecret() && set:
		r.problem(method, join(path, "token_endpoint_auth_method"), refuse("is %s, and a secret is set", m.TokenEndpointAuthMethod))
	case set && length > 0 && length < shortSecret:
		r.warn(n.at("client_secret"), join(path, "client_secret"), "is short enough to be guessed: openssl rand -hex 32 makes a long one")
	}
}
