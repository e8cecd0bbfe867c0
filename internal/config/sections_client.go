package config

import (
	"encoding/json"
	"slices"
	"strings"

	"keymaker/internal/secret"
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
	{
		key: "jwks", sample: `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		takes: take(aText, setKeys),
		doc:   "The public keys of an application that authenticates without a secret (private_key_jwt), as a JSON Web Key Set: ES256, RS256, PS256 or EdDSA.",
	},
	{
		key: "jwks_file", inline: "jwks", sample: "/etc/keymaker/wiki_keys.json",
		takes: take(aText, func(d *draft, path string) error {
			keys, err := readSecret(path)
			if err != nil {
				return err
			}
			return setKeys(d, keys.Reveal())
		}),
		doc: "The same, read from a file at the start.",
	},
	textMember("jwks_uri", "https://wiki.example.com/jwks.json", "Or where the application publishes them, over https or on a loopback host. They are read again when they change."),
	textMember("token_endpoint_auth_method", "client_secret_basic",
		"How it authenticates: client_secret_basic, client_secret_post, private_key_jwt or none. By default client_secret_basic with a secret, private_key_jwt with keys, and else none."),
	listMember("redirect_uris", []string{"https://wiki.example.com/callback"},
		"Where people come back to after they have signed in. They are compared letter by letter; plain http is for a loopback host."),
	listMember("grant_types", []string{"authorization_code", "refresh_token", "client_credentials"},
		"What it may do at the token endpoint: authorization_code, refresh_token, urn:ietf:params:oauth:grant-type:device_code, client_credentials. By default "+
			"authorization_code and refresh_token with redirect_uris, and nothing without: then it only asks about tokens."),
	{
		key: "scope", sample: []string{"urn:synapse:admin:*"}, takes: ownScope(),
		doc: "What it may ask for in its own name, with the grant type client_credentials: scopes that mean something to those who ask about its tokens. " +
			"By default nothing. What people let it do is not limited by this.",
	},
	listMember("response_types", []string{"code"}, "Only code."),
	textMember("application_type", "web", "web or native. To a native application any port of a loopback redirect URI that is registered without one is good. By default web."),
	textMember("client_name", "The wiki", "What people see. By default the host of client_uri, or else of the redirect URI."),
	textMember("client_uri", "https://wiki.example.com/", "The home page of the application."),
	textMember("logo_uri", "https://wiki.example.com/logo.png", "Its picture."),
	textMember("tos_uri", "https://wiki.example.com/terms", "Its terms of service, linked where people approve."),
	textMember("policy_uri", "https://wiki.example.com/privacy", "Its privacy policy, linked there too."),
	listMember("post_logout_redirect_uris", []string{"https://wiki.example.com/"}, "Where people may be sent after they have signed out (logout.md). Compared like redirect_uris."),
	textMember("backchannel_logout_uri", "https://wiki.example.com/oidc/logout", "Where the application is told that a session has ended (back-channel logout), over https or on a loopback host. It may be on a private network."),
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

// setKeys is for a key set, which is JSON in the configuration.
func setKeys(d *draft, v string) error {
	if !json.Valid([]byte(v)) {
		return refuse("is not a JSON Web Key Set")
	}
	d.members["jwks"] = json.RawMessage(v)
	return nil
}

// ownScope is the member scope, which is one text in the metadata.
func ownScope() rule {
	r := take(aList, func(d *draft, v []string) error {
		if len(v) > 0 {
			d.members["scope"] = strings.Join(v, " ")
		}
		return nil
	})
	r.entry = checkScope
	return r
}

func beginClient(d *draft) {
	d.config.OIDCClients = append(d.config.OIDCClients, OIDCClient{})
	d.client = &d.config.OIDCClients[len(d.config.OIDCClients)-1]
	d.members = map[string]any{}
}
