package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/harness"
)

const (
	devicesPath      = "/_matrix/client/v3/devices"
	profilePath      = "/_matrix/client/v3/profile"
	capabilitiesPath = "/_matrix/client/v3/capabilities"
	threepidsPath    = "/_matrix/client/v3/account/3pid"
)

// memberPaths are what a logged-in client may look at.
func memberPaths(device string) []string {
	return []string{whoamiPath, threepidsPath, capabilitiesPath, devicesPath, devicesPath + "/" + device}
}

func TestMatrixAnswers(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "ANSWERS")
	device := map[string]any{"device_id": "ANSWERS", "display_name": "My App", "last_seen_ts": float64(e.Clock.Now().UnixMilli())}
	off := map[string]any{"enabled": false}
	tests := []struct {
		name, path string
		want       map[string]any
	}{
		{"K-12 D-11: whoami names the user and the device", whoamiPath, map[string]any{"user_id": "@alice:example.org", "device_id": "ANSWERS", "is_guest": false}},
		{"K-10: devices lists the device, called like the client", devicesPath, map[string]any{"devices": []any{device}}},
		{"K-10: one device", devicesPath + "/ANSWERS", device},
		{"K-10: third-party identifiers are none", threepidsPath, map[string]any{"threepids": []any{}}},
		{"K-11 I-12: capabilities says what a client shall not offer", capabilitiesPath, map[string]any{"capabilities": map[string]any{
			"m.change_password": off, "m.3pid_changes": off, "m.get_login_token": off, "m.set_displayname": map[string]any{"enabled": true}, "m.set_avatar_url": map[string]any{"enabled": true},
		}}},
		{"K-12: a profile", profilePath + "/" + url.PathEscape("@alice:example.org"), map[string]any{"displayname": "Alice Liddell"}},
		{"K-12: a field of a profile", profilePath + "/@alice:example.org/displayname", map[string]any{"displayname": "Alice Liddell"}},
		{"K-12: a field that is not set", profilePath + "/@alice:example.org/avatar_url", map[string]any{}},
	}
	for _, tt := range tests {
		for _, version := range []string{"r0", "v1", "v3", "unstable"} {
			t.Run(tt.name+" ("+version+")", func(t *testing.T) {
				a := e.For(t).As(tokens.Access, http.MethodGet, strings.Replace(tt.path, "/v3/", "/"+version+"/", 1), "")
				harness.ExpectJSON(t, a, http.StatusOK)
				if diff := cmp.Diff(tt.want, a.JSON()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
	for _, user := range []string{"@nobody:example.org", "@alice:example.com", "alice", "@alice", "", "@:example.org", "alice:example.org"} {
		t.Run(fmt.Sprintf("K-13: %q has no profile here", user), func(t *testing.T) {
			a := e.For(t).Get(profilePath + "/" + url.PathEscape(user))
			if a.Status != http.StatusNotFound || a.Text("errcode") == "" {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
}

func TestDevices(t *testing.T) {
	e := harness.Start(t)
	tokens, other, bobs := e.LogIn("alice", "FIRST"), e.LogInLegacy("alice", "SECOND"), e.LogIn("bob", "BOBS")
	rename := func(e *harness.Env, device, body string) harness.Answer {
		return e.As(tokens.Access, http.MethodPut, devicesPath+"/"+device, body)
	}
	name := func(e *harness.Env, device string) string {
		return e.As(tokens.Access, http.MethodGet, devicesPath+"/"+device, "").Text("display_name")
	}
	t.Run("K-10: the user's devices are listed, nobody else's", func(t *testing.T) {
		body := string(e.For(t).As(other.Access, http.MethodGet, devicesPath, "").Body)
		if !strings.Contains(body, `"FIRST"`) || !strings.Contains(body, `"SECOND"`) || strings.Contains(body, `"BOBS"`) {
			t.Errorf("the devices are %s", body)
		}
	})
	t.Run("K-10: another user's device is not there", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectMatrixError(t, e.As(tokens.Access, http.MethodGet, devicesPath+"/BOBS", ""), http.StatusNotFound, "M_NOT_FOUND")
		harness.ExpectMatrixError(t, rename(e, "BOBS", `{"display_name":"mine"}`), http.StatusNotFound, "M_NOT_FOUND")
		if a := e.As(bobs.Access, http.MethodGet, devicesPath+"/BOBS", ""); a.Text("display_name") != "My App" {
			t.Errorf("bob's device is %s", a.Body)
		}
	})
	for _, label := range []string{"Phone", "", "日本 📱", "<b>\"", strings.Repeat("ü", 100)} {
		t.Run(fmt.Sprintf("K-10: a device is renamed to %.10q", label), func(t *testing.T) {
			e := e.For(t)
			harness.ExpectJSON(t, rename(e, "SECOND", `{"display_name":`+marshal(t, label)+`}`), http.StatusOK)
			if got := name(e, "SECOND"); got != label {
				t.Errorf("it is called %q", got)
			}
		})
	}
	tests := []struct{ name, body, code string }{
		{"a name of 101 characters", `{"display_name":"` + strings.Repeat("x", 101) + `"}`, "M_INVALID_PARAM"},
		{"a name with a NUL", `{"display_name":"a\u0000"}`, "M_INVALID_PARAM"},
		{"a name that is a number", `{"display_name":1}`, "M_BAD_JSON"},
		{"no JSON", `display_name=x`, "M_NOT_JSON"},
	}
	for _, tt := range tests {
		t.Run("K-10: "+tt.name+" is refused", func(t *testing.T) {
			e := e.For(t)
			harness.ExpectMatrixError(t, rename(e, "FIRST", tt.body), http.StatusBadRequest, tt.code)
			if got := name(e, "FIRST"); got != "My App" {
				t.Errorf("it is called %q", got)
			}
		})
	}
	t.Run("K-10: a rename without a name changes nothing", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, rename(e, "FIRST", `{}`), http.StatusOK)
		harness.ExpectMatrixError(t, rename(e, "NONE", `{}`), http.StatusNotFound, "M_NOT_FOUND")
		if got := name(e, "FIRST"); got != "My App" {
			t.Errorf("it is called %q", got)
		}
	})
	for _, device := range []string{"a/b", "a+b", "a%b", "a%2Fb", "..", "a?b#c", "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4+", "a b", "日本"} {
		t.Run(fmt.Sprintf("C-37: the device %q is found under its encoded path, decoded once", device), func(t *testing.T) {
			e := e.For(t)
			a := logIn(e, `,"device_id":`+marshal(t, device))
			path := devicesPath + "/" + url.PathEscape(device)
			if got := e.As(a.Text("access_token"), http.MethodGet, path, ""); got.Text("device_id") != device {
				t.Errorf("%s is %d %s", path, got.Status, got.Body)
			}
			harness.ExpectJSON(t, e.As(a.Text("access_token"), http.MethodPut, path, `{"display_name":"found"}`), http.StatusOK)
		})
	}
}

func TestMatrixTokens(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "TOKENS")
	openid := e.LogInWith(e.NewRequest(tokens.ClientID, "openid"), "alice")
	send := func(e *harness.Env, path, authorization string) harness.Answer {
		return e.Do(http.MethodGet, path, map[string]string{"Authorization": authorization}, "")
	}
	for _, path := range memberPaths("TOKENS") {
		tests := []struct{ name, path, authorization, code string }{
			{"K-01: no token", path, "", "M_MISSING_TOKEN"},
			{"K-01: an empty one", path, "Bearer ", "M_MISSING_TOKEN"},
			{"K-01: Basic credentials", path, "Basic eDp5", "M_MISSING_TOKEN"},
			{"K-06: a token in the query", path + "?access_token=" + tokens.Access, "", "M_MISSING_TOKEN"},
			{"K-01: an unknown token", path, "Bearer nonsense", "M_UNKNOWN_TOKEN"},
			{"K-01: a token with something behind it", path, "Bearer " + tokens.Access + "x", "M_UNKNOWN_TOKEN"},
			{"D-29: a refresh token", path, "Bearer " + tokens.Refresh, "M_UNKNOWN_TOKEN"},
			{"K-02 C-3B: a token for openid alone", path, "Bearer " + openid.Access, "M_UNKNOWN_TOKEN"},
		}
		for _, tt := range tests {
			t.Run(tt.name+" opens nothing: "+path, func(t *testing.T) {
				a := send(e.For(t), tt.path, tt.authorization)
				harness.ExpectMatrixError(t, a, http.StatusUnauthorized, tt.code)
				if a.JSON()["soft_logout"] == true {
					t.Errorf("K-01: %s", a.Body)
				}
			})
		}
		t.Run("K-01: the token opens "+path+", with the scheme in any case", func(t *testing.T) {
			harness.ExpectJSON(t, send(e.For(t), path, "bearer "+tokens.Access), http.StatusOK)
		})
	}
	t.Run("K-01: an expired token says soft_logout, again and again, for a day", func(t *testing.T) {
		e := e.For(t)
		soft := func() {
			t.Helper()
			a := e.WhoAmI(tokens.Access)
			harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
			if a.JSON()["soft_logout"] != true {
				t.Errorf("the answer is %s", a.Body)
			}
		}
		e.Clock.Advance(299 * time.Second)
		expectAlive(t, e, tokens.Access)
		e.Clock.Advance(61 * time.Second)
		soft()
		soft()
		e.Clock.Advance(23 * time.Hour)
		sweep(e)
		soft()
		expectAlive(t, e, e.MustRefresh(tokens.ClientID, tokens.Refresh).Access)
	})
}

func TestAccountsAtTheMatrixAPI(t *testing.T) {
	e := harness.Start(t)
	for kind, tokens := range map[string]harness.Tokens{"OAuth": e.LogIn("alice", "OAUTH"), "legacy": e.LogInLegacy("alice", "OLD")} {
		for _, path := range memberPaths("OAUTH") {
			look := func(e *harness.Env) harness.Answer { return e.As(tokens.Access, http.MethodGet, path, "") }
			t.Run("K-03: a locked user with a token of the "+kind+" kind is told so, and the token is kept: "+path, func(t *testing.T) {
				e := e.For(t)
				setUser(e, "alice", "locked_at", true)
				a := look(e)
				setUser(e, "alice", "locked_at", false)
				harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_USER_LOCKED")
				if a.JSON()["soft_logout"] != true {
					t.Errorf("the answer is %s", a.Body)
				}
				harness.ExpectJSON(t, look(e), http.StatusOK)
			})
			t.Run("K-04: a suspended user with a token of the "+kind+" kind may look: "+path, func(t *testing.T) {
				e := e.For(t)
				setUser(e, "alice", "suspended_at", true)
				defer setUser(e, "alice", "suspended_at", false)
				harness.ExpectJSON(t, look(e), http.StatusOK)
			})
			t.Run("K-05: a deactivated user's token of the "+kind+" kind is dead: "+path, func(t *testing.T) {
				e := e.For(t)
				setUser(e, "alice", "deactivated_at", true)
				defer setUser(e, "alice", "deactivated_at", false)
				a := look(e)
				harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
				if a.JSON()["soft_logout"] == true {
					t.Errorf("the answer is %s", a.Body)
				}
			})
		}
	}
	t.Run("K-05: a deactivated user's profile tells nothing", func(t *testing.T) {
		e := e.For(t)
		setUser(e, "alice", "deactivated_at", true)
		defer setUser(e, "alice", "deactivated_at", false)
		a := e.Get(profilePath + "/@alice:example.org")
		if len(a.JSON()) != 0 {
			t.Errorf("the profile is %s", a.Body)
		}
		if a.Status != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("status %d", a.Status)
		}
	})
}

func TestMatrixPathsThatAreNotThere(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "NOTHERE")
	const v3 = "/_matrix/client/v3"
	absent := []struct{ method, path string }{
		{"POST", v3 + "/account/password"}, {"POST", v3 + "/account/password/email/requestToken"}, {"POST", v3 + "/account/password/msisdn/requestToken"},
		{"POST", v3 + "/account/deactivate"}, {"POST", threepidsPath}, {"POST", threepidsPath + "/add"}, {"POST", threepidsPath + "/delete"},
		{"POST", threepidsPath + "/email/requestToken"}, {"POST", threepidsPath + "/msisdn/requestToken"}, {"POST", "/_matrix/client/r0/account/password"},
		{"POST", "/_matrix/client/unstable/org.matrix.msc3882/login/get_token"}, {"POST", v3 + "/login/get_token"},
		{"DELETE", devicesPath + "/NOTHERE"}, {"POST", v3 + "/delete_devices"},
		{"POST", "/_matrix/client/v1/login/get_token"}, {"POST", v3 + "/register"}, {"POST", v3 + "/user/@alice:example.org/openid/request_token"},
	}
	for _, tt := range absent {
		t.Run("K-10 I-12: "+tt.method+" "+tt.path+" is not there", func(t *testing.T) {
			harness.ExpectMatrixError(t, e.For(t).As(tokens.Access, tt.method, tt.path, "{}"), http.StatusNotFound, "M_UNRECOGNIZED")
		})
	}
	for _, tt := range []struct{ method, path, body string }{
		{"GET", threepidsPath, ""}, {"GET", whoamiPath, ""}, {"GET", devicesPath, ""}, {"GET", devicesPath + "/NOTHERE", ""},
		{"PUT", devicesPath + "/NOTHERE", `{"display_name":"Mine"}`},
	} {
		t.Run("K-10: "+tt.method+" "+tt.path+" is there", func(t *testing.T) {
			harness.ExpectJSON(t, e.For(t).As(tokens.Access, tt.method, tt.path, tt.body), http.StatusOK)
		})
	}
	t.Run("K-10: and no device was deleted", func(t *testing.T) {
		expectAlive(t, e.For(t), tokens.Access)
	})
	for _, path := range []string{
		"/_matrix/", "/_matrix/client", "/_matrix/client/v3/nothing", "/_matrix/client/v3/account/whoami/", "/_matrix/client/x/account/whoami",
		"/_matrix/client/v3//account/whoami", "/_matrix/client/V3/account/whoami", "/_matrix/media/v3/preview_url", "/_matrix/media/v2/config", "/.well-known/nothing",
	} {
		t.Run("K-13: "+path+" is unrecognized", func(t *testing.T) {
			harness.ExpectMatrixError(t, e.For(t).Get(path), http.StatusNotFound, "M_UNRECOGNIZED")
		})
	}
	wrong := []struct{ method, path, allow string }{
		{"POST", whoamiPath, "GET"}, {"PUT", devicesPath, "GET"}, {"PATCH", devicesPath + "/X", "GET, PUT"}, {"DELETE", threepidsPath, "GET"},
		{"GET", logoutPath, "POST"}, {"GET", legacyRefreshPath, "POST"}, {"PUT", loginPath, "GET, POST"}, {"POST", "/_matrix/client/versions", "GET"},
		{"POST", "/.well-known/matrix/client", "GET"}, {"FROB", metadataPath, "GET"},
	}
	for _, tt := range wrong {
		t.Run("K-13: "+tt.method+" "+tt.path+" is 405 with what there is", func(t *testing.T) {
			a := e.For(t).As(tokens.Access, tt.method, tt.path, "{}")
			harness.ExpectMatrixError(t, a, http.StatusMethodNotAllowed, "M_UNRECOGNIZED")
			if got := a.Header.Get("Allow"); got != tt.allow {
				t.Errorf("Allow is %q, want %q", got, tt.allow)
			}
		})
	}
	t.Run("K-13: HEAD is GET without a body", func(t *testing.T) {
		if a := e.For(t).As(tokens.Access, http.MethodHead, whoamiPath, ""); a.Status != http.StatusOK || len(a.Body) != 0 {
			t.Errorf("status %d, body %q", a.Status, a.Body)
		}
	})
}

func TestTokensInTheQuery(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "INQUERY")
	for _, tt := range []struct{ method, path string }{
		{"GET", devicesPath}, {"PUT", devicesPath + "/INQUERY"}, {"POST", logoutPath}, {"POST", logoutPath + "/all"}, {"GET", capabilitiesPath},
	} {
		t.Run("K-06: a token in the query is not seen by "+tt.method+" "+tt.path, func(t *testing.T) {
			a := e.For(t).Do(tt.method, tt.path+"?access_token="+tokens.Access, map[string]string{"Content-Type": "application/json"}, "{}")
			harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_MISSING_TOKEN")
		})
	}
	for _, path := range []string{"/oauth2/introspect", revokePath} {
		t.Run("K-06: nor by POST "+path, func(t *testing.T) {
			header := map[string]string{"Content-Type": form, "Authorization": "Bearer " + harness.HomeserverSecret}
			a := e.For(t).Do(http.MethodPost, path+"?token="+tokens.Access, header, "")
			harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_request")
		})
	}
	t.Run("K-06: and the token still works where it belongs", func(t *testing.T) {
		expectAlive(t, e.For(t), tokens.Access)
	})
}

func TestNobodyRegisters(t *testing.T) {
	e := harness.Start(t)
	t.Run("I-10: no name is available", func(t *testing.T) {
		harness.ExpectMatrixError(t, e.For(t).Get("/_matrix/client/v3/register/available?username=x"), http.StatusNotFound, "M_UNRECOGNIZED")
	})
	tests := []struct {
		name, body string
		status     int
		code       string
	}{
		{"I-10: a user is not made", `{"username":"mallory","password":"x"}`, 404, "M_UNRECOGNIZED"},
		{"I-10: nor a guest", `{}`, 404, "M_UNRECOGNIZED"},
		{"I-0C: an application service is told to do without a login", `{"type":"m.login.application_service","username":"x"}`, 400, "M_APPSERVICE_LOGIN_UNSUPPORTED"},
		{"I-0C: one that does has no user made here", `{"type":"m.login.application_service","username":"x","inhibit_login":true}`, 404, "M_UNRECOGNIZED"},
		{"I-10: what is no JSON", `x`, 400, "M_NOT_JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			harness.ExpectMatrixError(t, sendJSON(e.For(t), "/_matrix/client/v3/register", tt.body), tt.status, tt.code)
		})
	}
}
