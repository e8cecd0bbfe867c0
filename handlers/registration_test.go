package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/harness"
	"keymaker/provider/errtext"
	"keymaker/provider/registration"
)

// metadataOf is the registration of the tests' web client with some members
// changed; nil takes one away.
func metadataOf(t *testing.T, changes map[string]any) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(harness.WebClient), &m); err != nil {
		t.Fatal(err)
	}
	for name, value := range changes {
		m[name] = value
		if value == nil {
			delete(m, name)
		}
	}
	return marshal(t, m)
}

// native is the registration of a native client with these redirect URIs.
func native(t *testing.T, uris ...string) string {
	t.Helper()
	return metadataOf(t, map[string]any{"application_type": "native", "redirect_uris": uris})
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// register posts a registration; headers replace those of a client.
func register(e *harness.Env, body string, headers ...string) harness.Answer {
	e.T.Helper()
	h := map[string]string{"Content-Type": "application/json"}
	for i := 0; i < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	return e.Do(http.MethodPost, registerPath, h, body)
}

// expectRegistered wants a 201 whose metadata is exactly want.
func expectRegistered(t *testing.T, a harness.Answer, want map[string]any) {
	t.Helper()
	harness.ExpectJSON(t, a, http.StatusCreated)
	got := a.JSON()
	if id, _ := got["client_id"].(string); id == "" {
		t.Errorf("client_id is %v", got["client_id"])
	}
	delete(got, "client_id")
	delete(got, "client_id_issued_at")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("registered metadata (-want +got):\n%s", diff)
	}
}

// webEcho is the answer to the tests' web client without what was issued, with
// some members changed.
func webEcho(changes map[string]any) map[string]any {
	m := map[string]any{
		"client_name": "My App", "client_uri": "https://example.com/", "redirect_uris": []any{"https://app.example.com/callback"},
		"token_endpoint_auth_method": "none", "response_types": []any{"code"}, "grant_types": []any{"authorization_code", "refresh_token"},
		"application_type": "web", "id_token_signed_response_alg": "ES256",
	}
	for name, value := range changes {
		m[name] = value
		if value == nil {
			delete(m, name)
		}
	}
	return m
}

func TestRegistrationEchoes(t *testing.T) {
	e := harness.Start(t)
	tests := []struct {
		name    string
		changes map[string]any // of the web client
		echo    map[string]any // of webEcho
	}{
		{"B-01: everything that was registered comes back", nil, nil},
		{"B-05: an unknown member is ignored and not echoed", map[string]any{"frobnicate": map[string]any{"x": 1}, "scope": "openid"}, nil},
		{"B-05: the name of a member is compared whole, and with its case", map[string]any{"Client_Name": "Evil", "redirect_uris ": []string{"https://evil.net/"}}, nil},
		{"B-05: a member that is null is not there", map[string]any{"logo_uri": json.RawMessage("null")}, nil},
		{"B-13: a client_name is trimmed, and loses what cannot be seen", map[string]any{"client_name": "  My\u202e \u200bApp\u0007 "}, nil},
		{"B-13: a client needs no client_name", map[string]any{"client_name": nil}, map[string]any{"client_name": nil}},
		{"B-13: a client_name is cut at 100 characters", map[string]any{"client_name": strings.Repeat("ü", 300)}, map[string]any{"client_name": strings.Repeat("ü", 100)}},
		{
			"B-14 B-15: logo, terms and policy at the client's host",
			map[string]any{"logo_uri": "https://cdn.example.com/l.png", "tos_uri": "https://example.com/tos", "policy_uri": "https://example.com:8443/p?x=1"},
			map[string]any{"logo_uri": "https://cdn.example.com/l.png", "tos_uri": "https://example.com/tos", "policy_uri": "https://example.com:8443/p?x=1"},
		},
		{
			"B-16: contacts and software",
			map[string]any{"contacts": []string{"ops@example.com"}, "software_id": "app", "software_version": "1.2"},
			map[string]any{"contacts": []any{"ops@example.com"}, "software_id": "app", "software_version": "1.2"},
		},
		{
			"B-17: localised members, whose tags are BCP 47",
			map[string]any{"client_name#fr": " L'appli\u202e", "client_uri#fr": "https://example.com/fr", "client_name#not a tag": "x"},
			map[string]any{"client_name#fr": "L'appli", "client_uri#fr": "https://example.com/fr"},
		},
		{
			"B-17: everything that can be localised",
			map[string]any{"logo_uri#pt-BR": "https://example.com/l.png", "tos_uri#zh-Hant": "https://example.com/tos", "policy_uri#de": "https://www.example.com/p", "software_id#de": "x"},
			map[string]any{"logo_uri#pt-BR": "https://example.com/l.png", "tos_uri#zh-Hant": "https://example.com/tos", "policy_uri#de": "https://www.example.com/p"},
		},
		{
			"B-35: a host of other letters, as browsers write it",
			map[string]any{"client_uri": "https://xn--exmple-cua.com/", "redirect_uris": []string{"https://app.xn--exmple-cua.com/cb"}},
			map[string]any{"client_uri": "https://xn--exmple-cua.com/", "redirect_uris": []any{"https://app.xn--exmple-cua.com/cb"}},
		},
		{"B-18: several redirect_uris, as they were written", map[string]any{"redirect_uris": []string{"https://EXAMPLE.com/%7Ex", "https://app.example.com/callback"}},
			map[string]any{"redirect_uris": []any{"https://EXAMPLE.com/%7Ex", "https://app.example.com/callback"}}},
		{"B-19: an unknown response type is ignored", map[string]any{"response_types": []string{"code", "token"}}, nil},
		{"B-19: response_types left out are code", map[string]any{"response_types": nil}, nil},
		{"B-20: an unknown grant type is ignored",
			map[string]any{"grant_types": []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"}}, nil},
		{
			"B-18 B-21: a client for the device grant alone needs no redirect_uris and no response_types",
			map[string]any{"grant_types": []string{deviceGrantType, "refresh_token"}, "redirect_uris": nil, "response_types": nil, "application_type": "native"},
			map[string]any{"grant_types": []any{deviceGrantType, "refresh_token"}, "redirect_uris": nil, "response_types": nil, "application_type": "native"},
		},
		{
			"B-18 B-19 B-21: so it is with empty ones",
			map[string]any{"grant_types": []string{deviceGrantType, "refresh_token"}, "redirect_uris": []string{}, "response_types": []string{}},
			map[string]any{"grant_types": []any{deviceGrantType, "refresh_token"}, "redirect_uris": nil, "response_types": nil},
		},
		{"B-22: grant_types left out are code and refresh", map[string]any{"grant_types": nil}, nil},
		{"B-23: token_endpoint_auth_method left out is none", map[string]any{"token_endpoint_auth_method": nil}, nil},
		{"B-24: application_type left out is web", map[string]any{"application_type": nil}, nil},
		{"B-25: a key set is of no use to a client that does not sign, and not echoed", map[string]any{"jwks": map[string]any{"keys": []any{}}}, nil},
		{"B-26 F-31: id_token_signed_response_alg left out is ES256", map[string]any{"id_token_signed_response_alg": nil}, nil},
		{"B-26: the algorithm of ID tokens", map[string]any{"id_token_signed_response_alg": "ES256"}, nil},
		{
			"B-27: where to go after a logout, and where to be told of one",
			map[string]any{"post_logout_redirect_uris": []string{"https://app.example.com/bye?x=1"}, "backchannel_logout_uri": "https://app.example.com:8443/logout?x=1", "backchannel_logout_session_required": true},
			map[string]any{"post_logout_redirect_uris": []any{"https://app.example.com/bye?x=1"}, "backchannel_logout_uri": "https://app.example.com:8443/logout?x=1", "backchannel_logout_session_required": true},
		},
		{"B-27: a frontchannel_logout_uri is not echoed, for there is no such logout", map[string]any{"frontchannel_logout_uri": "https://app.example.com/"}, nil},
		{"B-28: a software_statement is ignored", map[string]any{"software_statement": "a.b.c"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expectRegistered(t, register(e.For(t), metadataOf(t, tt.changes)), webEcho(tt.echo))
		})
	}
	t.Run("B-01: client_id_issued_at is now, in seconds", func(t *testing.T) {
		a := register(e.For(t), metadataOf(t, map[string]any{"client_name": "Issued"}))
		if got := a.JSON()["client_id_issued_at"]; got != float64(e.Clock.Now().Unix()) {
			t.Errorf("client_id_issued_at is %v, now is %d", got, e.Clock.Now().Unix())
		}
	})
	t.Run("B-44: nothing of RFC 7592 is promised", func(t *testing.T) {
		a := register(e.For(t), harness.WebClient)
		if a.Status != http.StatusCreated {
			t.Errorf("status %d", a.Status)
		}
		for _, name := range []string{"registration_access_token", "registration_client_uri"} {
			if _, there := a.JSON()[name]; there {
				t.Errorf("the answer has %s", name)
			}
		}
	})
}

func TestRegistrationRefuses(t *testing.T) {
	e := harness.Start(t)
	const metadata, redirectURI = registration.InvalidClientMetadata, registration.InvalidRedirectURI
	type m = map[string]any
	tests := []struct {
		name    string
		changes m
		code    string
		says    string // of the rule, the value, and what would be accepted
	}{
		{"B-03: redirect_uris that are no array", m{"redirect_uris": "x"}, metadata, "redirect_uris must be an array of strings"},
		{"B-03: a client_name that is a number", m{"client_name": 7}, metadata, "client_name must be a string"},
		{"B-03: grant_types that are an object", m{"grant_types": m{}}, metadata, "grant_types must be an array of strings"},
		{"B-10: no client_uri", m{"client_uri": nil}, metadata, "client_uri is missing: it must be the https address"},
		{"B-10: a client_uri over http", m{"client_uri": "http://example.com/"}, metadata, "client_uri 'http://example.com/' is refused: it must begin with https://"},
		{"B-10: a client_uri with a password", m{"client_uri": "https://u:p@example.com/"}, metadata, "client_uri 'https://u:p@example.com/' is refused: it must not have a user or password"},
		{"B-11: terms on a host that ends like the client's", m{"tos_uri": "https://notexample.com/"}, metadata, "tos_uri 'https://notexample.com/' is refused: its host must be the host of client_uri, example.com, or a subdomain of it"},
		{"B-11: a policy on a host that begins like the client's", m{"policy_uri": "https://example.com.evil.net/"}, metadata, "policy_uri 'https://example.com.evil.net/' is refused: its host must be the host of client_uri"},
		{"B-11: a logo on another host", m{"logo_uri": "https://app.com/logo.png"}, metadata, "logo_uri 'https://app.com/logo.png' is refused: its host must be"},
		{"B-12: a client_uri that is a public suffix", m{"client_uri": "https://github.io/", "redirect_uris": []string{"https://victim.github.io/"}}, metadata, "client_uri 'https://github.io/' is refused: its host is a public suffix"},
		{"B-14: a logo over http", m{"logo_uri": "http://example.com/logo.png"}, metadata, "logo_uri 'http://example.com/logo.png' is refused: it must begin with https://"},
		{"B-15: terms with a password", m{"tos_uri": "https://u@example.com/"}, metadata, "tos_uri 'https://u@example.com/' is refused: it must not have a user"},
		{"B-17: a localised logo on another host", m{"logo_uri#fr": "https://evil.net/"}, metadata, "logo_uri#fr 'https://evil.net/' is refused: its host must be"},
		{"B-17: a localised client_uri on another host", m{"client_uri#fr": "https://example.net/"}, metadata, "client_uri#fr 'https://example.net/' is refused: its host must be"},
		{"B-17: localised terms over http", m{"tos_uri#de-AT": "http://example.com/"}, metadata, "tos_uri#de-AT 'http://example.com/' is refused: it must begin with https://"},
		{"B-03 B-17: a localised name that is a list", m{"client_name#de": []string{"x"}}, metadata, "client_name#de must be a string"},
		{"B-18: no redirect_uris", m{"redirect_uris": nil}, redirectURI, "redirect_uris is missing or empty: the grant type authorization_code needs at least one"},
		{"B-18: empty redirect_uris", m{"redirect_uris": []string{}}, redirectURI, "redirect_uris is missing or empty"},
		{"B-19 L-16: response types without code", m{"response_types": []string{"token"}}, metadata, "response_types 'token' is refused: the grant type authorization_code needs the response type code"},
		{"B-19: empty response types", m{"response_types": []string{}}, metadata, "needs the response type code"},
		{"B-20: the refresh grant alone", m{"grant_types": []string{"refresh_token"}}, metadata, "grant_types 'refresh_token' is refused: none of them starts a session here"},
		{"B-16: eleven contacts", m{"contacts": strings.Split("1,2,3,4,5,6,7,8,9,10,11", ",")}, metadata, "contacts has more than 10 entries"},
		{"B-20 L-16: no grant type that is served", m{"grant_types": []string{"password", "implicit"}}, metadata, "grant_types 'password implicit' is refused: none of them starts a session here; at least one of these must be among them: authorization_code, "},
		{"B-23: an authentication method that is not served", m{"token_endpoint_auth_method": "client_secret_jwt"}, metadata, "token_endpoint_auth_method 'client_secret_jwt' is refused: accepted: none, client_secret_basic, client_secret_post, private_key_jwt"},
		{"B-25: private_key_jwt without keys", m{"token_endpoint_auth_method": "private_key_jwt"}, metadata, "token_endpoint_auth_method 'private_key_jwt' is refused: it needs the client's public keys: jwks or jwks_uri"},
		{"B-25: private_key_jwt with keys that are at another host", m{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://example.net/jwks"}, metadata, "jwks_uri 'https://example.net/jwks' is refused: its host must be"},
		{"B-25: private_key_jwt with no key", m{"token_endpoint_auth_method": "private_key_jwt", "jwks": m{"keys": []any{}}}, metadata, "jwks is refused: it has no keys"},
		{"B-25: private_key_jwt with a symmetric key", m{"token_endpoint_auth_method": "private_key_jwt", "jwks": m{"keys": []any{m{"kty": "oct", "k": "c2VjcmV0"}}}}, metadata, "jwks is refused: key 1: it is symmetric"},
		{"B-25: private_key_jwt with a private key", m{"token_endpoint_auth_method": "private_key_jwt", "jwks": m{"keys": []any{m{"kty": "OKP", "crv": "Ed25519",
			"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}}}, metadata, "private part"},
		{"B-26: assertions signed with nothing", m{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "none",
			"jwks": m{"keys": []any{m{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}}}, metadata, "token_endpoint_auth_signing_alg 'none' is refused: accepted: ES256, RS256, PS256, EdDSA"},
		{"B-24: an unknown application_type", m{"application_type": "desktop"}, metadata, "application_type 'desktop' is refused: accepted: web, native"},
		{"B-25: both jwks and jwks_uri", m{"jwks": m{"keys": []any{}}, "jwks_uri": "https://example.com/jwks"}, metadata, "jwks and jwks_uri must not both be there"},
		{"B-26: unsigned ID tokens", m{"id_token_signed_response_alg": "none"}, metadata, "id_token_signed_response_alg 'none' is refused: accepted: ES256"},
		{"B-26: ID tokens signed with a shared secret", m{"id_token_signed_response_alg": "HS256"}, metadata, "id_token_signed_response_alg 'HS256' is refused: accepted: ES256"},
		{"B-26: userinfo that is signed with nothing", m{"userinfo_signed_response_alg": "none"}, metadata, "userinfo_signed_response_alg 'none' is refused: accepted: ES256"},
		{"B-26: encrypted userinfo", m{"userinfo_encrypted_response_alg": "RSA-OAEP"}, metadata, "userinfo_encrypted_response_alg 'RSA-OAEP' is refused: this server encrypts neither"},
		{"B-36: one bad redirect URI among good ones", m{"redirect_uris": []string{"https://example.com/cb", "http://example.com/cb"}}, redirectURI, "redirect_uri 'http://example.com/cb' is refused: a client of application_type web must use https"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := register(e.For(t), metadataOf(t, tt.changes))
			harness.ExpectOAuthError(t, a, http.StatusBadRequest, tt.code)
			if got := a.Text("error_description"); !strings.Contains(got, tt.says) {
				t.Errorf("B-02: it says %q, want %q in it", got, tt.says)
			}
		})
	}
}

func TestRegistrationEnvelope(t *testing.T) {
	e := harness.Start(t)
	unknown := func(member string) string { return strings.Replace(harness.WebClient, "{", "{"+member+",", 1) }
	bodies := []struct{ name, body string }{
		{"B-03: no body", ""},
		{"B-03: no JSON", "client_name=App"},
		{"B-03: half an object", harness.WebClient[:50]},
		{"B-03: an array", "[" + harness.WebClient + "]"},
		{"B-03: null", "null"},
		{"B-03: data behind the object", harness.WebClient + "{}"},
		{"B-03: bytes that are no UTF-8", unknown("\"x\":\"\xff\"")},
		{"B-03: a member twice", unknown(`"redirect_uris":["https://evil.net/"]`)},
		{"B-03: an unknown member twice", unknown(`"x":1,"x":2`)},
		{"B-03: a NUL", unknown(`"x":"\u0000"`)},
		{"B-03: ten thousand brackets", unknown(`"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000))},
		{"B-06: more than 16 KiB", unknown(`"x":"` + strings.Repeat("x", registration.MaxBody) + `"`)},
	}
	for _, tt := range bodies {
		t.Run(tt.name+" is refused", func(t *testing.T) {
			harness.ExpectOAuthError(t, register(e.For(t), tt.body), http.StatusBadRequest, registration.InvalidClientMetadata)
		})
	}
	t.Run("B-06: 16 KiB are accepted", func(t *testing.T) {
		body := unknown(`"x":""`)
		body = unknown(`"x":"` + strings.Repeat("x", registration.MaxBody-len(body)) + `"`)
		if a := register(e.For(t), body); a.Status != http.StatusCreated {
			t.Errorf("status %d for %d bytes: %s", a.Status, len(body), a.Body)
		}
	})
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"} {
		t.Run(fmt.Sprintf("B-03: the Content-Type %q is refused in JSON", kind), func(t *testing.T) {
			harness.ExpectOAuthError(t, register(e.For(t), harness.WebClient, "Content-Type", kind), http.StatusBadRequest, registration.InvalidClientMetadata)
		})
	}
	for _, kind := range []string{"application/json;charset=utf-8", "Application/JSON"} {
		t.Run(fmt.Sprintf("B-03: the Content-Type %q is JSON", kind), func(t *testing.T) {
			harness.ExpectJSON(t, register(e.For(t), harness.WebClient, "Content-Type", kind), http.StatusCreated)
		})
	}
	t.Run("B-02: what a client sent comes back only in the characters that an error may have", func(t *testing.T) {
		a := register(e.For(t), metadataOf(t, map[string]any{"redirect_uris": []string{"https://example.com/\"\\\u202e<script>"}}))
		harness.ExpectOAuthError(t, a, http.StatusBadRequest, registration.InvalidRedirectURI)
	})
}

func TestRedirectURIsAtRegistration(t *testing.T) {
	e := harness.Start(t)
	tests := []struct {
		item, kind string
		good, bad  []string
	}{
		{
			"B-31", "web",
			[]string{"https://example.com/callback", "https://app.example.com/callback", "https://example.com:5173/?query=value"},
			[]string{
				"http://example.com/callback", "http://localhost/", "https://u:p@example.com/", "https://app.com/callback", "com.example.app:/callback",
				"https://notexample.com/", "https://example.com.evil.net/",
			},
		},
		{
			"B-32", "native",
			[]string{"com.example.app:/callback", "com.example:/", "com.example:callback"},
			[]string{
				"example:/callback", "com.example.app://callback", "com.example.app:///callback", "com.examplex:/", "com.evil.app:/cb",
				"javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://example.com/x",
			},
		},
		{
			"B-33", "native",
			[]string{"http://localhost/callback", "http://127.0.0.1/callback", "http://[::1]/callback"},
			[]string{
				"http://localhost:1234/callback", "https://localhost/callback", "http://127.0.0.2/", "http://localhost.evil.com/", "http://user@localhost/",
				"http://LOCALHOST/callback", "http://[::1%25lo]/", "http://0.0.0.0/", "http://2130706433/",
			},
		},
		{"B-34", "native", []string{"https://app.example.com/callback", "https://example.com:5173/?query=value"},
			[]string{"https://app.com/callback", "http://example.com/callback", "https://u:p@example.com/", "https://example.com/callback#fragment", "https://192.0.2.1/"}},
		{
			"B-30", "web", nil,
			[]string{"https://example.com/callback#fragment", "https://example.com/callback#", "/callback", "//example.com/callback", "example.com/callback", ""},
		},
		{
			"B-30", "native", nil,
			[]string{"com.example.app:/callback#fragment", "com.example.app:/callback#", "http://127.0.0.1/callback#fragment", "http://[::1]/callback#", "callback"},
		},
		{
			"B-35", "web", nil,
			[]string{
				`https://example.com\@evil.net/`, "https://example.com/\ncb", "https://example.com/ cb", "https://example.com/../cb", "https://example.com/%2e%2e/cb",
				"https://exämple.com/", "https://192.0.2.1/", "https://[2001:db8::1]/", "https://*.example.com/", "https://example.com/*",
			},
		},
	}
	for _, tt := range tests {
		for _, uri := range tt.good {
			t.Run(fmt.Sprintf("%s: a %s client may have %q, verbatim", tt.item, tt.kind, uri), func(t *testing.T) {
				a := register(e.For(t), metadataOf(t, map[string]any{"application_type": tt.kind, "redirect_uris": []string{uri}}))
				expectRegistered(t, a, webEcho(map[string]any{"application_type": tt.kind, "redirect_uris": []any{uri}}))
			})
		}
		for _, uri := range tt.bad {
			t.Run(fmt.Sprintf("%s: a %s client may not have %q", tt.item, tt.kind, uri), func(t *testing.T) {
				a := register(e.For(t), metadataOf(t, map[string]any{"application_type": tt.kind, "redirect_uris": []string{uri}}))
				harness.ExpectOAuthError(t, a, http.StatusBadRequest, registration.InvalidRedirectURI)
				if got, begins := a.Text("error_description"), "redirect_uri "+errtext.Quote(uri)+" is refused: "; !strings.HasPrefix(got, begins) {
					t.Errorf("B-02: it says %q, want %q first", got, begins)
				}
			})
		}
	}
}

func TestRegistrationPolicies(t *testing.T) {
	t.Run("B-10: client_uri may be left out where the administrator allows it", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_registration_require_client_uri = false" })
		a := register(e, metadataOf(t, map[string]any{"client_uri": nil}))
		expectRegistered(t, a, webEcho(map[string]any{"client_uri": nil}))
	})
	e := harness.Start(t, func(o *harness.Options) { o.Global = `oidc_registration_allowed_redirect_hosts = ["app.example.com"]` })
	for uri, want := range map[string]int{
		"https://app.example.com/callback": http.StatusCreated, "https://example.com/callback": http.StatusBadRequest, "https://x.app.example.com/": http.StatusBadRequest,
	} {
		t.Run("B-31: with a list of redirect hosts, "+uri+" is measured against it", func(t *testing.T) {
			if a := register(e.For(t), metadataOf(t, map[string]any{"redirect_uris": []string{uri}})); a.Status != want {
				t.Errorf("status %d, want %d: %s", a.Status, want, a.Body)
			}
		})
	}
}

func TestInitialAccessToken(t *testing.T) {
	const token = "an initial access token"
	e := harness.Start(t, func(o *harness.Options) { o.Global = fmt.Sprintf("oidc_registration_access_token = %q", token) })
	for name, authorization := range map[string]string{
		"none": "", "another one": "Bearer another", "half of it": "Bearer an initial", "more of it": "Bearer " + token + "x", "one of another kind": "Basic " + token,
	} {
		t.Run("B-04: with an initial access token set, "+name+" is refused", func(t *testing.T) {
			a := register(e.For(t), harness.WebClient, "Authorization", authorization)
			harness.ExpectOAuthError(t, a, http.StatusUnauthorized, "invalid_token")
			if got := a.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") || !strings.Contains(got, `error="invalid_token"`) {
				t.Errorf("WWW-Authenticate is %q", got)
			}
		})
	}
	t.Run("B-04: with the initial access token a client registers", func(t *testing.T) {
		harness.ExpectJSON(t, register(e.For(t), harness.WebClient, "Authorization", "Bearer "+token), http.StatusCreated)
	})
	t.Run("B-04: without one set, any Authorization header is passed over", func(t *testing.T) {
		harness.ExpectJSON(t, register(harness.Start(t), harness.WebClient, "Authorization", "Bearer nonsense"), http.StatusCreated)
	})
}
