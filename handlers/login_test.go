package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/harness"
)

const (
	loginPath         = "/_matrix/client/v3/login"
	logoutPath        = "/_matrix/client/v3/logout"
	legacyRefreshPath = "/_matrix/client/v3/refresh"
)

// sendJSON posts a JSON body without a token.
func sendJSON(e *harness.Env, path, body string) harness.Answer {
	e.T.Helper()
	return e.Do(http.MethodPost, path, map[string]string{"Content-Type": "application/json"}, body)
}

// logIn posts a login with a new login token of alice's, and these members.
func logIn(e *harness.Env, members string) harness.Answer {
	e.T.Helper()
	return sendJSON(e, loginPath, fmt.Sprintf(`{"type":"m.login.token","token":%q%s}`, e.LoginToken(e.NewBrowser(), "alice"), members))
}

func TestLoginFlows(t *testing.T) {
	sso := func(changes map[string]any) map[string]any {
		flow := map[string]any{
			"type": "m.login.sso", "oauth_aware_preferred": true, "org.matrix.msc3824.delegated_oidc_compatibility": true,
			"identity_providers": []any{map[string]any{"id": "keymaker", "name": "Demo", "brand": "demo"}},
		}
		for name, value := range changes {
			flow[name] = value
			if value == nil {
				delete(flow, name)
			}
		}
		return flow
	}
	aware := []string{"oauth_aware_preferred", "org.matrix.msc3824.delegated_oidc_compatibility"}
	both := func(value any) map[string]any { return map[string]any{aware[0]: value, aware[1]: value} }
	icon := "mxc://example.org/icon"
	tests := []struct {
		name      string
		configure func(*harness.Options)
		want      map[string]any
	}{
		{"I-01 I-02: single sign-on with its provider, and a preference for OAuth", func(*harness.Options) {}, sso(nil)},
		{"I-02: name and icon are the administrator's, the brand is in small letters",
			func(o *harness.Options) { o.Provider = fmt.Sprintf("name = \"The <Demo>\"\nicon = %q", icon) },
			sso(map[string]any{"identity_providers": []any{map[string]any{"id": "keymaker", "name": "The <Demo>", "brand": "demo", "icon": icon}}})},
		{"I-02: an icon that is no mxc URI and a brand that is no identifier are left out",
			func(o *harness.Options) {
				o.Provider = `icon = "https://example.org/icon.png"`
				o.Extra = "[[global.identity_provider]]\nbrand = \"Example Inc.\"\nclient_id = \"other\"\nissuer_url = \"https://other.invalid\"\n"
			},
			sso(map[string]any{"identity_providers": []any{
				map[string]any{"id": "keymaker", "name": "Demo", "brand": "demo"}, map[string]any{"id": "other", "name": "Example Inc."},
			}})},
		{"I-01: the administrator may prefer the legacy login", func(o *harness.Options) { o.Global = "oidc_aware_preferred = false" }, sso(both(false))},
		{"I-01: without the OAuth server nothing is said of it", func(o *harness.Options) { o.NoWellKnown = true }, sso(both(nil))},
	}
	for _, tt := range tests {
		e := harness.Start(t, tt.configure)
		for _, version := range []string{"r0", "v1", "v3", "unstable"} {
			t.Run(tt.name+" ("+version+")", func(t *testing.T) {
				a := e.For(t).Get("/_matrix/client/" + version + "/login")
				harness.ExpectJSON(t, a, http.StatusOK)
				want := map[string]any{"flows": []any{tt.want, map[string]any{"type": "m.login.token"}}}
				if diff := cmp.Diff(want, a.JSON()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
	t.Run("I-03: without a provider there is no legacy login", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.NoProvider = true })
		for _, path := range []string{loginPath, ssoPath, logoutPath, legacyRefreshPath} {
			harness.ExpectMatrixError(t, e.Get(path), http.StatusNotFound, "M_UNRECOGNIZED")
		}
	})
}

func TestLegacyLogin(t *testing.T) {
	e := harness.Start(t)
	for _, version := range []string{"r0", "v1", "v3", "unstable"} {
		t.Run("I-09 I-0F: "+version+": a login token gives a session on the device that was asked for", func(t *testing.T) {
			e := e.For(t)
			body := fmt.Sprintf(`{"type":"m.login.token","token":%q,"device_id":"LEGACY","initial_device_display_name":"Element"}`, e.LoginToken(e.NewBrowser(), "alice"))
			a := sendJSON(e, "/_matrix/client/"+version+"/login", body)
			harness.ExpectJSON(t, a, http.StatusOK)
			got := a.JSON()
			token := a.Text("access_token")
			delete(got, "access_token")
			if diff := cmp.Diff(map[string]any{"user_id": "@alice:example.org", "device_id": "LEGACY"}, got); diff != "" || token == "" {
				t.Errorf("token %q, -want +got:\n%s", token, diff)
			}
			expectAlive(t, e, token)
			e.Clock.Advance(24 * time.Hour) // a client that cannot refresh keeps its token
			expectAlive(t, e, token)
			if a := e.As(token, http.MethodGet, devicesPath+"/LEGACY", ""); a.Text("display_name") != "Element" {
				t.Errorf("the device is %s", a.Body)
			}
		})
	}
	t.Run("I-09: a client that can refresh gets a refresh token, and its token expires", func(t *testing.T) {
		e := e.For(t)
		a := logIn(e, `,"refresh_token":true`)
		if a.Text("refresh_token") == "" || a.JSON()["expires_in_ms"] != float64(300_000) {
			t.Errorf("the answer is %s", a.Body)
		}
	})
	t.Run("I-09: without device_id a device is made", func(t *testing.T) {
		a, b := logIn(e.For(t), ""), logIn(e.For(t), `,"device_id":""`)
		if len(a.Text("device_id")) != 10 || len(b.Text("device_id")) != 10 || a.Text("device_id") == b.Text("device_id") {
			t.Errorf("the devices are %q and %q", a.Text("device_id"), b.Text("device_id"))
		}
	})
	for _, device := range []string{"a/b", "a+b=", "a b", `a"b\`, "日本", "<b>", strings.Repeat("d", 255)} {
		t.Run(fmt.Sprintf("I-09: a legacy device id may be %.10q", device), func(t *testing.T) {
			e := e.For(t)
			a := logIn(e, `,"refresh_token":true,"device_id":`+marshal(t, device))
			if who := e.WhoAmI(a.Text("access_token")); a.Text("device_id") != device || who.Text("device_id") != device {
				t.Fatalf("login: %s, whoami: %s", a.Body, who.Body)
			}
			b := sendJSON(e, legacyRefreshPath, `{"refresh_token":"`+a.Text("refresh_token")+`"}`)
			if who := e.WhoAmI(b.Text("access_token")); who.Text("device_id") != device {
				t.Errorf("refresh: %s, whoami: %s", b.Body, who.Body)
			}
		})
	}
}

func TestLegacyLoginRefuses(t *testing.T) {
	e := harness.Start(t)
	valid := e.LoginToken(e.NewBrowser(), "alice")
	tests := []struct {
		name, body string
		status     int
		code       string
	}{
		{"I-0A: a password", `{"type":"m.login.password","user":"alice","password":"x"}`, 400, "M_UNKNOWN"},
		{"I-0A: an unknown type", `{"type":"m.login.frobnicate"}`, 400, "M_UNKNOWN"},
		{"I-0A: no type", `{"token":"` + valid + `"}`, 400, "M_UNKNOWN"},
		{"I-0C: an application service", `{"type":"m.login.application_service","identifier":{}}`, 400, "M_APPSERVICE_LOGIN_UNSUPPORTED"},
		{"I-0A: no JSON", `type=m.login.token`, 400, "M_NOT_JSON"},
		{"I-0A: no body", ``, 400, "M_NOT_JSON"},
		{"I-0A: data behind the object", `{"type":"m.login.token"} x`, 400, "M_NOT_JSON"},
		{"I-0A: an array", `[]`, 400, "M_BAD_JSON"},
		{"I-0A: a token of another type", `{"type":"m.login.token","token":7}`, 400, "M_BAD_JSON"},
		{"I-0A: a device id of another type", `{"type":"m.login.token","token":"` + valid + `","device_id":{}}`, 400, "M_BAD_JSON"},
		{"I-09: no token", `{"type":"m.login.token"}`, 400, "M_MISSING_PARAM"},
		{"I-09: an unknown token", `{"type":"m.login.token","token":"kml_unknown"}`, 403, "M_FORBIDDEN"},
		{"I-09: a device id of 256 bytes", `{"type":"m.login.token","token":"` + valid + `","device_id":"` + strings.Repeat("d", 256) + `"}`, 400, "M_INVALID_PARAM"},
		{"I-09: a NUL in the device id", `{"type":"m.login.token","token":"` + valid + `","device_id":"a\u0000b"}`, 400, "M_INVALID_PARAM"},
		{"I-09: a NUL in the device's name", `{"type":"m.login.token","token":"` + valid + `","initial_device_display_name":"a\u0000b"}`, 400, "M_INVALID_PARAM"},
		{"I-09: more than 64 KiB", `{"type":"m.login.token","token":"` + strings.Repeat("x", 65<<10) + `"}`, 413, "M_TOO_LARGE"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s is answered with %d %s", tt.name, tt.status, tt.code), func(t *testing.T) {
			harness.ExpectMatrixError(t, sendJSON(e.For(t), loginPath, tt.body), tt.status, tt.code)
		})
	}
	t.Run("I-09: a login that was refused for its form has not used its token up", func(t *testing.T) {
		harness.ExpectJSON(t, sendJSON(e.For(t), loginPath, `{"type":"m.login.token","token":"`+valid+`"}`), http.StatusOK)
	})
	t.Run("I-08: a login token is good once", func(t *testing.T) {
		harness.ExpectMatrixError(t, sendJSON(e.For(t), loginPath, `{"type":"m.login.token","token":"`+valid+`"}`), http.StatusForbidden, "M_FORBIDDEN")
	})
	t.Run("I-08: a login token is good for a minute", func(t *testing.T) {
		e := e.For(t)
		inTime, late := e.LoginToken(e.NewBrowser(), "alice"), e.LoginToken(e.NewBrowser(), "alice")
		e.Clock.Advance(59 * time.Second)
		harness.ExpectJSON(t, sendJSON(e, loginPath, `{"type":"m.login.token","token":"`+inTime+`"}`), http.StatusOK)
		e.Clock.Advance(time.Second)
		harness.ExpectMatrixError(t, sendJSON(e, loginPath, `{"type":"m.login.token","token":"`+late+`"}`), http.StatusForbidden, "M_FORBIDDEN")
	})
	t.Run("I-08: or for as long as the administrator says", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "login_token_ttl = 5000" })
		late := e.LoginToken(e.NewBrowser(), "alice")
		e.Clock.Advance(5 * time.Second)
		harness.ExpectMatrixError(t, sendJSON(e, loginPath, `{"type":"m.login.token","token":"`+late+`"}`), http.StatusForbidden, "M_FORBIDDEN")
	})
	for column, want := range map[string]struct {
		status int
		code   string
	}{"locked_at": {401, "M_USER_LOCKED"}, "deactivated_at": {403, "M_USER_DEACTIVATED"}} {
		t.Run("I-0A: a user with "+column+" set is refused, and the token is not used up", func(t *testing.T) {
			e := e.For(t)
			body := `{"type":"m.login.token","token":"` + e.LoginToken(e.NewBrowser(), "alice") + `"}`
			setUser(e, "alice", column, true)
			a := sendJSON(e, loginPath, body)
			setUser(e, "alice", column, false)
			harness.ExpectMatrixError(t, a, want.status, want.code)
			if locked := column == "locked_at"; (a.JSON()["soft_logout"] == true) != locked {
				t.Errorf("the answer is %s", a.Body)
			}
			harness.ExpectJSON(t, sendJSON(e, loginPath, body), http.StatusOK)
		})
	}
}

func TestLegacyTakeover(t *testing.T) {
	e := harness.Start(t)
	t.Run("I-0B: a legacy login takes an OAuth device over: its tokens are dead", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogIn("alice", "BOTH")
		legacy := e.LogInLegacy("alice", "BOTH")
		expectDead(t, e, tokens.Access)
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
		expectAlive(t, e, legacy.Access)
	})
	t.Run("I-0B: and a legacy device: its tokens are dead", func(t *testing.T) {
		e := e.For(t)
		first, second := e.LogInLegacy("alice", "TWICE"), e.LogInLegacy("alice", "TWICE")
		expectDead(t, e, first.Access)
		harness.ExpectMatrixError(t, sendJSON(e, legacyRefreshPath, `{"refresh_token":"`+first.Refresh+`"}`), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		expectAlive(t, e, second.Access)
	})
	t.Run("C-63: an authorization takes a legacy device over: its tokens are dead", func(t *testing.T) {
		e := e.For(t)
		legacy := e.LogInLegacy("alice", "BACK")
		tokens := e.LogIn("alice", "BACK")
		expectDead(t, e, legacy.Access)
		harness.ExpectMatrixError(t, sendJSON(e, legacyRefreshPath, `{"refresh_token":"`+legacy.Refresh+`"}`), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		expectAlive(t, e, tokens.Access)
	})
	t.Run("C-64: the device of another user is not touched", func(t *testing.T) {
		e := e.For(t)
		bobs := e.LogIn("bob", "MINE")
		e.LogInLegacy("alice", "MINE")
		expectAlive(t, e, bobs.Access)
	})
}

func TestLegacyRefresh(t *testing.T) {
	e := harness.Start(t)
	refresh := func(e *harness.Env, token string) harness.Answer {
		return sendJSON(e, legacyRefreshPath, `{"refresh_token":"`+token+`"}`)
	}
	unknown := func(t *testing.T, a harness.Answer) {
		t.Helper()
		harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
	}
	for _, version := range []string{"r0", "v1", "v3", "unstable"} {
		t.Run("I-0D: "+version+": a refresh gives a new pair, and nothing else", func(t *testing.T) {
			e := e.For(t)
			first := e.LogInLegacy("alice", "ROTATE")
			a := sendJSON(e, "/_matrix/client/"+version+"/refresh", `{"refresh_token":"`+first.Refresh+`"}`)
			harness.ExpectJSON(t, a, http.StatusOK)
			if len(a.JSON()) != 3 || a.JSON()["expires_in_ms"] != float64(300_000) || a.Text("refresh_token") == first.Refresh || a.Text("access_token") == first.Access {
				t.Errorf("the answer is %s", a.Body)
			}
			expectAlive(t, e, first.Access) // D-26
			expectAlive(t, e, a.Text("access_token"))
		})
	}
	t.Run("I-0D D-23: a lost answer is given again a day later", func(t *testing.T) {
		e := e.For(t)
		first := e.LogInLegacy("alice", "LOST")
		lost := refresh(e, first.Refresh)
		e.Clock.Advance(24 * time.Hour)
		again := refresh(e, first.Refresh)
		if again.Text("refresh_token") != lost.Text("refresh_token") {
			t.Errorf("another refresh token: %s", again.Body)
		}
		expectAlive(t, e, again.Text("access_token"))
	})
	t.Run("I-0D D-23: once the new access token was used, the old refresh token is dead, and the session with it (D-25)", func(t *testing.T) {
		e := e.For(t)
		first := e.LogInLegacy("alice", "REUSED")
		second := refresh(e, first.Refresh)
		expectAlive(t, e, second.Text("access_token"))
		unknown(t, refresh(e, first.Refresh))
		expectDead(t, e, second.Text("access_token"))
		unknown(t, refresh(e, second.Text("refresh_token")))
	})
	t.Run("D-25: a replay leaves the device", func(t *testing.T) {
		e := e.For(t)
		if a := e.As(e.LogIn("alice", "WATCHER").Access, http.MethodGet, devicesPath+"/REUSED", ""); a.Status != http.StatusOK {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
	t.Run("I-0D: an access token refreshes nothing", func(t *testing.T) {
		unknown(t, refresh(e.For(t), e.For(t).LogInLegacy("alice", "ACCESS").Access))
	})
	t.Run("D-29: a refresh token opens nothing", func(t *testing.T) {
		expectDead(t, e.For(t), e.For(t).LogInLegacy("alice", "REFRESH").Refresh)
	})
	t.Run("I-0D: a refresh token has an end where the administrator says so", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "refresh_token_ttl = 3600" })
		tokens := e.LogInLegacy("alice", "ENDING")
		e.Clock.Advance(time.Hour)
		unknown(t, refresh(e, tokens.Refresh))
	})
	t.Run("I-0D: a locked user keeps the session, a deactivated one does not (K-03, K-05)", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogInLegacy("alice", "LOCKED")
		setUser(e, "alice", "locked_at", true)
		a := refresh(e, tokens.Refresh)
		setUser(e, "alice", "locked_at", false)
		expectLocked(t, a)
		a = refresh(e, tokens.Refresh)
		harness.ExpectJSON(t, a, http.StatusOK)
		setUser(e, "alice", "deactivated_at", true)
		b := refresh(e, a.Text("refresh_token"))
		setUser(e, "alice", "deactivated_at", false)
		unknown(t, b)
	})
	for name, body := range map[string]string{"no body": "", "no token": "{}", "a token of another type": `{"refresh_token":1}`, "an unknown token": `{"refresh_token":"x"}`} {
		t.Run("I-0D: "+name+" is refused", func(t *testing.T) {
			a := sendJSON(e.For(t), legacyRefreshPath, body)
			if a.Text("errcode") == "" || a.Status != http.StatusBadRequest && a.Status != http.StatusUnauthorized {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
}

func TestLogout(t *testing.T) {
	e := harness.Start(t)
	gone := func(t *testing.T, e *harness.Env, device string) {
		t.Helper()
		a := e.As(e.LogIn("alice", "WATCHER").Access, http.MethodGet, devicesPath+"/"+device, "")
		harness.ExpectMatrixError(t, a, http.StatusNotFound, "M_NOT_FOUND")
	}
	for _, version := range []string{"r0", "v1", "v3", "unstable"} {
		t.Run("I-0E: "+version+": a legacy client logs out, and its device is gone", func(t *testing.T) {
			e := e.For(t)
			tokens := e.LogInLegacy("alice", "LEAVING")
			a := e.As(tokens.Access, http.MethodPost, "/_matrix/client/"+version+"/logout", "")
			if harness.ExpectJSON(t, a, http.StatusOK); len(a.JSON()) != 0 {
				t.Errorf("the answer is %s", a.Body)
			}
			expectDead(t, e, tokens.Access)
			harness.ExpectMatrixError(t, sendJSON(e, legacyRefreshPath, `{"refresh_token":"`+tokens.Refresh+`"}`), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
			gone(t, e, "LEAVING")
		})
	}
	t.Run("I-0E: so does a client with an OAuth token", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogIn("alice", "OAUTHOUT")
		harness.ExpectJSON(t, e.As(tokens.Access, http.MethodPost, logoutPath, "{}"), http.StatusOK)
		expectDead(t, e, tokens.Access)
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
		gone(t, e, "OAUTHOUT")
	})
	t.Run("I-0E: logout/all ends every session of the user, and of nobody else", func(t *testing.T) {
		e := e.For(t)
		oauth, legacy, bobs := e.LogIn("alice", "ONE"), e.LogInLegacy("alice", "TWO"), e.LogIn("bob", "ONE")
		harness.ExpectJSON(t, e.As(legacy.Access, http.MethodPost, logoutPath+"/all", ""), http.StatusOK)
		expectDead(t, e, oauth.Access)
		expectDead(t, e, legacy.Access)
		expectInvalidGrant(t, e.Refresh(oauth.ClientID, oauth.Refresh))
		expectAlive(t, e, bobs.Access)
		gone(t, e, "ONE")
		gone(t, e, "TWO")
	})
	t.Run("I-0E: so it does with an OAuth token, whatever a client says that it can bear", func(t *testing.T) {
		e := e.For(t)
		oauth, legacy := e.LogIn("alice", "ONE"), e.LogInLegacy("alice", "TWO")
		harness.ExpectJSON(t, e.As(oauth.Access, http.MethodPost, logoutPath+"/all", `{"io.element.only_compat_is_fine":true}`), http.StatusOK)
		expectDead(t, e, oauth.Access)
		expectDead(t, e, legacy.Access)
	})
	t.Run("I-0E: the other devices stay at a plain logout", func(t *testing.T) {
		e := e.For(t)
		stays, leaves := e.LogIn("alice", "STAYS"), e.LogInLegacy("alice", "LEAVES")
		harness.ExpectJSON(t, e.As(leaves.Access, http.MethodPost, logoutPath, ""), http.StatusOK)
		expectAlive(t, e, stays.Access)
	})
	t.Run("K-03: a locked user may log out", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogInLegacy("alice", "LOCKEDOUT")
		setUser(e, "alice", "locked_at", true)
		a := e.As(tokens.Access, http.MethodPost, logoutPath, "")
		setUser(e, "alice", "locked_at", false)
		harness.ExpectJSON(t, a, http.StatusOK)
		gone(t, e, "LOCKEDOUT")
	})
	for _, path := range []string{logoutPath, logoutPath + "/all"} {
		t.Run("K-01: "+path+" needs a token", func(t *testing.T) {
			e := e.For(t)
			harness.ExpectMatrixError(t, e.Do(http.MethodPost, path, nil, ""), http.StatusUnauthorized, "M_MISSING_TOKEN")
			harness.ExpectMatrixError(t, e.As("nonsense", http.MethodPost, path, ""), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		})
	}
}
