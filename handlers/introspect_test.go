package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const (
	introspectPath = "/_tuwunel/oidc/introspect"
	synapsePath    = "/oauth2/introspect"
)

// expectInactive wants {"active":false} and nothing else.
func expectInactive(t *testing.T, a harness.Answer) {
	t.Helper()
	harness.ExpectJSON(t, a, http.StatusOK)
	if strings.TrimSpace(string(a.Body)) != `{"active":false}` {
		t.Errorf("the answer is %s", a.Body)
	}
}

func TestIntrospectionNeedsACaller(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	basicID, basicSecret := e.Register(confidential("client_secret_basic"))
	postID, postSecret := e.Register(confidential("client_secret_post"))
	tests := []struct {
		name, authorization string
		parameters          []string
		good                bool
	}{
		{"F-01: the homeserver", "Bearer " + harness.HomeserverSecret, nil, true},
		{"F-01: the homeserver, whatever the case of the scheme", "bearer " + harness.HomeserverSecret, nil, true},
		{"F-01: a client with client_secret_basic", basic(basicID, basicSecret), nil, true},
		{"F-01: a client with client_secret_post", "", []string{"client_id", postID, "client_secret", postSecret}, true},
		{"F-01: nobody", "", nil, false},
		{"F-01 L-20: another secret", "Bearer " + harness.HomeserverSecret + "x", nil, false},
		{"F-01: an empty secret", "Bearer ", nil, false},
		{"F-01: the secret as a password", basic("", harness.HomeserverSecret), nil, false},
		{"F-01: the secret as a parameter", "", []string{"client_secret", harness.HomeserverSecret}, false},
		{"F-01: an access token", "Bearer " + tokens.Access, nil, false},
		{"F-01: a public client", "", []string{"client_id", tokens.ClientID}, false},
		{"F-01: a public client by Basic", basic(tokens.ClientID, ""), nil, false},
		{"F-01 L-20: a client with a wrong secret", basic(basicID, postSecret), nil, false},
		{"F-01: a client by another method than its own", basic(postID, postSecret), nil, false},
		{"F-01: a client that authenticates twice", basic(basicID, basicSecret), []string{"client_id", basicID, "client_secret", basicSecret}, false},
		{"F-01: an unknown client", basic("nobody", "x"), nil, false},
	}
	for _, tt := range tests {
		for _, path := range []string{introspectPath, synapsePath} {
			t.Run(tt.name+" at "+path, func(t *testing.T) {
				header := map[string]string{"Content-Type": form}
				if tt.authorization != "" {
					header["Authorization"] = tt.authorization
				}
				a := e.For(t).Do(http.MethodPost, path, header, with(url.Values{"token": {tokens.Access}}, tt.parameters...).Encode())
				if tt.good {
					if harness.ExpectJSON(t, a, http.StatusOK); a.JSON()["active"] != true {
						t.Errorf("the answer is %s", a.Body)
					}
					return
				}
				harness.ExpectJSON(t, a, http.StatusUnauthorized)
				scheme, _, _ := strings.Cut(a.Header.Get("WWW-Authenticate"), " ")
				if used, _, _ := strings.Cut(tt.authorization, " "); scheme != used && (scheme != "Bearer" || used != "") || a.JSON()["active"] != nil {
					t.Errorf("WWW-Authenticate is %q, the body %s", a.Header.Get("WWW-Authenticate"), a.Body)
				}
			})
		}
	}
}

func TestIntrospectionWithoutAHomeserverSecret(t *testing.T) {
	e := harness.Start(t)
	e.Config = strings.Replace(e.Config, "secret = \""+harness.HomeserverSecret+"\"\n", "", 1)
	e.Restart()
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	for _, authorization := range []string{"Bearer ", "Bearer", "Bearer " + harness.HomeserverSecret} {
		t.Run("F-01: where none is configured "+authorization+" is refused", func(t *testing.T) {
			a := e.For(t).Do(http.MethodPost, synapsePath, map[string]string{"Content-Type": form, "Authorization": authorization}, "token="+tokens.Access)
			expectStatus(e.For(t), a, http.StatusUnauthorized)
		})
	}
}

func TestIntrospection(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	e.Clock.Advance(10 * time.Second)
	issued := e.Clock.Now().Add(-10 * time.Second).Unix()

	for name, want := range map[string]any{
		"active": true, "client_id": tokens.ClientID, "username": "alice", "sub": "@alice:example.org", "device_id": "AAABBBCCCDDD",
		"token_type": "Bearer", "iss": e.Issuer, "iat": float64(issued), "exp": float64(issued + 330), "expires_in": float64(320),
	} {
		t.Run("F-04: "+name, func(t *testing.T) {
			a := e.For(t).Introspect(tokens.Access)
			harness.ExpectJSON(t, a, http.StatusOK)
			if got := a.JSON()[name]; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		})
	}
	t.Run("F-05: numbers are integers, nothing is null, and nothing is there that Synapse keeps for itself", func(t *testing.T) {
		a := e.For(t).Introspect(tokens.Access)
		if a.JSON()["active"] != true {
			t.Errorf("the answer is %s", a.Body)
		}
		d := json.NewDecoder(strings.NewReader(string(a.Body)))
		d.UseNumber()
		var members map[string]any
		if err := d.Decode(&members); err != nil {
			t.Fatal(err)
		}
		for name, v := range members {
			if n, ok := v.(json.Number); ok && strings.ContainsAny(n.String(), ".eE") || v == nil || name == "retrieved_at_ms" {
				t.Errorf("%s is %v", name, v)
			}
		}
	})
	t.Run("D-2E: the token works for as long as introspection says, and is inactive from then on", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(319 * time.Second)
		if a := e.Introspect(tokens.Access); a.JSON()["active"] != true || a.JSON()["expires_in"] != 1.0 {
			t.Errorf("a second before its end: %s", a.Body)
		}
		e.Clock.Advance(time.Second)
		expectInactive(t, e.Introspect(tokens.Access))
	})
}

func TestIntrospectionScope(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	both := func(device string) []string {
		return append(strings.Fields(harness.ScopeStable+device), strings.Fields(harness.ScopeUnstable+device)...)
	}
	tests := []struct {
		name, scope string
		want        []string
	}{
		{"F-04: the stable spelling is joined by the other", harness.ScopeStable + "STABLEDEVICE", both("STABLEDEVICE")},
		{"F-04: the unstable spelling is joined by the other", harness.ScopeUnstable + "UNSTABLEDEV", both("UNSTABLEDEV")},
		{"F-04: what else was granted is there", "openid " + harness.ScopeStable + "OPENIDDEVICE", append(both("OPENIDDEVICE"), "openid")},
		{"F-04: without the api there is none of it", "openid email", []string{"openid", "email"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			a := e.Introspect(e.LogInWith(e.NewRequest(id, tt.scope), "alice").Access)
			got := strings.Fields(a.Text("scope"))
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(tt.want)); !slices.Equal(got, want) {
				t.Errorf("scope is %v, want %v", got, want)
			}
			if _, there := a.JSON()["device_id"]; there != strings.Contains(tt.scope, "device") {
				t.Errorf("device_id is %v", a.JSON()["device_id"])
			}
		})
	}
}

func TestIntrospectionOfLegacyTokens(t *testing.T) {
	e := harness.Start(t)
	token := e.LogInLegacy("alice", "LEGACYDEVICE").Access
	t.Run("F-08: a token of a legacy login is active, with the api and its device", func(t *testing.T) {
		a := e.For(t).Introspect(token)
		harness.ExpectJSON(t, a, http.StatusOK)
		scopes := strings.Fields(a.Text("scope"))
		if a.JSON()["active"] != true || a.Text("username") != "alice" || a.Text("device_id") != "LEGACYDEVICE" ||
			!slices.Contains(scopes, "urn:matrix:client:api:*") || !slices.Contains(scopes, "urn:matrix:client:device:LEGACYDEVICE") {
			t.Errorf("the answer is %s", a.Body)
		}
	})
}

func TestInactiveTokens(t *testing.T) {
	e := harness.Start(t)
	tests := []struct {
		name  string
		token func(e *harness.Env) string
	}{
		{"F-03: an unknown token", func(*harness.Env) string { return "kma_unknown" }},
		{"F-03: a malformed token", func(*harness.Env) string { return "\x01\"\\ \u2028" }},
		{"F-03: a very long token", func(*harness.Env) string { return strings.Repeat("x", 60_000) }},
		{"F-03: an access token with one character changed", func(e *harness.Env) string {
			token := []byte(e.LogIn("alice", "CHANGED").Access)
			token[10] ^= 1
			return string(token)
		}},
		{"F-03: a code", func(e *harness.Env) string {
			return approved(e, e.LogIn("alice", "CODEDEVICE").ClientID, harness.ScopeStable+"CODEDEVICE").code
		}},
		{"F-03: a refresh token", func(e *harness.Env) string { return e.LogIn("alice", "REFRESHDEVICE").Refresh }},
		{"F-03: an ID token", func(e *harness.Env) string { return e.LogIn("alice", "IDDEVICE").IDToken }},
		{"F-03: a device code", func(e *harness.Env) string { return begin(e).code }},
		{"F-03: a login token", func(e *harness.Env) string { return e.LoginToken(e.NewBrowser(), "alice") }},
		{"F-03 F-08: the refresh token of a legacy login", func(e *harness.Env) string { return e.LogInLegacy("alice", "LEGACYREFRESH").Refresh }},
		{"F-03 F-08: an expired token of a legacy login", func(e *harness.Env) string {
			token := e.LogInLegacy("alice", "LEGACYEXPIRED").Access
			e.Clock.Advance(time.Hour)
			return token
		}},
		{"F-03 F-08: the token of a legacy client that logged out", func(e *harness.Env) string {
			token := e.LogInLegacy("alice", "LEGACYGONE").Access
			expectStatus(e, e.As(token, http.MethodPost, logoutPath, ""), http.StatusOK)
			return token
		}},
		{"F-03: the homeserver's secret", func(*harness.Env) string { return harness.HomeserverSecret }},
		{"F-03: a revoked token", func(e *harness.Env) string {
			token := e.LogIn("alice", "REVOKED").Access
			expectStatus(e, e.Form(revokePath, url.Values{"token": {token}}), 200)
			return token
		}},
		{"F-03: the token of a session that was replaced", func(e *harness.Env) string {
			token := e.LogIn("alice", "REPLACED").Access
			e.LogIn("alice", "REPLACED")
			return token
		}},
		{"F-03: an expired token", func(e *harness.Env) string {
			token := e.LogIn("alice", "EXPIRED").Access
			e.Clock.Advance(time.Hour)
			return token
		}},
		{"F-03: the token of a locked user", func(e *harness.Env) string {
			token := e.LogIn("alice", "LOCKED").Access
			execute(e, "UPDATE users SET locked_at = 1")
			e.T.Cleanup(func() { execute(e.For(t), "UPDATE users SET locked_at = NULL") })
			return token
		}},
		{"F-03: the token of a deactivated user", func(e *harness.Env) string {
			token := e.LogIn("bob", "DEACTIVATED").Access
			execute(e, "UPDATE users SET deactivated_at = 1 WHERE localpart = 'bob'")
			return token
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" is inactive, and nothing more is said", func(t *testing.T) {
			e := e.For(t)
			expectInactive(t, e.Introspect(tt.token(e)))
		})
	}
}

func TestIntrospectionHint(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	ask := func(e *harness.Env, token, hint string) harness.Answer {
		return e.Do(http.MethodPost, introspectPath, map[string]string{"Content-Type": form, "Authorization": "Bearer " + harness.HomeserverSecret},
			url.Values{"token": {token}, "token_type_hint": {hint}}.Encode())
	}
	for _, hint := range []string{"", "access_token", "refresh_token", "nonsense"} {
		t.Run("F-03: an access token is found whatever the hint ("+hint+")", func(t *testing.T) {
			if a := ask(e.For(t), tokens.Access, hint); a.JSON()["active"] != true {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
		t.Run("D-29: a refresh token is inactive whatever the hint ("+hint+")", func(t *testing.T) {
			expectInactive(t, ask(e.For(t), tokens.Refresh, hint))
		})
	}
}

func TestIntrospectionEnvelope(t *testing.T) {
	e := harness.Start(t)
	token := e.LogIn("alice", "AAABBBCCCDDD").Access
	tests := []struct{ name, path, kind, body string }{
		{"F-02: no token", synapsePath, form, ""},
		{"F-02: an empty token", synapsePath, form, "token="},
		{"F-02: two tokens", synapsePath, form, "token=" + token + "&token=" + token},
		{"F-02: a token in the query", synapsePath + "?token=" + token, form, ""},
		{"F-02: JSON", synapsePath, "application/json", `{"token":"` + token + `"}`},
		{"F-02: a form that cannot be parsed", synapsePath, form, "token=%zz"},
		{"F-02: a token with NUL", synapsePath, form, "token=%00"},
		{"F-02: a token that is not UTF-8", synapsePath, form, "token=%ff"},
		{"F-02: 1 MB", synapsePath, form, "token=" + strings.Repeat("x", 1<<20)},
	}
	for _, tt := range tests {
		t.Run(tt.name+" is a bad request", func(t *testing.T) {
			a := e.For(t).Do(http.MethodPost, tt.path, map[string]string{"Content-Type": tt.kind, "Authorization": "Bearer " + harness.HomeserverSecret}, tt.body)
			harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_request")
		})
	}
	t.Run("F-02: GET is refused", func(t *testing.T) {
		a := e.For(t).Do(http.MethodGet, synapsePath+"?token="+token, map[string]string{"Authorization": "Bearer " + harness.HomeserverSecret}, "")
		harness.ExpectOAuthError(t, a, http.StatusMethodNotAllowed, "invalid_request")
	})
}

func TestIntrospectionAsSynapse(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	defer h2c.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+synapsePath,
		strings.NewReader(url.Values{"token": {tokens.Access}, "token_type_hint": {"access_token"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {form}, "Accept": {"application/json"}, "Authorization": {"Bearer " + harness.HomeserverSecret}, "X-Mas-Supports-Device-Id": {"1"}}
	t.Run("F-02: it is answered over HTTP/2 without TLS", func(t *testing.T) {
		e.For(t)
		response, err := h2c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var answer map[string]any
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.ProtoMajor != 2 || answer["device_id"] != "AAABBBCCCDDD" {
			t.Errorf("%s, %v, %v", response.Proto, answer, err)
		}
	})
	for name, header := range map[string]map[string]string{
		"without the header of its device id": {"Content-Type": form, "Accept": "application/json"},
		"with a charset":                      {"Content-Type": form + "; charset=utf-8", "X-MAS-Supports-Device-Id": "1"},
	} {
		t.Run("F-02 F-04: "+name+" it is answered alike", func(t *testing.T) {
			e := e.For(t)
			header["Authorization"] = "Bearer " + harness.HomeserverSecret
			a := e.Do(http.MethodPost, synapsePath, header, url.Values{"token": {tokens.Access}, "token_type_hint": {"access_token"}}.Encode())
			if harness.ExpectJSON(t, a, http.StatusOK); a.JSON()["active"] != true || a.Text("device_id") != "AAABBBCCCDDD" {
				t.Errorf("the answer is %s", a.Body)
			}
		})
	}
	t.Run("F-06 E-04: a session that ended is inactive in the very next answer", func(t *testing.T) {
		e := e.For(t)
		expectStatus(e, e.Form(revokePath, url.Values{"token": {tokens.Refresh}}), 200)
		expectInactive(t, e.Introspect(tokens.Access))
	})
	t.Run("F-09: it is never limited for the homeserver", func(t *testing.T) {
		e := e.For(t)
		for range 300 {
			expectStatus(e, e.Introspect(tokens.Access), 200)
		}
	})
}

func TestIntrospectionMarksTheDevice(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	watcher := e.LogIn("alice", "WATCHDEVICE")
	e.Clock.Advance(4 * time.Minute)
	expectStatus(e, e.Introspect(tokens.Access), 200)
	if err := e.Server.Store().FlushUsage(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("F-07: the device was last seen when its token was introspected", func(t *testing.T) {
		e := e.For(t)
		device := e.As(watcher.Access, http.MethodGet, "/_matrix/client/v3/devices/AAABBBCCCDDD", "").JSON()
		if got, want := device["last_seen_ts"], e.Clock.Now().UnixMilli(); got != float64(want) {
			t.Errorf("last_seen_ts is %v, want %d", got, want)
		}
	})
}
