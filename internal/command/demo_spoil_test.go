package command_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	wellKnown = "/.well-known/openid-configuration"
	rfc8414   = "/.well-known/oauth-authorization-server"
	authMeta  = "/auth_metadata"
	callback  = "/callback/keymaker-demo"
	// toClient is where the browser goes back to.
	toClient = "http://127.0.0.1:8642/callback"

	codeGrant    = "authorization_code"
	refreshGrant = "refresh_token"
)

// spoiled is one thing that a server could do wrong, and the step that must
// notice.
type spoiled struct {
	step, name string
	spoil      func(p *proxy, x *exchange)
	alter      func(r *http.Request)
}

// TestSpoiledStep proves that every step of the journey can fail: a server that
// does one thing wrong ends the command with status 1, and the step is named.
func TestSpoiledStep(t *testing.T) {
	for _, table := range [][]spoiled{
		spoiledDiscovery, spoiledAuthorization, spoiledTokens, spoiledSession, spoiledReplay, spoiledLogins, spoiledRevocation,
	} {
		for _, c := range table {
			t.Run(c.step+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				p := newProxy(t)
				p.spoil, p.alter = c.spoil, c.alter
				status, out, errs := p.demoOnce()
				if status != 1 {
					t.Errorf("exit status %d, want 1", status)
				}
				if want := `step "` + c.step + `" failed: `; !strings.Contains(errs, want) {
					t.Errorf("standard error %q does not say %q\n%s", errs, want, out)
				}
				if strings.Contains(out, " "+c.step+"  ") || strings.Contains(out, "All ") {
					t.Errorf("the step is said to have held:\n%s", out)
				}
				tellsNoSecret(t, p, out+errs)
			})
		}
	}
}

// tellsNoSecret fails when a token or a code was printed.
func tellsNoSecret(t *testing.T, p *proxy, printed string) {
	t.Helper()
	for _, s := range p.secrets() {
		if s != "" && strings.Contains(printed, s) {
			t.Errorf("a secret was printed:\n%s", printed)
		}
	}
}

// member sets, or with nil takes away, a member of every JSON answer whose path
// ends so.
func member(name string, value any, ends ...string) func(*proxy, *exchange) {
	return func(_ *proxy, x *exchange) {
		if x.is(ends...) {
			x.members(func(m map[string]any) { set(m, name, value) })
		}
	}
}

// granted does the same to the answers to a grant.
func granted(grant, name string, value any) func(*proxy, *exchange) {
	return func(_ *proxy, x *exchange) {
		if x.grant(grant) {
			x.members(func(m map[string]any) { set(m, name, value) })
		}
	}
}

func set(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

// redirected sets, or with "" takes away, a parameter of the redirects that lead
// to an address with this in it.
func redirected(to, name, value string) func(*proxy, *exchange) {
	return func(_ *proxy, x *exchange) {
		if strings.Contains(x.header.Get("Location"), to) {
			x.location(func(q url.Values) {
				q.Del(name)
				if value != "" {
					q.Set(name, value)
				}
			})
		}
	}
}

// answered replaces the answers of the paths that end so.
func answered(status int, body string, ends ...string) func(*proxy, *exchange) {
	return func(_ *proxy, x *exchange) {
		if x.is(ends...) {
			x.json(status, body)
		}
	}
}

// consentSays replaces a text of the consent page.
func consentSays(instead, of string) func(*proxy, *exchange) {
	return func(_ *proxy, x *exchange) {
		if x.is("/_complete") {
			x.body = strings.ReplaceAll(x.body, of, instead)
		}
	}
}

var spoiledDiscovery = []spoiled{
	{step: "metadata", name: "A-03: a field is missing", spoil: member("token_endpoint", nil, authMeta, wellKnown, rfc8414)},
	{step: "metadata", name: "A-03: S256 is not offered", spoil: member("code_challenge_methods_supported", []string{"plain"}, authMeta, wellKnown, rfc8414)},
	{step: "metadata", name: "A-06: the documents differ", spoil: member("token_endpoint", "https://elsewhere.example/token", rfc8414)},
	{step: "metadata", name: "A-21: a document is missing", spoil: answered(404, `{"errcode":"M_UNRECOGNIZED"}`, rfc8414)},
	{step: "metadata", name: "A-22: another issuer", spoil: member("issuer", "http://127.0.0.1:1", authMeta, wellKnown, rfc8414)},
	{step: "metadata", name: "A-12: auth_issuer names another issuer", spoil: member("issuer", "http://127.0.0.1:1", "/v1/auth_issuer")},
	{step: "registration", name: "B-01: 200 instead of 201", spoil: func(_ *proxy, x *exchange) {
		if x.is("/registration") {
			x.status = http.StatusOK
		}
	}},
	{step: "registration", name: "B-01: no client_id", spoil: member("client_id", nil, "/registration")},
	{step: "registration", name: "B-01: the answer is not JSON by its type", spoil: func(_ *proxy, x *exchange) {
		if x.is("/registration") {
			x.header.Set("Content-Type", "text/plain")
		}
	}},
	{step: "registration", name: "B-24: another application_type", spoil: member("application_type", "web", "/registration")},
	{step: "registration", name: "refused", spoil: answered(400, `{"error":"invalid_redirect_uri"}`, "/registration")},
}

var spoiledAuthorization = []spoiled{
	{step: "authorization", name: "refused", spoil: answered(400, `{}`, "/authorize")},
	{step: "authorization", name: "L-06: no state on the way to the provider", spoil: redirected("scope=", "state", "")},
	{step: "authorization", name: "L-30: no nonce on the way to the provider", spoil: redirected("scope=", "nonce", "")},
	{step: "authorization", name: "L-30: no PKCE on the way to the provider", spoil: redirected("scope=", "code_challenge", "")},
	{step: "authorization", name: "L-30: PKCE plain on the way to the provider", spoil: redirected("scope=", "code_challenge_method", "plain")},
	{step: "sign-in", name: "the callback does not come back", spoil: answered(400, `{}`, callback)},
	{step: "sign-in", name: "the server hangs up on a request with a code", spoil: func(_ *proxy, x *exchange) {
		if x.is(callback) {
			x.status = 0
		}
	}},
	{step: "sign-in", name: "C-60: no consent is asked for", spoil: func(_ *proxy, x *exchange) {
		if x.is("/_complete") && x.method == http.MethodGet {
			x.status = http.StatusSeeOther
			x.header.Set("Location", toClient+"?code=kmc_1&state=s")
		}
	}},
	{step: "consent", name: "C-60: the client is not named", spoil: consentSays("An app", "Keymaker journey")},
	{step: "consent", name: "C-60: the client's host is not named", spoil: consentSays("other.example", "demo.example")},
	{step: "consent", name: "C-60: the account is not named", spoil: consentSays("@mallory:", "@alice:")},
	{step: "consent", name: "C-60: the device is not named", spoil: func(_ *proxy, x *exchange) {
		if before, after, found := strings.Cut(x.body, `class="code" dir="ltr">`); x.is("/_complete") && found {
			x.body = before + `class="code" dir="ltr">OTHER` + after[3:]
		}
	}},
	{step: "consent", name: "approval does not lead back", spoil: func(_ *proxy, x *exchange) {
		if x.is("/_complete") && x.method == http.MethodPost {
			x.answer(200, "text/html", "Thank you")
		}
	}},
	{step: "consent", name: "C-24: the browser would send the form on", spoil: func(_ *proxy, x *exchange) {
		if x.is("/_complete") && x.method == http.MethodPost {
			x.status = http.StatusTemporaryRedirect
		}
	}},
	{step: "code", name: "C-20: no state", spoil: redirected(toClient, "state", "")},
	{step: "code", name: "C-20: another state", spoil: redirected(toClient, "state", "another")},
	{step: "code", name: "C-23: no iss", spoil: redirected(toClient, "iss", "")},
	{step: "code", name: "C-23: another iss", spoil: redirected(toClient, "iss", "https://elsewhere.example")},
	{step: "code", name: "no code", spoil: redirected(toClient, "code", "")},
	{step: "code", name: "an error", spoil: redirected(toClient, "error", "server_error")},
}

var spoiledTokens = []spoiled{
	{step: "tokens", name: "D-03: refused", spoil: answered(400, `{"error":"invalid_grant"}`, "/token")},
	{step: "tokens", name: "D-10: no refresh token", spoil: granted(codeGrant, "refresh_token", nil)},
	{step: "tokens", name: "D-10: expires_in is a string", spoil: granted(codeGrant, "expires_in", "300")},
	{step: "tokens", name: "D-10: no expires_in", spoil: granted(codeGrant, "expires_in", nil)},
	{step: "tokens", name: "D-10: another token_type", spoil: granted(codeGrant, "token_type", "mac")},
	{step: "tokens", name: "D-10: no scope", spoil: granted(codeGrant, "scope", nil)},
	{step: "tokens", name: "C-34: the device is not granted", spoil: granted(codeGrant, "scope", "openid urn:matrix:client:api:*")},
	{step: "ID token", name: "none", spoil: granted(codeGrant, "id_token", nil)},
	{step: "ID token", name: "a bad signature", spoil: func(_ *proxy, x *exchange) {
		if x.grant(codeGrant) {
			x.members(func(m map[string]any) {
				token, _ := m["id_token"].(string)
				at := strings.LastIndex(token, ".") + 1
				m["id_token"] = token[:at] + strings.Repeat("A", len(token)-at)
			})
		}
	}},
	{step: "ID token", name: "F-33: a key that is not in the key set", spoil: answered(200, `{"keys":[]}`, "/jwks")},
	{step: "ID token", name: "F-30: another nonce", alter: func(r *http.Request) {
		if q := r.URL.Query(); strings.HasSuffix(r.URL.Path, "/authorize") {
			q.Set("nonce", "another")
			r.URL.RawQuery = q.Encode()
		}
	}},
	{step: "ID token", name: "F-30: the at_hash of another access token", spoil: granted(codeGrant, "access_token", "kma_another")},
}

var spoiledSession = []spoiled{
	{step: "whoami", name: "K-12: another device", spoil: member("device_id", "OTHER", "/whoami")},
	{step: "whoami", name: "another user", spoil: member("user_id", "@mallory:localhost", "/whoami")},
	{step: "whoami", name: "D-11: the token does not work", spoil: answered(401, `{"errcode":"M_UNKNOWN_TOKEN"}`, "/whoami")},
	{step: "refresh", name: "refused", spoil: func(_ *proxy, x *exchange) {
		if x.grant(refreshGrant) {
			x.json(400, `{"error":"invalid_grant"}`)
		}
	}},
	{step: "refresh", name: "D-20: the same refresh token", spoil: func(_ *proxy, x *exchange) {
		if x.grant(refreshGrant) {
			x.members(func(m map[string]any) { m["refresh_token"] = x.form.Get("refresh_token") })
		}
	}},
	{step: "refresh", name: "D-20: no refresh token", spoil: granted(refreshGrant, "refresh_token", nil)},
	{step: "refresh", name: "D-20: the same access token", spoil: func(p *proxy, x *exchange) {
		if x.grant(refreshGrant) {
			x.members(func(m map[string]any) { m["access_token"] = p.firstAccess })
		}
	}},
	{step: "refresh", name: "D-26: the access token before is refused", spoil: func(p *proxy, x *exchange) {
		if x.is("/whoami") && p.count(refreshGrant) == 1 {
			x.json(401, `{"errcode":"M_UNKNOWN_TOKEN"}`)
		}
	}},
	{step: "userinfo", name: "F-23: another subject", spoil: member("sub", "@mallory:localhost", "/userinfo")},
	{step: "userinfo", name: "refused", spoil: answered(401, `{"error":"invalid_token"}`, "/userinfo")},
	{step: "introspection", name: "F-03: inactive", spoil: answered(200, `{"active":false}`, "/introspect")},
	{step: "introspection", name: "F-04: another username", spoil: member("username", "@alice:localhost", "/introspect")},
	{step: "introspection", name: "F-04: no device", spoil: member("device_id", nil, "/introspect")},
	{step: "introspection", name: "F-01: the homeserver's secret is refused", spoil: answered(401, `{"error":"invalid_token"}`, "/introspect")},
	{step: "second refresh", name: "the same refresh token", spoil: func(p *proxy, x *exchange) {
		if x.grant(refreshGrant) && p.count(refreshGrant) == 1 {
			x.members(func(m map[string]any) { m["refresh_token"] = x.form.Get("refresh_token") })
		}
	}},
	{step: "second refresh", name: "the new access token does not work", spoil: func(p *proxy, x *exchange) {
		if x.is("/whoami") && p.count(refreshGrant) == 2 {
			x.json(401, `{"errcode":"M_UNKNOWN_TOKEN"}`)
		}
	}},
}

// replaying tells whether R1 is presented again; the third refresh is.
func replaying(p *proxy, x *exchange) bool {
	return x.grant(refreshGrant) && p.count(refreshGrant) == 2
}

var spoiledReplay = []spoiled{
	{step: "replay", name: "D-23: R1 is accepted", spoil: func(p *proxy, x *exchange) {
		if replaying(p, x) {
			p.repeat(x)
		}
	}},
	{step: "replay", name: "D-03: R1 is refused with another error", spoil: func(p *proxy, x *exchange) {
		if replaying(p, x) {
			x.json(400, `{"error":"invalid_request"}`)
		}
	}},
	{step: "replay", name: "D-03: R1 is refused with 401", spoil: func(p *proxy, x *exchange) {
		if replaying(p, x) {
			x.status = http.StatusUnauthorized
		}
	}},
	{step: "replay", name: "D-25: the newest access token is accepted", spoil: func(p *proxy, x *exchange) {
		if x.is("/whoami") && x.status == http.StatusUnauthorized && p.logins == 1 {
			p.repeat(x)
		}
	}},
	{step: "replay", name: "K-01: the client may log in softly", spoil: func(p *proxy, x *exchange) {
		if x.is("/whoami") && x.status == http.StatusUnauthorized {
			x.members(func(m map[string]any) { m["soft_logout"] = true })
		}
	}},
}

var spoiledLogins = []spoiled{
	{step: "login again", name: "refused", spoil: func(p *proxy, x *exchange) {
		if x.is("/authorize") && p.logins == 1 {
			x.answer(400, "text/html", "No")
		}
	}},
	{step: "login again", name: "another device", spoil: func(p *proxy, x *exchange) {
		if x.is("/whoami") && p.logins == 2 {
			x.members(func(m map[string]any) { m["device_id"] = "OTHER" })
		}
	}},
	{step: "second login", name: "C-63: the old access token is accepted", spoil: func(p *proxy, x *exchange) {
		if x.is("/whoami") && x.status == http.StatusUnauthorized && p.logins == 3 {
			p.repeat(x)
		}
	}},
	{step: "second login", name: "C-63: the old refresh token is accepted", spoil: func(p *proxy, x *exchange) {
		if x.grant(refreshGrant) && p.logins == 3 {
			p.repeat(x)
		}
	}},
	{step: "second login", name: "C-63: the device is gone", spoil: answered(200, `{"devices":[]}`, "/devices")},
	{step: "second login", name: "C-63: the device is there twice", spoil: func(_ *proxy, x *exchange) {
		if x.is("/devices") {
			x.members(func(m map[string]any) {
				list, _ := m["devices"].([]any)
				m["devices"] = append(list, list...)
			})
		}
	}},
}

var spoiledRevocation = []spoiled{
	{step: "revocation", name: "500", spoil: answered(500, `{"error":"server_error"}`, "/revoke")},
	{step: "revocation", name: "E-02: an empty body", spoil: answered(200, ``, "/revoke")},
	{step: "revocation", name: "E-02: a body that is not JSON by its type", spoil: func(_ *proxy, x *exchange) {
		if x.is("/revoke") {
			x.header.Set("Content-Type", "text/plain")
		}
	}},
	{step: "whoami after", name: "E-04: 200", spoil: func(p *proxy, x *exchange) {
		if x.is("/whoami") && p.ended {
			p.repeat(x)
		}
	}},
	{step: "whoami after", name: "E-04: another error", spoil: func(p *proxy, x *exchange) {
		if x.is("/whoami") && p.ended {
			x.json(403, `{"errcode":"M_FORBIDDEN"}`)
		}
	}},
	{step: "whoami after", name: "E-03: the refresh token is accepted", spoil: func(p *proxy, x *exchange) {
		if x.grant(refreshGrant) && p.ended {
			p.repeat(x)
		}
	}},
}
