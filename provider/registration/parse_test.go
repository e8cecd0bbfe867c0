package registration_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/provider/errtext"
	"keymaker/provider/registration"
)

var strict = registration.Policy{RequireClientURI: true}

// web is a registration with everything that Parse requires and no choice made.
const web = `"client_uri":"https://example.com/","redirect_uris":["https://app.example.com/callback"]`

// native is the same for a native client.
const native = `"application_type":"native","client_uri":"https://example.com/","redirect_uris":["com.example.app:/callback"]`

func parse(t *testing.T, body string, policy registration.Policy) registration.Metadata {
	t.Helper()
	m, err := registration.Parse([]byte(body), policy)
	if err != nil {
		t.Fatalf("Parse(%s): %v", body, err)
	}
	return *m
}

func TestParseEchoes(t *testing.T) {
	const defaults = `"application_type":"web","client_uri":"https://example.com/","grant_types":["authorization_code","refresh_token"],` +
		`"id_token_signed_response_alg":"ES256","redirect_uris":["https://app.example.com/callback"],"response_types":["code"],"token_endpoint_auth_method":"none"`
	with := func(old, replacement string) string { return strings.Replace(defaults, old, replacement, 1) }
	tests := []struct{ name, body, want string }{
		{"B-01: the registration of the specification",
			`{"client_name":"My App","client_uri":"https://example.com/","redirect_uris":["https://app.example.com/callback"],` +
				`"token_endpoint_auth_method":"none","response_types":["code"],"grant_types":["authorization_code","refresh_token"],"application_type":"web"}`,
			`"client_name":"My App",` + defaults},
		{"B-19, B-22 to B-24: what is left out gets its default", `{` + web + `}`, defaults},
		{"B-05: unknown members of any type are dropped",
			`{` + web + `,"x":1e999,"y":{"z":[null,true]},"Client_Name":"x","scope":"openid","default_max_age":1}`, defaults},
		{"B-05: null counts as left out",
			`{` + web + `,"client_name":null,"grant_types": null ,"response_types":null,"contacts":null,"logo_uri":null,"jwks":null,"jwks_uri":"https://example.com/keys"}`, defaults},
		{"an empty string counts as left out",
			`{` + web + `,"client_name":"","logo_uri":"","token_endpoint_auth_method":"","application_type":"","userinfo_signed_response_alg":""}`, defaults},
		{"B-14, B-15: logo, terms and policy at the client's host",
			`{` + web + `,"logo_uri":"https://cdn.example.com/l.png?x=1","tos_uri":"https://example.com:8443/tos#s","policy_uri":"https://example.com"}`,
			`"logo_uri":"https://cdn.example.com/l.png?x=1","policy_uri":"https://example.com",` + defaults + `,"tos_uri":"https://example.com:8443/tos#s"`},
		{"B-16: contacts and software are kept",
			`{` + web + `,"contacts":["a@example.com"," a@example.com","b@example.com",""],"software_id":"s\u0007w","software_version":"1.0"}`,
			`"contacts":["a@example.com","b@example.com"],` + defaults + `,"software_id":"sw","software_version":"1.0"`},
		{"B-16: an empty array is not echoed", `{` + web + `,"contacts":[]}`, defaults},
		{"B-18: redirect URIs are kept as they were written, each once",
			`{"client_uri":"https://example.com/","redirect_uris":["https://EXAMPLE.com/b","https://example.com/a","https://EXAMPLE.com/b"]}`,
			with(`"https://app.example.com/callback"`, `"https://EXAMPLE.com/b","https://example.com/a"`)},
		{"B-19: unknown response types are ignored", `{` + web + `,"response_types":["code","token"]}`, defaults},
		{"B-20: unknown grant types are ignored",
			`{` + web + `,"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:token-exchange"]}`, defaults},
		{"B-20: the client's order is kept, repetitions are not",
			`{` + web + `,"grant_types":["refresh_token","authorization_code","refresh_token"]}`,
			with(`"authorization_code","refresh_token"`, `"refresh_token","authorization_code"`)},
		{"B-20: a client may do without the refresh grant", `{` + web + `,"grant_types":["authorization_code"]}`,
			with(`"authorization_code","refresh_token"`, `"authorization_code"`)},
		{"B-23: a client with a secret in the header", `{` + web + `,"token_endpoint_auth_method":"client_secret_basic"}`, with(`"none"`, `"client_secret_basic"`)},
		{"B-23: a client with a secret in the body", `{` + web + `,"token_endpoint_auth_method":"client_secret_post"}`, with(`"none"`, `"client_secret_post"`)},
		{"B-24: a native client",
			`{"application_type":"native","client_uri":"https://example.com/","redirect_uris":["com.example.app:/callback","http://127.0.0.1/callback","https://example.com/x"]}`,
			strings.Replace(with(`"web"`, `"native"`), `"https://app.example.com/callback"`, `"com.example.app:/callback","http://127.0.0.1/callback","https://example.com/x"`, 1)},
		{"F-31: ES256 may be asked for", `{` + web + `,"id_token_signed_response_alg":"ES256"}`, defaults},
		{"B-28: a software statement is ignored", `{` + web + `,"software_statement":"x.y.z"}`, defaults},
		{"B-25: the keys of a client that signs are kept, and nothing beside them",
			`{` + web + `,"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"EdDSA","jwks":` + strings.Replace(jwks, `"kid"`, `"x5t":"x","kid"`, 1) + `}`,
			with(`"none"`, `"private_key_jwt"`) + `,"token_endpoint_auth_signing_alg":"EdDSA","jwks":` + jwks},
		{"B-25: the address of its keys is", `{` + web + `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://example.com/keys"}`,
			with(`"none"`, `"private_key_jwt"`) + `,"jwks_uri":"https://example.com/keys"`},
		{"D-41: a client that authenticates may act in its own name, and does not say how far",
			`{"client_uri":"https://example.com/","token_endpoint_auth_method":"client_secret_post","grant_types":["client_credentials"],"scope":"urn:synapse:admin:*"}`,
			`"application_type":"web","client_uri":"https://example.com/","grant_types":["client_credentials"],"id_token_signed_response_alg":"ES256","token_endpoint_auth_method":"client_secret_post"`},
		{"D-41: a public client may not", `{` + web + `,"grant_types":["authorization_code","refresh_token","client_credentials"]}`, defaults},
		{"B-25: keys are not kept where nothing uses them", `{` + web + `,"jwks":{"keys":[]}}`, defaults},
		{"B-17: localised members are kept",
			`{` + web + `,"client_name":"App","client_name#fr":"L'appli","client_name#pt-BR":" O  app ","tos_uri#de":"https://example.com/agb","client_uri#fr":"https://fr.example.com/","client_name#it":""}`,
			`"client_name":"App","client_name#fr":"L'appli","client_name#pt-BR":"O app","client_uri#fr":"https://fr.example.com/","tos_uri#de":"https://example.com/agb",` + defaults},
		{"B-17: what is no language tag is an unknown member",
			`{` + web + `,"client_name#":"x","client_name#not a tag":"x","client_name#en_US":"x","client_name#xx-123456789":"x","redirect_uris#fr":["x"],"software_id#fr":"x"}`, defaults},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkEcho(t, parse(t, tt.body, strict), "{"+tt.want+"}")
		})
	}
}

// jwks is a key set that a client may register.
const jwks = `{"keys":[{"crv":"Ed25519","kid":"1","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// checkEcho compares the JSON of m with want, without regard to the order of
// members.
func checkEcho(t *testing.T, m registration.Metadata, want string) {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var got, expected map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &expected); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Errorf("registered metadata (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	const metadata, redirectURI = registration.InvalidClientMetadata, registration.InvalidRedirectURI
	tests := []struct{ name, body, code, says string }{
		{"B-03: no JSON", `client_name=x`, metadata, "not valid JSON"},
		{"B-03: an empty body", ``, metadata, "not valid JSON"},
		{"B-03: an unfinished object", `{` + web, metadata, "not valid JSON"},
		{"B-03: data behind the object", `{` + web + `} {}`, metadata, "not valid JSON"},
		{"B-03: an array", `[{` + web + `}]`, metadata, "must be a JSON object"},
		{"B-03: null", ` null `, metadata, "must be a JSON object"},
		{"B-03: a string", `"x"`, metadata, "must be a JSON object"},
		{"B-03: invalid UTF-8", `{` + web + ",\"client_name\":\"\xff\"}", metadata, "not valid UTF-8"},
		{"B-03: a member twice", `{` + web + `,"redirect_uris":["https://example.com/"]}`, metadata, "'redirect_uris' stands there twice"},
		{"B-03: a member twice in another spelling", `{` + web + `,"redirect\u005furis":["https://example.com/"]}`, metadata, "twice"},
		{"B-03: a member twice deep inside", `{` + web + `,"x":[{"y":1,"y":1}]}`, metadata, "'y' stands there twice"},
		{"B-03: NUL in a string", `{` + web + `,"x":["a\u0000b"]}`, metadata, "NUL"},
		{"B-03: NUL in a member name", `{` + web + `,"a\u0000":1}`, metadata, "NUL"},
		{"B-03: deep nesting", `{` + web + `,"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, metadata, "nested more than 16"},
		{"B-06: a long body", `{` + web + strings.Repeat(" ", registration.MaxBody) + `}`, metadata, "longer than 16384 bytes"},
		{"B-03: redirect_uris as a string", `{"client_uri":"https://example.com/","redirect_uris":"x"}`, metadata, "redirect_uris must be an array of strings"},
		{"B-03: redirect_uris with a number", `{"client_uri":"https://example.com/","redirect_uris":[1]}`, metadata, "redirect_uris must be an array of strings"},
		{"B-03: redirect_uris with null", `{"client_uri":"https://example.com/","redirect_uris":[null]}`, metadata, "redirect_uris must be an array of strings"},
		{"B-03: grant_types as a string", `{` + web + `,"grant_types":"authorization_code"}`, metadata, "grant_types must be an array"},
		{"B-03: response_types as an object", `{` + web + `,"response_types":{}}`, metadata, "response_types must be an array"},
		{"B-03: contacts as a string", `{` + web + `,"contacts":"x"}`, metadata, "contacts must be an array"},
		{"B-03: client_name as a number", `{` + web + `,"client_name":1}`, metadata, "client_name must be a string"},
		{"B-03: a localised name as a number", `{` + web + `,"client_name#fr":1}`, metadata, "client_name#fr must be a string"},
		{"B-03: client_uri as an array", `{"client_uri":[]}`, metadata, "client_uri must be a string"},
		{"B-03: software_id as an object", `{` + web + `,"software_id":{}}`, metadata, "software_id must be a string"},
		{"B-03: an algorithm as a number", `{` + web + `,"userinfo_signed_response_alg":1}`, metadata, "must be a string"},

		{"B-10: no client_uri", `{"redirect_uris":["https://app.example.com/callback"]}`, metadata, "client_uri is missing"},
		{"B-10: an empty client_uri", `{"client_uri":"","redirect_uris":["https://app.example.com/callback"]}`, metadata, "client_uri is missing"},
		{"B-10: plain http", `{"client_uri":"http://example.com/"}`, metadata, "'http://example.com/' is refused: it must begin with https://"},
		{"B-10: user and password", `{"client_uri":"https://u:p@example.com/"}`, metadata, "user or password"},
		{"B-10: no URL", `{"client_uri":"example.com"}`, metadata, "begin with https://"},
		{"B-10: an IP address", `{"client_uri":"https://192.0.2.1/"}`, metadata, "IP address"},
		{"B-12: a public suffix", `{"client_uri":"https://github.io/"}`, metadata, "public suffix"},
		{"B-12: a top level domain", `{"client_uri":"https://com/"}`, metadata, "public suffix"},
		{"B-11: a logo elsewhere", `{` + web + `,"logo_uri":"https://notexample.com/l.png"}`, metadata, "logo_uri 'https://notexample.com/l.png' is refused: its host must be the host of client_uri, example.com"},
		{"B-11: terms elsewhere", `{` + web + `,"tos_uri":"https://app.com/"}`, metadata, "host of client_uri"},
		{"B-11: a policy elsewhere", `{` + web + `,"policy_uri":"https://example.com.evil.net/"}`, metadata, "host of client_uri"},
		{"B-11: keys elsewhere", `{` + web + `,"jwks_uri":"https://app.com/"}`, metadata, "host of client_uri"},
		{"B-14: a logo over plain http", `{` + web + `,"logo_uri":"http://example.com/l.png"}`, metadata, "begin with https://"},
		{"B-15: terms with a password", `{` + web + `,"tos_uri":"https://u:p@example.com/"}`, metadata, "user or password"},
		{"B-16: eleven contacts", `{` + web + `,"contacts":["1","2","3","4","5","6","7","8","9","10","11"]}`, metadata, "more than 10"},
		{"B-16: a long contact", `{` + web + `,"contacts":["` + strings.Repeat("x", 257) + `"]}`, metadata, "longer than 256"},
		{"B-16: a long software_version", `{` + web + `,"software_version":"` + strings.Repeat("é", 257) + `"}`, metadata, "longer than 256"},
		{"B-17: a localised logo elsewhere", `{` + web + `,"logo_uri#fr":"https://app.com/"}`, metadata, "logo_uri#fr 'https://app.com/' is refused: its host"},
		{"B-17: a localised client_uri over plain http", `{` + web + `,"client_uri#fr":"http://example.com/"}`, metadata, "begin with https://"},

		{"B-18: no redirect_uris", `{"client_uri":"https://example.com/"}`, redirectURI, "redirect_uris is missing"},
		{"B-18: empty redirect_uris", `{"client_uri":"https://example.com/","redirect_uris":[]}`, redirectURI, "redirect_uris is missing"},
		{"B-19: response types without code", `{` + web + `,"response_types":["token"]}`, metadata, "needs the response type code"},
		{"B-19: empty response types", `{` + web + `,"response_types":[]}`, metadata, "needs the response type code"},
		{"B-20: only unknown grant types", `{` + web + `,"grant_types":["password","implicit"]}`, metadata, "grant_types 'password implicit' is refused: none of them starts a session here; at least one of these must be among them: authorization_code"},
		{"B-20: empty grant types", `{` + web + `,"grant_types":[]}`, metadata, "none of them starts a session"},
		{"B-20: only the refresh grant", `{` + web + `,"grant_types":["refresh_token"]}`, metadata, "none of them starts a session"},
		{"B-25: private_key_jwt without keys", `{` + web + `,"token_endpoint_auth_method":"private_key_jwt"}`, metadata, "'private_key_jwt' is refused: it needs the client's public keys: jwks or jwks_uri"},
		{"B-23: an unknown method", `{` + web + `,"token_endpoint_auth_method":"None"}`, metadata, "accepted: none"},
		{"B-24: another application type", `{` + web + `,"application_type":"Web"}`, metadata, "application_type 'Web' is refused: accepted: web, native"},
		{"D-41: a public client with nothing else", `{` + web + `,"grant_types":["client_credentials"]}`, metadata, "none of them starts a session"},
		{"B-25: a private key", `{` + web + `,"token_endpoint_auth_method":"private_key_jwt","jwks":` + strings.Replace(jwks, `"kid"`, `"d":"x","kid"`, 1) + `}`, metadata, "private part"},
		{"B-26: an algorithm that no assertion is signed with", `{` + web + `,"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"HS256","jwks":` + jwks + `}`,
			metadata, "accepted: ES256, RS256, PS256, EdDSA"},
		{"B-25: jwks and jwks_uri", `{` + web + `,"jwks":{"keys":[]},"jwks_uri":"https://example.com/keys"}`, metadata, "not both"},
		{"B-26: another algorithm for ID tokens", `{` + web + `,"id_token_signed_response_alg":"PS256"}`, metadata, "accepted: ES256"},
		{"B-26: RS256 while there is no key for it", `{` + web + `,"id_token_signed_response_alg":"RS256"}`, metadata, "accepted: ES256"},
		{"B-26: no signature of ID tokens", `{` + web + `,"id_token_signed_response_alg":"none"}`, metadata, "'none' is refused: accepted: ES256"},
		{"B-26: another algorithm for userinfo", `{` + web + `,"userinfo_signed_response_alg":"HS256"}`, metadata, "userinfo_signed_response_alg 'HS256' is refused: accepted: ES256"},
		{"B-26: userinfo that is signed with nothing", `{` + web + `,"userinfo_signed_response_alg":"none"}`, metadata, "'none' is refused: accepted: ES256"},
		{"B-26: encrypted userinfo", `{` + web + `,"userinfo_encrypted_response_alg":"RSA-OAEP"}`, metadata, "leave it out"},
		{"B-26: encrypted ID tokens", `{` + web + `,"id_token_encrypted_response_alg":"RSA-OAEP"}`, metadata, "leave it out"},

		{"B-31: a bad redirect URI", `{"client_uri":"https://example.com/","redirect_uris":["https://app.com/callback"]}`, redirectURI, "redirect_uri 'https://app.com/callback' is refused: its host"},
		{"B-36: one bad redirect URI among good ones",
			`{"client_uri":"https://example.com/","redirect_uris":["https://example.com/a","http://localhost/","https://example.com/b"]}`, redirectURI, "'http://localhost/' is refused"},
		{"B-32: the reversed host of the client is needed", strings.Replace(`{`+native+`}`, "com.example.app", "com.examplex", 1), redirectURI, "reversed host of client_uri"},
		{"C-29: quotes and markup in a value are made harmless", `{` + web + `,"application_type":"\"<b>\\\n\u00e9"}`, metadata, "'`<b>/??' is refused"},
		{"a long value is cut", `{` + web + `,"application_type":"` + strings.Repeat("x", 5000) + `"}`, metadata, strings.Repeat("x", 100) + "...' is refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := registration.Parse([]byte(tt.body), strict)
			if m != nil {
				t.Errorf("a refused registration has metadata")
			}
			checkRefused(t, err, tt.code, tt.says)
		})
	}
}

func checkRefused(t *testing.T, err error, code, says string) {
	t.Helper()
	var refused *registration.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error is %v (%T), want a *registration.Error", err, err)
	}
	if refused.Code != code || !strings.Contains(refused.Description, says) {
		t.Errorf("refused as %q, want code %s and %q", err, code, says)
	}
	if !errtext.Legal(refused.Description) {
		t.Errorf("B-02: description %q holds characters that it may not", refused.Description)
	}
}

// TestParseRedirectURIs has every example of conformance B.3 at the level of a
// registration.
func TestParseRedirectURIs(t *testing.T) {
	good := map[string][]string{
		"web": {"https://example.com/callback", "https://app.example.com/callback", "https://example.com:5173/?query=value"},
		"native": {
			"com.example.app:/callback", "com.example:/", "com.example:callback",
			"http://localhost/callback", "http://127.0.0.1/callback", "http://[::1]/callback", "https://app.example.com/callback",
		},
	}
	bad := map[string][]string{
		"web": {
			"https://example.com/callback#fragment", "http://example.com/callback", "http://localhost/", "https://u:p@example.com/",
			"https://app.com/callback", "com.example.app:/callback",
		},
		"native": {
			"example:/callback", "com.example.app://callback", "com.example.app:///callback", "com.examplex:/", "com.evil.app:/cb",
			"javascript:alert(1)", "data:text/plain,x", "http://localhost:1234/callback", "https://localhost/callback", "http://127.0.0.2/",
			"http://localhost.evil.com/", "http://user@localhost/",
		},
	}
	register := func(kind string, uris ...string) error {
		body, err := json.Marshal(map[string]any{"client_uri": "https://example.com/", "application_type": kind, "redirect_uris": uris})
		if err != nil {
			t.Fatal(err)
		}
		_, err = registration.Parse(body, strict)
		return err
	}
	for kind, uris := range good {
		if err := register(kind, uris...); err != nil {
			t.Errorf("B.3: %s: %v", kind, err)
		}
		for _, uri := range bad[kind] {
			err := register(kind, append(slices.Clone(uris), uri)...)
			checkRefused(t, err, registration.InvalidRedirectURI, "'"+uri+"' is refused")
		}
	}
}

func TestPolicy(t *testing.T) {
	m := parse(t, `{`+web+`,"id_token_signed_response_alg":"RS256"}`, registration.Policy{RequireClientURI: true, RS256: true})
	if m.IDTokenSignedAlg != "RS256" {
		t.Errorf("B-26 F-31: asked for RS256 when there is a key for it, registered %q", m.IDTokenSignedAlg)
	}
	const nowhere = `{"redirect_uris":["https://whoever.net/cb"],"logo_uri":"https://other.net/l.png"}`
	if m := parse(t, nowhere, registration.Policy{}); m.ClientURI != "" || m.ClientHost() != "" || m.LogoURI == "" {
		t.Errorf("B-10: a client without client_uri, where none is required, is registered as %+v", m)
	}
	_, err := registration.Parse([]byte(`{"client_uri":"http://example.com/","redirect_uris":["https://whoever.net/cb"]}`), registration.Policy{})
	checkRefused(t, err, registration.InvalidClientMetadata, "begin with https://")

	listed := registration.Policy{RequireClientURI: true, AllowedRedirectHosts: []string{"app.example.com"}}
	parse(t, `{`+web+`}`, listed)
	_, err = registration.Parse([]byte(`{"client_uri":"https://example.com/","redirect_uris":["https://example.com/cb"]}`), listed)
	checkRefused(t, err, registration.InvalidRedirectURI, "administrator has listed")
}

func TestDisplayName(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"B-13: white space around and within", "  My\t\n App\u00a0 \u2003X  ", "My App X"},
		{"B-13: control characters", "My\u0007\u001b[31m App\u009f", "My[31m App"},
		{"B-13: bidirectional controls", "\u202eMy\u2066 App\u2069\u200f", "My App"},
		{"B-13: zero-width characters", "M\u200by\u200d\ufeff \u2060App", "My App"},
		{"B-13: fillers and tags that look like nothing", "My\u3164 App\u115f\U000e0041", "My App"},
		{"B-13: line and paragraph separators", "My\u2028App\u2029X", "My App X"},
		{"B-13: letters of every script stay", "Приложение 应用 تطبيق 📱", "Приложение 应用 تطبيق 📱"},
		{"B-13: more than 100 characters are cut", strings.Repeat("é", 99) + " xyz", strings.Repeat("é", 99)},
		{"B-13: exactly 100 characters stay", strings.Repeat("é", 100), strings.Repeat("é", 100)},
		{"B-13: nothing visible is no name", "\u200b \u202e", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, err := json.Marshal(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			m := parse(t, `{`+web+`,"client_name":`+string(name)+`,"client_name#fr":`+string(name)+`}`, strict)
			if m.ClientName != tt.want || m.Localized["client_name#fr"] != tt.want {
				t.Errorf("client_name %q, localised %q, want %q", m.ClientName, m.Localized["client_name#fr"], tt.want)
			}
		})
	}
}
