package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/harness"
)

const (
	metadataPath  = "/_matrix/client/v1/auth_metadata"
	discoveryPath = "/.well-known/openid-configuration"
	issuerPath    = "/_matrix/client/v1/auth_issuer"
)

// metadataPaths all serve the discovery document.
var metadataPaths = []string{
	metadataPath,
	"/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
	discoveryPath,
	"/.well-known/oauth-authorization-server",
}

// strs are the members of a JSON array of strings; nil for anything else.
func strs(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		s, ok := item.(string)
		if !ok {
			return nil
		}
		out = append(out, s)
	}
	return out
}

func TestMetadataIsPublic(t *testing.T) {
	e := harness.Start(t)
	tests := []struct {
		name   string
		header map[string]string
	}{
		{"A-01: it needs no credentials", nil},
		{"A-01: a bogus bearer token is not looked at", map[string]string{"Authorization": "Bearer nonsense"}},
		{"A-01: bogus Basic credentials are not looked at", map[string]string{"Authorization": "Basic !"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := e.For(t).Do(http.MethodGet, metadataPath, tt.header, "")
			if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" || a.JSON() == nil {
				t.Errorf("status %d, Content-Type %q: %s", a.Status, a.Header.Get("Content-Type"), a.Body)
			}
		})
	}
}

func TestMetadataWithoutOAuth(t *testing.T) {
	tests := []struct {
		name  string
		start func(*harness.Options)
	}{
		{"without well_known.client", func(o *harness.Options) { o.NoWellKnown = true }},
		{"without a provider", func(o *harness.Options) { o.NoProvider = true }},
	}
	for _, tt := range tests {
		e := harness.Start(t, tt.start)
		for _, path := range []string{metadataPath, metadataPaths[1], discoveryPath, metadataPaths[3]} {
			t.Run("A-02: "+tt.name+" there is no "+path, func(t *testing.T) {
				harness.ExpectMatrixError(t, e.For(t).Get(path), http.StatusNotFound, "M_UNRECOGNIZED")
			})
		}
		for _, path := range []string{issuerPath, "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer"} {
			t.Run("A-11: "+tt.name+" there is no "+path, func(t *testing.T) {
				harness.ExpectMatrixError(t, e.For(t).Get(path), http.StatusNotFound, "M_UNRECOGNIZED")
			})
		}
	}
}

// TestMetadataFields is the field table of the checklist, row by row.
func TestMetadataFields(t *testing.T) {
	e := harness.Start(t)
	var doc map[string]any
	endpoint := func(t *testing.T, name, path string) {
		t.Helper()
		if want := e.URL + path; doc[name] != want {
			t.Errorf("%s is %v, want %s", name, doc[name], want)
		}
	}
	list := func(t *testing.T, name string, want ...string) {
		t.Helper()
		if got := strs(doc[name]); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, doc[name], want)
		}
	}
	absent := func(t *testing.T, names ...string) {
		t.Helper()
		for _, name := range names {
			if v, ok := doc[name]; ok {
				t.Errorf("%s is there, with %v", name, v)
			}
		}
	}
	tests := []struct {
		name  string
		check func(t *testing.T)
	}{
		{"A-03: everything that a client demands is there, with its type", func(t *testing.T) {
			for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint", "registration_endpoint", "jwks_uri"} {
				if s, ok := doc[name].(string); !ok || s == "" {
					t.Errorf("%s is %v", name, doc[name])
				}
			}
			for _, name := range []string{"response_types_supported", "grant_types_supported", "response_modes_supported", "code_challenge_methods_supported",
				"subject_types_supported", "id_token_signing_alg_values_supported"} {
				if len(strs(doc[name])) == 0 {
					t.Errorf("%s is %v", name, doc[name])
				}
			}
			for name, v := range doc {
				_, text := v.(string)
				if wants := strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri"); wants && !text {
					t.Errorf("%s is %v", name, v)
				}
				if wants := strings.HasSuffix(name, "_supported"); wants && len(strs(v)) == 0 && v != true && v != false {
					t.Errorf("%s is %v", name, v)
				}
			}
		}},
		{"A-03a: the issuer is the configured one", func(t *testing.T) {
			if doc["issuer"] != e.Issuer {
				t.Errorf("issuer is %v, want %s", doc["issuer"], e.Issuer)
			}
		}},
		{"A-03b: authorization_endpoint", func(t *testing.T) { endpoint(t, "authorization_endpoint", "/_tuwunel/oidc/authorize") }},
		{"A-03c: token_endpoint", func(t *testing.T) { endpoint(t, "token_endpoint", "/_tuwunel/oidc/token") }},
		{"A-03d A-09: revocation_endpoint, on the issuer's scheme", func(t *testing.T) { endpoint(t, "revocation_endpoint", "/_tuwunel/oidc/revoke") }},
		{"A-03e: registration_endpoint", func(t *testing.T) { endpoint(t, "registration_endpoint", "/_tuwunel/oidc/registration") }},
		{"A-03f: response_types_supported", func(t *testing.T) { list(t, "response_types_supported", "code") }},
		{"A-03f A-03g L-16: the password and the implicit grant are not offered, nor is any response type but code", func(t *testing.T) {
			grants := strs(doc["grant_types_supported"])
			if len(grants) == 0 || slices.Contains(grants, "password") || slices.Contains(grants, "implicit") || !slices.Equal(strs(doc["response_types_supported"]), []string{"code"}) {
				t.Errorf("grant_types_supported is %v, response_types_supported %v", grants, doc["response_types_supported"])
			}
		}},
		{"A-03g A-03l: the device grant and its endpoint are offered together or not at all", func(t *testing.T) {
			grants := strs(doc["grant_types_supported"])
			if !slices.Contains(grants, "authorization_code") || !slices.Contains(grants, "refresh_token") {
				t.Errorf("grant_types_supported is %v", grants)
			}
			_, endpoint := doc["device_authorization_endpoint"]
			if endpoint != slices.Contains(grants, "urn:ietf:params:oauth:grant-type:device_code") {
				t.Errorf("device_authorization_endpoint: %v, grants %v", endpoint, grants)
			}
		}},
		{"A-03h: response_modes_supported", func(t *testing.T) { list(t, "response_modes_supported", "query", "fragment", "form_post") }},
		{"A-03i: S256 and nothing weaker", func(t *testing.T) { list(t, "code_challenge_methods_supported", "S256") }},
		{"A-03j: nobody can register himself here", func(t *testing.T) { absent(t, "prompt_values_supported") }},
		{"E-25: end_session_endpoint", func(t *testing.T) {
			if got := e.For(t).Get(metadataPath).JSON()["end_session_endpoint"]; got != e.URL+endSessionPath {
				t.Errorf("end_session_endpoint is %v", got)
			}
		}},
		{"E-35: back-channel logout is offered, with sessions", func(t *testing.T) {
			doc := e.For(t).Get(metadataPath).JSON()
			if doc["backchannel_logout_supported"] != true || doc["backchannel_logout_session_supported"] != true {
				t.Errorf("%v, %v", doc["backchannel_logout_supported"], doc["backchannel_logout_session_supported"])
			}
			if _, there := doc["frontchannel_logout_supported"]; there {
				t.Error("front-channel logout is not, and is in the metadata")
			}
		}},
		{"A-03n D-62: token_endpoint_auth_methods_supported", func(t *testing.T) {
			list(t, "token_endpoint_auth_methods_supported", "none", "client_secret_basic", "client_secret_post", "private_key_jwt")
			list(t, "token_endpoint_auth_signing_alg_values_supported", "ES256", "RS256", "PS256", "EdDSA")
		}},
		{"A-03o: revocation_endpoint_auth_methods_supported is stated", func(t *testing.T) {
			list(t, "revocation_endpoint_auth_methods_supported", "none", "client_secret_basic", "client_secret_post", "private_key_jwt")
			list(t, "revocation_endpoint_auth_signing_alg_values_supported", "ES256", "RS256", "PS256", "EdDSA")
		}},
		{"A-03p: introspection has no public clients", func(t *testing.T) {
			endpoint(t, "introspection_endpoint", "/_tuwunel/oidc/introspect")
			list(t, "introspection_endpoint_auth_methods_supported", "client_secret_basic", "client_secret_post", "private_key_jwt")
			list(t, "introspection_endpoint_auth_signing_alg_values_supported", "ES256", "RS256", "PS256", "EdDSA")
		}},
		{"A-03q: jwks_uri", func(t *testing.T) { endpoint(t, "jwks_uri", "/_tuwunel/oidc/jwks") }},
		{"A-03r: userinfo_endpoint", func(t *testing.T) { endpoint(t, "userinfo_endpoint", "/_tuwunel/oidc/userinfo") }},
		{"A-03s: subject_types_supported", func(t *testing.T) { list(t, "subject_types_supported", "public") }},
		{"A-03t: the algorithms that there are keys for", func(t *testing.T) { list(t, "id_token_signing_alg_values_supported", "ES256") }},
		{"A-03t: userinfo is signed with the same", func(t *testing.T) { list(t, "userinfo_signing_alg_values_supported", "ES256") }},
		{"A-03u: scopes_supported holds openid and the api, and no made-up device", func(t *testing.T) {
			scopes := strs(doc["scopes_supported"])
			if !slices.Contains(scopes, "openid") || !slices.Contains(scopes, "urn:matrix:client:api:*") {
				t.Errorf("scopes_supported is %v", scopes)
			}
			if slices.ContainsFunc(scopes, func(s string) bool { return strings.Contains(s, "device") }) {
				t.Errorf("scopes_supported names a device: %v", scopes)
			}
		}},
		{"A-03v: claim_types_supported", func(t *testing.T) { list(t, "claim_types_supported", "normal") }},
		{"A-03w: responses carry iss", func(t *testing.T) {
			if doc["authorization_response_iss_parameter_supported"] != true {
				t.Errorf("authorization_response_iss_parameter_supported is %v", doc["authorization_response_iss_parameter_supported"])
			}
		}},
		{"A-03x: what is not supported is said", func(t *testing.T) {
			for _, name := range []string{"request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"} {
				if doc[name] != false {
					t.Errorf("%s is %v, want false", name, doc[name])
				}
			}
		}},
		{"A-03y: the languages are those of the pages, and no page of the operator is made up", func(t *testing.T) {
			languages := strs(doc["ui_locales_supported"])
			for _, lang := range languages {
				if got := e.Get(devicePagePath + "?ui_locales=" + lang).Header.Get("Content-Language"); got != lang {
					t.Errorf("a page in %s is in %q", lang, got)
				}
			}
			if len(languages) < 2 || languages[0] != "en" {
				t.Errorf("the languages are %v", languages)
			}
			absent(t, "service_documentation", "op_policy_uri", "op_tos_uri")
		}},
		{"A-03z: pushed_authorization_request_endpoint, which need not be used", func(t *testing.T) {
			endpoint(t, "pushed_authorization_request_endpoint", parPath)
			absent(t, "require_pushed_authorization_requests")
		}},
		{"A-03aa C-50: a Matrix user ID is understood as login_hint", func(t *testing.T) { list(t, "login_hint_types_supported", "mxid") }},
		{"A-03ab: the unstable account members are there only beside the stable ones", func(t *testing.T) {
			for _, name := range []string{"account_management_uri", "account_management_actions_supported"} {
				if v, ok := doc["org.matrix.msc4191."+name]; ok && doc[name] == nil {
					t.Errorf("org.matrix.msc4191.%s is %v, and %s is missing", name, v, name)
				}
			}
		}},
		{"A-04: there is no null and no empty list", func(t *testing.T) {
			for name, v := range doc {
				if l, ok := v.([]any); v == nil || (ok && len(l) == 0) || v == "" {
					t.Errorf("%s is %v", name, v)
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc = e.For(t).Get(metadataPath).JSON()
			if doc["issuer"] != e.Issuer {
				t.Fatalf("issuer is %v, want %s", doc["issuer"], e.Issuer)
			}
			tt.check(t)
		})
	}
}

func TestMetadataClaimsAreIssued(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	r := e.NewRequest(id, "openid profile email "+harness.ScopeStable+"CLAIMSDEVICE")
	r.Values.Set("nonce", "n-0S6_WzA2Mj")
	tokens := e.LogInWith(r, "alice")
	_, uri := uploaded(e, tokens.Access, samplePNG(4, 4))
	harness.ExpectJSON(t, setAvatar(e, tokens.Access, uri), http.StatusOK)
	carried := e.As(tokens.Access, http.MethodGet, "/_tuwunel/oidc/userinfo", "").JSON()
	for name, v := range claimsOf(t, tokens.IDToken) {
		carried[name] = v
	}
	for _, claim := range strs(e.Get(metadataPath).JSON()["claims_supported"]) {
		t.Run("A-03v: "+claim+" is carried by the ID token or userinfo", func(t *testing.T) {
			if !slices.Contains(strs(e.For(t).Get(metadataPath).JSON()["claims_supported"]), claim) {
				t.Error("it is not in the metadata")
			}
			if carried[claim] == nil {
				t.Errorf("neither of them has it: %v", carried)
			}
		})
	}
}

func TestMetadataPaths(t *testing.T) {
	e := harness.Start(t)
	want := e.Get(metadataPath)
	tests := []struct{ name, path string }{
		{"A-06 A-10: the unstable path", metadataPaths[1]},
		{"A-06 A-20: OpenID Connect Discovery", discoveryPath},
		{"A-06 A-21: RFC 8414", metadataPaths[3]},
	}
	for _, tt := range tests {
		t.Run(tt.name+" serves the same bytes", func(t *testing.T) {
			if a := e.For(t).Get(tt.path); a.Status != http.StatusOK || string(a.Body) != string(want.Body) {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
	for _, path := range metadataPaths {
		t.Run("A-05: "+path+" may be cached for ten minutes", func(t *testing.T) {
			const cached = "public, max-age=600, s-maxage=3600, stale-while-revalidate=600"
			if got := e.For(t).Get(path).Header.Get("Cache-Control"); got != cached {
				t.Errorf("Cache-Control is %q", got)
			}
		})
		t.Run("A-22: "+path+" names the configured issuer to another host", func(t *testing.T) {
			header := map[string]string{"Host": "evil.example.net", "X-Forwarded-Host": "evil.example.net", "Forwarded": "host=evil.example.net"}
			if a := e.For(t).Do(http.MethodGet, path, header, ""); a.Status != http.StatusOK || string(a.Body) != string(want.Body) {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
	for name, path := range map[string]string{"A-11": "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer", "A-12": issuerPath} {
		t.Run(name+": "+path+" is the issuer and nothing else", func(t *testing.T) {
			a := e.For(t).Do(http.MethodGet, path, map[string]string{"Host": "evil.example.net"}, "")
			if a.Status != http.StatusOK || len(a.JSON()) != 1 || a.Text("issuer") != e.Issuer {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
}

func TestIssuerWithAFinalSlash(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.FinalSlash = true })
	t.Run("A-03a A-20: it is found without its slash and named with it", func(t *testing.T) {
		if doc := e.For(t).Get(discoveryPath); doc.Status != http.StatusOK || doc.Text("issuer") != e.URL+"/" {
			t.Errorf("status %d, issuer %q, want %q", doc.Status, doc.Text("issuer"), e.URL+"/")
		}
	})
	t.Run("A-03c: endpoints have one slash", func(t *testing.T) {
		if got, want := e.For(t).Get(discoveryPath).Text("token_endpoint"), e.URL+"/_tuwunel/oidc/token"; got != want {
			t.Errorf("token_endpoint is %q, want %q", got, want)
		}
	})
	id, _ := e.Register(harness.WebClient)
	r := e.NewRequest(id, "openid "+harness.ScopeStable+"SLASHDEVICE")
	t.Run("A-03a C-23: the authorization response has the same issuer", func(t *testing.T) {
		if got := e.For(t).NewBrowser().Approve(r, "alice").Get("iss"); got != e.Issuer {
			t.Errorf("iss is %q, want %q", got, e.Issuer)
		}
	})
	t.Run("A-03a F-30: the ID token has the same issuer", func(t *testing.T) {
		if got := claimsOf(t, e.For(t).LogInWith(r, "alice").IDToken)["iss"]; got != e.Issuer {
			t.Errorf("iss is %v, want %q", got, e.Issuer)
		}
	})
	t.Run("F-04: so has introspection", func(t *testing.T) {
		e := e.For(t)
		if got := e.Introspect(e.LogInWith(r, "alice").Access).Text("iss"); got != e.Issuer {
			t.Errorf("iss is %v, want %q", got, e.Issuer)
		}
	})
}

func TestAdvertisedEndpointsAnswer(t *testing.T) {
	e := harness.Start(t)
	methods := map[string]string{"authorization_endpoint": http.MethodGet, "jwks_uri": http.MethodGet, "userinfo_endpoint": http.MethodGet,
		"account_management_uri": http.MethodGet}
	for name, v := range e.Get(metadataPath).JSON() {
		if !strings.HasSuffix(name, "_endpoint") && !strings.HasSuffix(name, "_uri") {
			continue
		}
		t.Run("A-07: "+name+" is on the public origin and answers", func(t *testing.T) {
			target, ok := v.(string)
			if u, err := url.Parse(target); !ok || err != nil || u.Scheme+"://"+u.Host != e.URL || u.Fragment != "" {
				t.Fatalf("%v is not on %s", v, e.URL)
			}
			method := methods[name]
			if method == "" {
				method = http.MethodPost
			}
			if a := e.For(t).Do(method, target, nil, ""); a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed || a.Status >= 500 {
				t.Errorf("%s: status %d", method, a.Status)
			}
		})
	}
}

func TestMatrixDiscovery(t *testing.T) {
	e := harness.Start(t)
	t.Run("A-13 A-15: the client well-known answers itself, with the homeserver and the issuer", func(t *testing.T) {
		a := e.For(t).Get("/.well-known/matrix/client")
		var doc struct {
			Homeserver struct {
				BaseURL string `json:"base_url"`
			} `json:"m.homeserver"`
			Authentication struct {
				Issuer string `json:"issuer"`
			} `json:"org.matrix.msc2965.authentication"`
		}
		if err := json.Unmarshal(a.Body, &doc); err != nil || a.Status != http.StatusOK {
			t.Fatalf("status %d, %v: %s", a.Status, err, a.Body)
		}
		if doc.Homeserver.BaseURL != e.URL || doc.Authentication.Issuer != e.Issuer || a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("got %+v, CORS %q", doc, a.Header.Get("Access-Control-Allow-Origin"))
		}
	})
	t.Run("A-14: versions go up to v1.15 and name the implemented proposals", func(t *testing.T) {
		doc := e.For(t).Get("/_matrix/client/versions").JSON()
		if !slices.Contains(strs(doc["versions"]), "v1.15") {
			t.Errorf("versions are %v", doc["versions"])
		}
		flags, _ := doc["unstable_features"].(map[string]any)
		for _, msc := range []string{"2964", "2965", "2966", "2967", "3824", "3861"} {
			if flags["org.matrix.msc"+msc] != true {
				t.Errorf("org.matrix.msc%s is %v", msc, flags["org.matrix.msc"+msc])
			}
		}
	})
}

// net/http sends an answer of more than 2 KiB in chunks unless it says how long
// it is, which costs a client that fetches it before every refresh.
func TestDocumentsSayHowLongTheyAre(t *testing.T) {
	e := harness.Start(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/_tuwunel/oidc/jwks", "/.well-known/matrix/client", "/_matrix/client/v1/auth_metadata"} {
		if a := e.Get(path); a.Header.Get("Content-Length") != strconv.Itoa(len(a.Body)) {
			t.Errorf("%s: Content-Length %q of %d bytes", path, a.Header.Get("Content-Length"), len(a.Body))
		}
		if a := e.Do(http.MethodHead, path, nil, ""); a.Status != http.StatusOK || len(a.Body) > 0 {
			t.Errorf("HEAD %s: status %d with %d bytes", path, a.Status, len(a.Body))
		}
	}
}

// What answers share of their headers is never another's.
func TestHeadersOfAnswersAreTheirOwn(t *testing.T) {
	e := harness.Start(t)
	first := e.Get("/.well-known/openid-configuration")
	for _, path := range []string{"/_tuwunel/oidc/jwks", "/_matrix/client/v3/login", "/.well-known/nothing", "/_matrix/client/unstable/org.matrix.msc4108/rendezvous"} {
		e.Do(http.MethodOptions, path, nil, "")
		e.Get(path)
	}
	again := e.Get("/.well-known/openid-configuration")
	for _, h := range []http.Header{first.Header, again.Header} {
		h.Del("X-Request-Id")
		h.Del("Date")
	}
	if diff := cmp.Diff(first.Header, again.Header); diff != "" {
		t.Error(diff)
	}
}
