package handlers_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/command"
	"keymaker/internal/harness"
)

// tokenInfo is what `keymaker admin query oauth token-info` says of a token,
// which it must not repeat.
func tokenInfo(e *harness.Env, token string) (info struct {
	Kind      string     `json:"kind"`
	Live      bool       `json:"live"`
	Why       string     `json:"why"`
	UserID    string     `json:"user_id"`
	DeviceID  string     `json:"device_id"`
	ClientID  string     `json:"client_id"`
	SessionID string     `json:"session_id"`
	Scope     string     `json:"scope"`
	IssuedAt  *time.Time `json:"issued_at"`
	ExpiresAt *time.Time `json:"expires_at"`
}) {
	e.T.Helper()
	path := filepath.Join(e.T.TempDir(), "keymaker.toml")
	if err := os.WriteFile(path, []byte(e.Config), 0o600); err != nil {
		e.T.Fatal(err)
	}
	var out, errs bytes.Buffer
	streams := &command.Streams{In: strings.NewReader(token + "\n"), Out: &out, Err: &errs}
	if status := command.Main([]string{"admin", "--config", path, "--json", "query", "oauth", "token-info"}, streams); status != 0 {
		e.T.Fatalf("exit status %d: %s%s", status, out.String(), errs.String())
	}
	if strings.Contains(out.String()+errs.String(), token) {
		e.T.Errorf("the token is repeated: %s%s", out.String(), errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &info); err != nil {
		e.T.Fatal(err)
	}
	return info
}

func TestTokenInfo(t *testing.T) {
	user := "@alice:" + harness.ServerName
	tests := []struct {
		name       string
		token      func(e *harness.Env) string
		kind       string
		live       bool
		why        string // is said
		user, scop string // of the answer; scop is part of the scope
	}{
		{"an access token", func(e *harness.Env) string { return e.LogIn("alice", "DEVICE").Access }, "access_token", true, "", user, "openid"},
		{"a refresh token", func(e *harness.Env) string { return e.LogIn("alice", "DEVICE").Refresh }, "refresh_token", true, "", user, "openid"},
		{"an access token of a legacy client", func(e *harness.Env) string { return e.LogInLegacy("alice", "DEVICE").Access }, "access_token", true, "", user, ""},
		{"a refresh token of a legacy client", func(e *harness.Env) string { return e.LogInLegacy("alice", "DEVICE").Refresh }, "legacy_refresh_token", true, "", user, ""},
		{"a token of a client's own, which is nobody's", func(e *harness.Env) string {
			id, password := e.Register(acting(t, "client_secret_basic"))
			return ownToken(e, id, password, "").Text("access_token")
		}, "client_access_token", true, "", "", ""},
		{"a token of a client's own that it has revoked", func(e *harness.Env) string {
			id, password := e.Register(acting(t, "client_secret_basic"))
			token := ownToken(e, id, password, "").Text("access_token")
			expectStatus(e, e.Do("POST", revokePath, map[string]string{"Content-Type": form, "Authorization": basic(id, password)}, url.Values{"token": {token}}.Encode()), 200)
			return token
		}, "client_access_token", false, "never issued, or has been over for so long", "", ""},
		{"a token of a client's own that was cut", func(e *harness.Env) string {
			id, password := e.Register(acting(t, "client_secret_basic"))
			return ownToken(e, id, password, "").Text("access_token")[:40]
		}, "client_access_token", false, "cut or mistyped", "", ""},
		{"a code", func(e *harness.Env) string {
			id, _ := e.Register(harness.WebClient)
			return approved(e, id, "openid "+harness.ScopeStable+"DEVICE").code
		}, "authorization_code", true, "", user, "openid"},
		{"a code that was exchanged", func(e *harness.Env) string {
			id, _ := e.Register(harness.WebClient)
			g := approved(e, id, "openid "+harness.ScopeStable+"DEVICE")
			expectStatus(e, e.Form(tokenPath, g.values()), 200)
			return g.code
		}, "authorization_code", false, "it has been exchanged", user, "openid"},
		{"a login token", func(e *harness.Env) string { return e.LoginToken(e.NewBrowser(), "alice") }, "login_token", true, "", user, ""},
		{"a device code that nobody has approved", func(e *harness.Env) string { return begin(e).code }, "device_code", true, "nobody has approved it yet", "", "openid"},
		{"a device code that somebody has approved", func(e *harness.Env) string { return approvedDevice(e, "alice").code }, "device_code", true, "", user, "openid"},
		{"a device code that was exchanged", func(e *harness.Env) string {
			d := approvedDevice(e, "alice")
			expectStatus(e, d.poll(e), 200)
			return d.code
		}, "device_code", false, "it has been exchanged", user, ""},
		{"a refresh token that was exchanged, and the answer not used", func(e *harness.Env) string {
			tokens := e.LogIn("alice", "DEVICE")
			e.MustRefresh(tokens.ClientID, tokens.Refresh)
			return tokens.Refresh
		}, "refresh_token", true, "works until the answer to that has been used", user, ""},
		{"a refresh token that was exchanged long ago", func(e *harness.Env) string {
			tokens := e.LogIn("alice", "DEVICE")
			next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
			e.MustRefresh(tokens.ClientID, next.Refresh)
			return tokens.Refresh
		}, "refresh_token", false, "exchanged long ago, or made up", "", ""},
		{"an access token whose session is over", func(e *harness.Env) string {
			tokens := e.LogIn("alice", "DEVICE")
			admin(e, "query", "oauth", "revoke", "alice", "--yes")
			return tokens.Access
		}, "access_token", false, "by admin: ended_by_admin", user, ""},
		{"a refresh token whose session is over", func(e *harness.Env) string {
			tokens := e.LogIn("alice", "DEVICE")
			admin(e, "query", "oauth", "delete", "alice", "--yes")
			return tokens.Refresh
		}, "refresh_token", false, "by admin: ended_by_admin", user, ""},
		{"an access token of a locked user", func(e *harness.Env) string {
			tokens := e.LogIn("alice", "DEVICE")
			admin(e, "user", "lock", "alice")
			return tokens.Access
		}, "access_token", false, "is locked", user, ""},
		{"a refresh token of a suspended user", func(e *harness.Env) string {
			tokens := e.LogIn("alice", "DEVICE")
			admin(e, "user", "suspend", "alice")
			return tokens.Refresh
		}, "refresh_token", true, "is suspended", user, ""},
		{"an access token that was cut", func(e *harness.Env) string {
			token := e.LogIn("alice", "DEVICE").Access
			return token[:len(token)-1]
		}, "access_token", false, "cut or mistyped", "", ""},
		{"a login token that was used", func(e *harness.Env) string {
			token := e.LoginToken(e.NewBrowser(), "alice")
			expectStatus(e, withToken(e, token), 200)
			return token
		}, "login_token", false, "never issued, or has been over for so long", "", ""},
		{"what is no token", func(*harness.Env) string { return "syt_YWxpY2U_abcdefghijklmnop" }, "", false, "no token of this server", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t)
			info := tokenInfo(e, tt.token(e))
			if info.Kind != tt.kind || info.Live != tt.live || info.UserID != tt.user {
				t.Errorf("it is %q, live %v, of %q: %s", info.Kind, info.Live, info.UserID, info.Why)
			}
			if tt.why == "" && info.Why != "" || !strings.Contains(info.Why, tt.why) || !strings.Contains(info.Scope, tt.scop) {
				t.Errorf("why is %q, want %q; the scope is %q", info.Why, tt.why, info.Scope)
			}
			if live := info.Live && info.IssuedAt == nil; live && !strings.Contains(tt.why, "until the answer") {
				t.Errorf("it does not say when it was issued: %+v", info)
			}
		})
	}
	t.Run("a token that has expired, and that is not lost for it", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Now = time.Now().Add(-time.Hour) })
		tokens := e.LogIn("alice", "DEVICE")
		if info := tokenInfo(e, tokens.Access); info.Live || info.Why != "it has expired" || info.DeviceID != "DEVICE" || info.ClientID != tokens.ClientID || info.ExpiresAt == nil {
			t.Errorf("the access token: %+v", info)
		}
		if info := tokenInfo(e, tokens.Refresh); !info.Live || info.SessionID == "" {
			t.Errorf("the refresh token: %+v", info)
		}
	})
	t.Run("looking is no use", func(t *testing.T) {
		e := harness.Start(t)
		tokens := e.LogIn("alice", "DEVICE")
		next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
		tokenInfo(e, next.Access)
		if again := e.MustRefresh(tokens.ClientID, tokens.Refresh); again.Refresh != next.Refresh {
			t.Error("the lost answer is not given again")
		}
		if got := e.WhoAmI(next.Access).Text("user_id"); got != user {
			t.Errorf("the token is that of %q", got)
		}
	})
}
