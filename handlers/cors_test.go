package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const (
	tokenPath    = "/_tuwunel/oidc/token"
	revokePath   = "/_tuwunel/oidc/revoke"
	userinfoPath = "/_tuwunel/oidc/userinfo"
	jwksPath     = "/_tuwunel/oidc/jwks"
	registerPath = "/_tuwunel/oidc/registration"
	ssoPath      = "/_matrix/client/v3/login/sso/redirect"
	whoamiPath   = "/_matrix/client/v3/account/whoami"
)

// webOrigin is where the web client of the tests is loaded from.
const webOrigin = "https://app.example.com"

// expectCORS wants the headers that let a web client read an answer.
func expectCORS(t *testing.T, a harness.Answer) {
	t.Helper()
	if got := a.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin is %q, want *", got)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
		"Access-Control-Allow-Headers": "X-Requested-With, Content-Type, Authorization",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	expectNoCredentials(t, a)
}

func expectNoCredentials(t *testing.T, a harness.Answer) {
	t.Helper()
	if got := a.Header.Get("Access-Control-Allow-Credentials"); got != "" {
		t.Errorf("Access-Control-Allow-Credentials is %q (A-40)", got)
	}
	if a.Header.Get("Access-Control-Allow-Origin") != "" && a.Header.Get("Set-Cookie") != "" {
		t.Errorf("an answer for every origin sets a cookie (A-40)")
	}
}

// webAnswers are requests of a web client, with the status they end in.
var webAnswers = []struct {
	name         string
	method, path string
	kind, body   string // Content-Type and body
	status       int
}{
	{"A-30: metadata", http.MethodGet, metadataPath, "", "", 200},
	{"A-30: metadata by another method", http.MethodDelete, metadataPath, "", "", 405},
	{"A-30: OpenID discovery", http.MethodGet, discoveryPath, "", "", 200},
	{"A-30: the metadata of RFC 8414", http.MethodGet, "/.well-known/oauth-authorization-server", "", "", 200},
	{"A-30: metadata at its unstable path", http.MethodGet, "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", "", "", 200},
	{"A-30: the issuer at its unstable path", http.MethodGet, "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer", "", "", 200},
	{"A-30: the supported versions", http.MethodGet, "/_matrix/client/versions", "", "", 200},
	{"A-30: an unknown well-known", http.MethodGet, "/.well-known/nothing", "", "", 404},
	{"A-30: the client well-known", http.MethodGet, "/.well-known/matrix/client", "", "", 200},
	{"A-30: the issuer", http.MethodGet, issuerPath, "", "", 200},
	{"A-30: WebFinger", http.MethodGet, webfingerPath + "?resource=acct:alice@example.org", "", "", 200},
	{"A-30: WebFinger of another server", http.MethodGet, webfingerPath + "?resource=acct:alice@example.com", "", "", 404},
	{"A-30: WebFinger of nothing", http.MethodGet, webfingerPath, "", "", 400},
	{"A-30: change-password", http.MethodGet, "/.well-known/change-password", "", "", 303},
	{"A-31: a registration", http.MethodPost, registerPath, "application/json", harness.WebClient, 201},
	{"A-31: a refused registration", http.MethodPost, registerPath, "application/json", "{}", 400},
	{"A-31: a registration by another method", http.MethodGet, registerPath, "", "", 405},
	{"A-32 A-39 D-05: a refused token request", http.MethodPost, tokenPath, form, "grant_type=refresh_token&refresh_token=nonsense", 400},
	{"A-32 A-39 D-05: an unknown client", http.MethodPost, tokenPath, form, "grant_type=refresh_token&refresh_token=nonsense&client_id=nobody", 401},
	{"A-32 A-39 D-05: a token request by GET", http.MethodGet, tokenPath, "", "", 405},
	{"A-39: a refused pushed authorization", http.MethodPost, parPath, form, "", 400},
	{"A-33: a revocation", http.MethodPost, revokePath, form, "token=nonsense", 200},
	{"A-33 A-39: a refused revocation", http.MethodPost, revokePath, form, "", 400},
	{"A-34 A-39: a refused device authorization", http.MethodPost, deviceAuthorizationPath, form, "", 400},
	{"A-34 A-39: a device authorization of an unknown client", http.MethodPost, deviceAuthorizationPath, form, "client_id=nobody&scope=openid", 401},
	{"A-34: a device authorization by another method", http.MethodGet, deviceAuthorizationPath, "", "", 405},
	{"A-34 A-39: a refused poll", http.MethodPost, tokenPath, form, "grant_type=urn:ietf:params:oauth:grant-type:device_code", 400},
	{"A-35: the key set", http.MethodGet, jwksPath, "", "", 200},
	{"A-35 A-39: userinfo without a token", http.MethodGet, userinfoPath, "", "", 401},
	{"A-39: whoami without a token", http.MethodGet, whoamiPath, "", "", 401},
	{"A-39: an unknown Matrix path", http.MethodGet, "/_matrix/client/v3/nothing", "", "", 404},
	{"A-39: a Matrix path by another method", http.MethodDelete, whoamiPath, "", "", 405},
	{"A-39: the login flows", http.MethodGet, "/_matrix/client/v3/login", "", "", 200},
	{"A-39: a refused login", http.MethodPost, "/_matrix/client/v3/login", "application/json", "{}", 400},
	{"A-39: a refused legacy refresh", http.MethodPost, "/_matrix/client/v3/refresh", "application/json", "{}", 400},
	{"A-39: a refused logout", http.MethodPost, "/_matrix/client/v3/logout", "application/json", "{}", 401},
}

func TestCORS(t *testing.T) {
	e := harness.Start(t)
	for _, tt := range webAnswers {
		t.Run(tt.name+" can be read by every origin", func(t *testing.T) {
			a := e.For(t).Do(tt.method, tt.path, map[string]string{"Origin": webOrigin, "Content-Type": tt.kind, "Cookie": "keymaker_session=x"}, tt.body)
			if a.Status != tt.status {
				t.Errorf("status %d, want %d: %s", a.Status, tt.status, a.Body)
			}
			expectCORS(t, a)
		})
		t.Run(tt.name+": the preflight is answered before anything is looked at", func(t *testing.T) {
			a := e.For(t).Do(http.MethodOptions, tt.path, map[string]string{
				"Origin": webOrigin, "Access-Control-Request-Method": tt.method, "Access-Control-Request-Headers": "authorization,content-type",
			}, "")
			if a.Status != http.StatusNoContent || len(a.Body) > 0 {
				t.Errorf("status %d, body %q", a.Status, a.Body)
			}
			expectCORS(t, a)
		})
	}
}

func TestCORSOfSuccesses(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	device, _ := e.Register(deviceOnly)
	g := approved(e, id, "openid "+harness.ScopeStable+"CORSDEVICE")
	tokens := e.LogInWith(e.NewRequest(id, "openid "+harness.ScopeStable+"CORSREFRESH"), "alice")
	tests := []struct {
		name string
		do   func(*harness.Env) harness.Answer
	}{
		{"A-32: a code exchange", func(e *harness.Env) harness.Answer { return e.Form(tokenPath, g.values()) }},
		{"A-32: a refresh", func(e *harness.Env) harness.Answer { return e.Refresh(id, tokens.Refresh) }},
		{"A-39: a pushed authorization", func(e *harness.Env) harness.Answer { return push(e, e.NewRequest(id, "openid")) }},
		{"A-35: userinfo", func(e *harness.Env) harness.Answer { return e.As(tokens.Access, http.MethodGet, userinfoPath, "") }},
		{"A-34: a device authorization", func(e *harness.Env) harness.Answer {
			return e.Form(deviceAuthorizationPath, url.Values{"client_id": {device}, "scope": {harness.ScopeStable + "CORSTV"}})
		}},
		{"A-39: whoami", func(e *harness.Env) harness.Answer { return e.WhoAmI(tokens.Access) }},
		{"A-33: a revocation", func(e *harness.Env) harness.Answer { return e.Form(revokePath, url.Values{"token": {tokens.Access}}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name+" can be read by every origin", func(t *testing.T) {
			a := tt.do(e.For(t))
			if a.Status != http.StatusOK && a.Status != http.StatusCreated {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
			expectCORS(t, a)
		})
	}
}

func TestCORSIsNotForPagesAndServers(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	authorize := "/_tuwunel/oidc/authorize?" + e.NewRequest(id, harness.ScopeStable+"PAGEDEVICE").Values.Encode()
	callback := "/_matrix/client/unstable/login/sso/callback/" + e.IDP.ClientID
	tests := []struct {
		name, method string
		status       int
		path         string
	}{
		{"A-37 L-13: authorization", http.MethodGet, 303, authorize},
		{"A-37 L-13: a refused authorization", http.MethodGet, 400, "/_tuwunel/oidc/authorize"},
		{"A-37 L-13: an authorization by POST", http.MethodPost, 400, "/_tuwunel/oidc/authorize"},
		{"A-37 L-13: consent", http.MethodGet, 403, "/_tuwunel/oidc/_complete?oidc_req_id=x"},
		{"A-37 L-13: an answer to consent", http.MethodPost, 403, "/_tuwunel/oidc/_complete"},
		{"A-37 L-13: the SSO redirect", http.MethodGet, 303, ssoPath + "?redirectUrl=https%3A%2F%2Fapp.example.com%2F"},
		{"A-37 L-13: the SSO redirect to a provider", http.MethodGet, 303, ssoPath + "/" + e.IDP.ClientID + "?redirectUrl=https%3A%2F%2Fapp.example.com%2F"},
		{"A-37 L-13: the provider's callback", http.MethodGet, 403, callback + "?code=x&state=y"},
		{"A-37 L-13: the legacy confirmation", http.MethodGet, 403, "/_matrix/client/unstable/login/sso/confirm?oidc_req_id=x"},
		{"A-37 L-13: the account", http.MethodGet, 303, accountPath},
		{"A-37 L-13: the page for a user code", http.MethodGet, 200, devicePagePath},
		{"A-37 L-13: a user code", http.MethodPost, 403, devicePagePath},
		{"A-37 L-13: the consent for a device", http.MethodGet, 403, devicePagePath + "/consent?oidc_req_id=x"},
		{"A-37 L-13: an answer to it", http.MethodPost, 403, devicePagePath + "/consent"},
		{"A-37 L-13: a page that is not there", http.MethodGet, 404, "/nothing"},
		{"A-36: introspection", http.MethodPost, 400, "/_tuwunel/oidc/introspect"},
		{"A-36: introspection at Synapse's path", http.MethodPost, 400, "/oauth2/introspect"},
	}
	for _, tt := range tests {
		for _, method := range []string{tt.method, http.MethodOptions} {
			t.Run(tt.name+" says nothing of CORS to "+method, func(t *testing.T) {
				a := e.For(t).Do(method, tt.path, map[string]string{"Origin": webOrigin, "Access-Control-Request-Method": tt.method}, "")
				want := http.StatusMethodNotAllowed
				if method == tt.method || tt.status == http.StatusNotFound {
					want = tt.status
				}
				if a.Status != want || a.Header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("status %d, want %d, and %v", a.Status, want, a.Header)
				}
				for name := range a.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s: %s", name, a.Header.Get(name))
					}
				}
			})
		}
	}
}

func TestPreflightsSpendNothing(t *testing.T) {
	e := harness.Start(t)
	const burst = 100 // the default of oidc_rc_burst_count
	t.Run("A-39: preflights do not count as registrations", func(t *testing.T) {
		e := e.For(t)
		for range 2 * burst {
			e.Do(http.MethodOptions, registerPath, map[string]string{"Origin": webOrigin}, "")
		}
		e.Register(harness.WebClient)
	})
	t.Run("A-39: an answer of the rate limit can be read by every origin", func(t *testing.T) {
		e := e.For(t)
		var a harness.Answer
		for range burst + 1 {
			a = e.Do(http.MethodPost, registerPath, map[string]string{"Origin": webOrigin, "Content-Type": "application/json"}, harness.WebClient)
		}
		if a.Status != http.StatusTooManyRequests {
			t.Fatalf("status %d after %d registrations: %s", a.Status, burst+1, a.Body)
		}
		expectCORS(t, a)
	})
	e.Clock.Advance(time.Minute)
	device, _ := e.Register(deviceOnly)
	flow := url.Values{"client_id": {device}, "scope": {harness.ScopeStable + "PREFLIGHT"}}
	t.Run("A-34 A-39: preflights do not count as device authorizations", func(t *testing.T) {
		e := e.For(t)
		for range 2 * burst {
			e.Do(http.MethodOptions, deviceAuthorizationPath, map[string]string{"Origin": webOrigin}, "")
		}
		expectStatus(e, e.Form(deviceAuthorizationPath, flow), http.StatusOK)
	})
	t.Run("A-34 A-39 G-08: too many device authorizations are refused so that every origin can read it", func(t *testing.T) {
		e := e.For(t)
		var a harness.Answer
		for range burst + 1 {
			a = e.Form(deviceAuthorizationPath, flow)
		}
		harness.ExpectOAuthError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
		if a.Header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
		expectCORS(t, a)
	})
}
