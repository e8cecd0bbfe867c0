package config

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"

	"keymaker/internal/secret"
	"keymaker/provider/registration"
)

// clientOptions are the keys of [[global.oidc_client]]. Those that are not
// about how the client proves who it is are members of the client's metadata
// and have its names (RFC 7591 §2), so that they are checked by the rules of
// registration.
var clientOptions = []option{
	{
		key: "client_id", required: true, sample: "wiki", shown: true,
		takes: text(func(d *draft) *string { return &d.client.ClientID }, checkOwnClientID),
		doc:   "What the application calls itself here: letters, digits and . _ ~ : / -, and another one for each block. Its sessions belong to this name.",
	},
	{
		key: "client_secret", sample: "a long random text",
		takes: secretText(func(d *draft) *secret.Text { return &d.client.ClientSecret }, anything),
		doc:   "What the application authenticates with. Without one it is a public client.",
	},
	{
		key: "client_secret_file", inline: "client_secret", sample: "/etc/keymaker/wiki_secret",
		takes: secretFile(func(d *draft) *secret.Text { return &d.client.ClientSecret }, anything),
		doc:   "The same, read from a file at the start.",
	},
	textMember("token_endpoint_auth_method", "client_secret_basic",
		"How it authenticates: client_secret_basic, client_secret_post or none. By default client_secret_basic with a secret, and none without."),
	listMember("redirect_uris", []string{"https://wiki.example.com/callback"},
		"Where people come back to after they have signed in. They are compared letter by letter; plain http is for a loopback host."),
	listMember("grant_types", []string{"authorization_code", "refresh_token"},
		"What it may do at the token endpoint: authorization_code, refresh_token, urn:ietf:params:oauth:grant-type:device_code. By default "+
			"authorization_code and refresh_token with redirect_uris, and nothing without: then it only asks about tokens."),
	listMember("response_types", []string{"code"}, "Only code."),
	textMember("application_type", "web", "web or native. To a native application any port of a loopback redirect URI that is registered without one is good. By default web."),
	textMember("client_name", "The wiki", "What people see. By default the host of client_uri, or else of the redirect URI."),
	textMember("client_uri", "https://wiki.example.com/", "The home page of the application."),
	textMember("logo_uri", "https://wiki.example.com/logo.png", "Its picture."),
	textMember("tos_uri", "https://wiki.example.com/terms", "Its terms of service, linked where people approve."),
	textMember("policy_uri", "https://wiki.example.com/privacy", "Its privacy policy, linked there too."),
	textMember("id_token_signed_response_alg", "RS256", "What its ID tokens are signed with: ES256 or RS256. By default ES256."),
	textMember("userinfo_signed_response_alg", "ES256", "What userinfo is signed with for it: ES256 or RS256. By default it is not signed."),
}

// textMember is a member of the metadata that is a text.
func textMember(key, sample, doc string) option {
	return option{key: key, sample: sample, doc: doc, takes: take(aText, func(d *draft, v string) error {
		if v == "" {
			return errEmpty
		}
		d.members[key] = v
		return nil
	})}
}

// listMember is a member of the metadata that is a list of texts.
func listMember(key string, sample []string, doc string) option {
	takes := take(aList, func(d *draft, v []string) error {
		d.members[key] = slices.Clone(v)
		return nil
	})
	takes.entry = anything
	return option{key: key, sample: sample, doc: doc, takes: takes}
}

func beginClient(d *draft) {
	d.config.OIDCClients = append(d.config.OIDCClients, OIDCClient{})
	d.client = &d.config.OIDCClients[len(d.config.OIDCClients)-1]
	d.members = map[string]any{}
}

// ownClientID is narrower than RFC 6749 §A.1: without an @ it can be nobody's
// subject (conformance B-45), and it needs no escaping anywhere.
var ownClientID = regexp.MustCompile(`^[0-9A-Za-z._~:/-]{1,255}$`)

func checkOwnClientID(s string) error {
	if !ownClientID.MatchString(s) || s == reservedClientID {
		return refuse("%s cannot be a client_id: 1 to 255 characters out of 0-9 A-Z a-z . _ ~ : / -, and not %q", quote(s), reservedClientID)
	}
	return nil
}

// reservedClientID is what introspection calls a session of the legacy login.
const reservedClientID = "legacy"

// shortSecret is the length in characters below which a secret can be guessed.
const shortSecret = 22

// checkClient looks at a client as a whole: by the rules of registration.
func checkClient(r *reader, n *node, path string) {
	c := r.draft.client
	key := func(name string) string { return join(path, name) }
	hasSecret := n.has("client_secret") || n.has("client_secret_file")
	if _, set := r.draft.members["token_endpoint_auth_method"]; !set && hasSecret {
		r.draft.members["token_endpoint_auth_method"] = registration.AuthBasic
	}
	document, err := json.Marshal(r.draft.members)
	if err != nil {
		r.problem(n.place, path, err)
		return
	}
	metadata, err := registration.Parse(document, registration.Policy{Configured: true, RS256: true})
	var refused *registration.Error
	switch {
	case errors.As(err, &refused):
		r.problem(n.at(refused.Member), key(refused.Member), refuse("%s", refused.Description))
		return
	case err != nil:
		r.problem(n.place, path, err)
		return
	}
	c.Metadata = *metadata
	switch {
	case metadata.HasSecret() && !hasSecret:
		r.problem(n.at("token_endpoint_auth_method"), key("client_secret"), refuse("is missing: token_endpoint_auth_method is %s", metadata.TokenEndpointAuthMethod))
	case !metadata.HasSecret() && hasSecret:
		r.problem(n.at("token_endpoint_auth_method"), key("token_endpoint_auth_method"), refuse("is %s, and a secret is set", metadata.TokenEndpointAuthMethod))
	case hasSecret && c.ClientSecret != "" && len(c.ClientSecret) < shortSecret:
		r.warn(n.at("client_secret"), key("client_secret"), "is short enough to be guessed: openssl rand -hex 32 makes a long one")
	}
}
