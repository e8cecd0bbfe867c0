package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/config"
	"keymaker/provider/registration"
)

// client begins a client. What a case adds begins in line 6.
const client = good + `[[global.oidc_client]]
client_id = "wiki"
client_secret = "0123456789012345678901"
`

// site is client with what it needs to sign people in. What a case adds begins
// in line 7.
const site = client + "redirect_uris = [\"https://wiki.example.com/callback\"]\n"

const publicKey = `{"keys":[{"crv":"Ed25519","kid":"1","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

func TestClients(t *testing.T) {
	web := registration.Metadata{
		RedirectURIs: []string{"https://wiki.example.com/callback"}, ApplicationType: "web", GrantTypes: []string{"authorization_code", "refresh_token"},
		ResponseTypes: []string{"code"}, TokenEndpointAuthMethod: "client_secret_basic", IDTokenSignedAlg: "ES256",
	}
	for _, c := range []struct {
		name, text string
		want       func(*config.OIDCClient)
	}{
		{"a site with a secret", site, func(*config.OIDCClient) {}},
		{"the other way to send it", site + `token_endpoint_auth_method = "client_secret_post"`, func(c *config.OIDCClient) { c.Metadata.TokenEndpointAuthMethod = "client_secret_post" }},
		{"one that only asks about tokens", client, func(c *config.OIDCClient) {
			c.Metadata.RedirectURIs, c.Metadata.GrantTypes, c.Metadata.ResponseTypes = nil, []string{}, nil
		}},
		{"one that may only sign people in", site + `grant_types = ["authorization_code"]`, func(c *config.OIDCClient) { c.Metadata.GrantTypes = []string{"authorization_code"} }},
		{"hosts that are not its own, and a loopback host with a port", client + `client_uri = "https://example.com/"
redirect_uris = ["https://wiki.example.net/cb", "http://127.0.0.1:8081/cb", "http://localhost/cb"]
logo_uri = "https://cdn.example.org/logo.png"`, func(c *config.OIDCClient) {
			c.Metadata.ClientURI, c.Metadata.LogoURI = "https://example.com/", "https://cdn.example.org/logo.png"
			c.Metadata.RedirectURIs = []string{"https://wiki.example.net/cb", "http://127.0.0.1:8081/cb", "http://localhost/cb"}
		}},
		{"one with keys", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\nredirect_uris = [\"https://wiki.example.com/callback\"]\njwks_uri = \"http://127.0.0.1:8081/jwks\"\n", func(c *config.OIDCClient) {
			c.ClientSecret, c.Metadata.TokenEndpointAuthMethod, c.Metadata.JWKSURI = "", "private_key_jwt", "http://127.0.0.1:8081/jwks"
		}},
		{"one with keys in the file", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\nredirect_uris = [\"https://wiki.example.com/callback\"]\njwks = '" + publicKey + "'\n", func(c *config.OIDCClient) {
			c.ClientSecret, c.Metadata.TokenEndpointAuthMethod, c.Metadata.JWKS = "", "private_key_jwt", json.RawMessage(publicKey)
		}},
		{"one that acts in its own name", client + "grant_types = [\"client_credentials\"]\nscope = [\"urn:synapse:admin:*\", \"urn:example:b\"]", func(c *config.OIDCClient) {
			c.Metadata.RedirectURIs, c.Metadata.ResponseTypes = nil, nil
			c.Metadata.GrantTypes, c.Metadata.Scope = []string{"client_credentials"}, "urn:synapse:admin:* urn:example:b"
		}},
		{"where to go after a logout, and where to be told of one", site + `post_logout_redirect_uris = ["https://wiki.example.com/"]
backchannel_logout_uri = "http://127.0.0.1:8081/logout"`, func(c *config.OIDCClient) {
			c.Metadata.PostLogoutRedirectURIs, c.Metadata.BackchannelLogoutURI = []string{"https://wiki.example.com/"}, "http://127.0.0.1:8081/logout"
		}},
		{"a public client", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\nredirect_uris = [\"https://wiki.example.com/callback\"]\n", func(c *config.OIDCClient) {
			c.ClientSecret, c.Metadata.TokenEndpointAuthMethod = "", "none"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := config.OIDCClient{ClientID: "wiki", ClientSecret: "0123456789012345678901", Metadata: web}
			c.want(&want)
			got := mustParse(t, c.text)
			if diff := cmp.Diff([]config.OIDCClient{want}, got.OIDCClients); diff != "" || len(got.Warnings) > 0 {
				t.Errorf("clients (-want +got):\n%s\nwarnings: %q", diff, got.Warnings)
			}
		})
	}
}

func TestImpossibleClients(t *testing.T) {
	const at = "k.toml:7: global.oidc_client.0."
	for _, c := range []struct{ name, text, want string }{
		{"no client_id", good + "[[global.oidc_client]]\nclient_name = \"Wiki\"", `k.toml:3: global.oidc_client.0.client_id: is missing`},
		{"a client_id that is a user", good + "[[global.oidc_client]]\nclient_id = \"@alice:example.org\"",
			`k.toml:4: global.oidc_client.0.client_id: "@alice:example.org" cannot be a client_id: 1 to 255 characters out of 0-9 A-Z a-z . _ ~ : / -, and not "legacy"`},
		{"what introspection calls legacy logins", good + "[[global.oidc_client]]\nclient_id = \"legacy\"",
			`k.toml:4: global.oidc_client.0.client_id: "legacy" cannot be a client_id: 1 to 255 characters out of 0-9 A-Z a-z . _ ~ : / -, and not "legacy"`},
		{"the client_id of another", site + "[[global.oidc_client]]\nclient_id = \"wiki\"", `k.toml:8: global.oidc_client.1.client_id: "wiki" is already the client_id of the client in line 4`},
		{"plain http", client + `redirect_uris = ["http://wiki.example.com/"]`,
			`k.toml:6: global.oidc_client.0.redirect_uris: redirect_uri 'http://wiki.example.com/' is refused: plain http is only accepted for http://localhost, http://127.0.0.1 and http://[::1]`},
		{"a wildcard", client + `redirect_uris = ["https://*.example.com/"]`,
			`k.toml:6: global.oidc_client.0.redirect_uris: redirect_uri 'https://*.example.com/' is refused: there are no wildcards; register every URI, and write a literal asterisk as %2A`},
		{"the code grant without a way back", client + `grant_types = ["authorization_code"]`,
			`k.toml:3: global.oidc_client.0.redirect_uris: redirect_uris is missing or empty: the grant type authorization_code needs at least one`},
		{"a grant that is not served, which is not left out", site + `grant_types = ["authorization_code", "password"]`,
			at + `grant_types: grant_types 'password' is refused: accepted: authorization_code, refresh_token, urn:ietf:params:oauth:grant-type:device_code, client_credentials`},
		{"a response type that is not served", site + `response_types = ["code", "token"]`, at + `response_types: response_types 'code token' is refused: accepted: code`},
		{"an unknown type", site + `application_type = "spa"`, at + `application_type: application_type 'spa' is refused: accepted: web, native`},
		{"an unknown algorithm", site + `id_token_signed_response_alg = "none"`, at + `id_token_signed_response_alg: id_token_signed_response_alg 'none' is refused: accepted: ES256, RS256`},
		{"a home page that is none", site + `client_uri = "wiki"`, at + `client_uri: client_uri 'wiki' is refused: it must begin with https://`},
		{"a name that cannot be shown as it is", site + `client_name = " Wiki"`,
			at + `client_name: client_name ' Wiki' is refused: it must have at most 100 characters, all of them visible, and no space around it`},
		{"an empty text", site + `policy_uri = ""`, at + `policy_uri: is empty: leave the key out instead`},
		{"a secret that is not used", site + `token_endpoint_auth_method = "none"`, at + `token_endpoint_auth_method: is none, and a secret is set`},
		{"a secret that is missing", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\ntoken_endpoint_auth_method = \"client_secret_post\"",
			`k.toml:5: global.oidc_client.0.client_secret: is missing: token_endpoint_auth_method is client_secret_post`},
		{"a scope without the grant for it", site + `scope = ["urn:synapse:admin:*"]`,
			at + `scope: scope 'urn:synapse:admin:*' is refused: it is what the client may ask for in its own name, and client_credentials is not among its grant_types`},
		{"a scope that is about a person", client + "grant_types = [\"client_credentials\"]\nscope = [\"openid\"]",
			at + `scope: scope 'openid' is refused: it is about a person, and a client in its own name is none`},
		{"a public client that acts in its own name", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\ngrant_types = [\"client_credentials\"]",
			`k.toml:5: global.oidc_client.0.grant_types: grant_types 'client_credentials' is refused: it is for a client that authenticates`},
		{"keys beside a secret", site + `jwks = '` + publicKey + `'`,
			`k.toml:3: global.oidc_client.0.token_endpoint_auth_method: token_endpoint_auth_method 'client_secret_basic' is refused: jwks and jwks_uri are of use with private_key_jwt alone`},
		{"keys that are none", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\njwks = 'x'", `k.toml:5: global.oidc_client.0.jwks: is not a JSON Web Key Set`},
		{"a private key", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\njwks = '" + strings.Replace(publicKey, `"kid"`, `"d":"x","kid"`, 1) + "'",
			`k.toml:5: global.oidc_client.0.jwks: jwks is refused: key 1: it holds the private part; only the public part may be shown to anybody`},
		{"a file of keys that is missing", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\njwks_file = \"nowhere\"",
			`k.toml:5: global.oidc_client.0.jwks_file: the file cannot be read: no such file or directory`},
		{"an empty secret", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\nclient_secret = \"\"", `k.toml:5: global.oidc_client.0.client_secret: is empty: leave the key out instead`},
		{"a secret file that is missing", good + "[[global.oidc_client]]\nclient_id = \"wiki\"\nclient_secret_file = \"nowhere\"",
			`k.toml:5: global.oidc_client.0.client_secret_file: the file cannot be read: no such file or directory`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			wantProblems(t, err, c.want)
		})
	}
}

func TestAShortClientSecretIsPointedOut(t *testing.T) {
	c := mustParse(t, good+"[[global.oidc_client]]\nclient_id = \"wiki\"\nclient_secret = \"hunter2\"\n")
	want := []string{"k.toml:5: global.oidc_client.0.client_secret: is short enough to be guessed: openssl rand -hex 32 makes a long one"}
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
