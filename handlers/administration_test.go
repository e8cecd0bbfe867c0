package handlers_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/demoidp"
	"keymaker/internal/harness"
)

// administration are the scope tokens that only administrators are granted.
var administration = []string{"urn:synapse:admin:*", "urn:matrix:client:server_administration"}

// administrators are alice, whom the configuration names, and whom the identity
// provider puts into the group of administrators.
func administrators(o *harness.Options) {
	o.Global = "admin_users = [\"@alice:example.org\"]"
	o.Provider = "admin_claim = \"/realm/groups\"\nadmin_values = [\"matrix admins\"]"
}

// group puts bob into a group at the identity provider.
func group(e *harness.Env, names ...any) {
	e.T.Helper()
	if err := e.IDP.SetUser(demoidp.User{Subject: "subject-bob", Username: "bob", Name: "Bob", Claims: map[string]any{"realm": map[string]any{"groups": names}}}); err != nil {
		e.T.Fatal(err)
	}
}

// administrates tells whether a scope has the tokens of administrators: all of
// them, or none.
func administrates(e *harness.Env, scope string) bool {
	e.T.Helper()
	n := 0
	for token := range strings.SplitSeq(scope, " ") {
		if slices.Contains(administration, token) {
			n++
		}
	}
	if n != 0 && n != len(administration) {
		e.T.Errorf("the scope is %q", scope)
	}
	return n > 0
}

// asked is a request for the scopes of administrators.
func asked(e *harness.Env, device string) harness.Request {
	e.T.Helper()
	id, _ := e.Register(harness.WebClient)
	return e.NewRequest(id, harness.ScopeStable+device+" "+strings.Join(administration, " "))
}

const administerWarning = "wants to administer this homeserver"

func TestAdministration(t *testing.T) {
	for _, tt := range []struct {
		name, user string
		groups     []any
		want       bool
	}{
		{"C-3D: who is named in the configuration is asked, and may", "alice", nil, true},
		{"C-3D: whom the claims mark is asked, and may", "bob", []any{"users", "matrix admins"}, true},
		{"C-3D: anybody else is not asked, and may not", "bob", []any{"users", "matrix admins of another server"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t, administrators).For(t)
			group(e, tt.groups...)
			r, b := asked(e, "ADMINDEVICE"), e.NewBrowser()
			page := b.Consent(r, tt.user)
			if got := strings.Contains(page.Text(), administerWarning); got != tt.want || strings.Contains(page.Text(), "administer the homeserver: every account") != tt.want {
				t.Errorf("the page says\n%s", page.Text())
			}
			a := e.Exchange(r, harness.Returned(b.Decide(page, "approve")).Get("code"))
			if got := administrates(e, a.Text("scope")); got != tt.want {
				t.Errorf("granted %q", a.Text("scope"))
			}
			if got := administrates(e, e.Introspect(a.Text("access_token")).Text("scope")); got != tt.want {
				t.Errorf("introspection says %v", got)
			}
			if next := e.Refresh(r.ClientID, a.Text("refresh_token")); administrates(e, next.Text("scope")) != tt.want {
				t.Errorf("refreshed to %s", next.Body)
			}
		})
	}
	for _, tt := range []struct {
		name, scope, code string
		global            string
	}{
		{"C-3D: without the api it is refused", "openid urn:synapse:admin:*", "invalid_scope", ""},
		{"C-3D C-3A: it is known where scopes are read strictly", harness.ScopeStable + "STRICT urn:synapse:admin:*", "", "oidc_strict_scope = true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t, administrators, func(o *harness.Options) { o.Global += "\n" + tt.global }).For(t)
			id, _ := e.Register(harness.WebClient)
			r := e.NewRequest(id, tt.scope)
			if tt.code != "" {
				expectReturn(t, e, e.NewBrowser().Authorize(r), r, tt.code)
				return
			}
			if got := e.LogInWith(r, "bob").Scope; got != harness.ScopeStable+"STRICT" {
				t.Errorf("granted %q to somebody else", got)
			}
		})
	}
	t.Run("C-3D A-03u: it is advertised where anybody can have it", func(t *testing.T) {
		for _, with := range []bool{false, true} {
			e := harness.Start(t, func(o *harness.Options) {
				if with {
					administrators(o)
				}
			}).For(t)
			supported, _ := e.Get("/.well-known/openid-configuration").JSON()["scopes_supported"].([]any)
			for _, token := range administration {
				if slices.Contains(supported, any(token)) != with {
					t.Errorf("with administrators %v: %v", with, supported)
				}
			}
		}
	})
}

func TestAdministrationIsLost(t *testing.T) {
	for _, tt := range []struct {
		name, user string
		lose       func(e *harness.Env)
	}{
		{"C-3D: when the configuration no longer names the user", "alice", func(e *harness.Env) {
			e.Config = strings.Replace(e.Config, `"@alice:example.org"`, `"carol"`, 1)
			e.Restart()
		}},
		{"C-3D: when the claims of the next sign-in mark nobody", "bob", func(e *harness.Env) {
			group(e, "users")
			e.LogIn("bob", "OTHERDEVICE")
		}},
		{"C-3D: when the claims are not asked any more", "bob", func(e *harness.Env) {
			e.Config = strings.Replace(e.Config, "admin_claim", "#", 1)
			e.Restart()
		}},
		{"C-3D: when the account is suspended", "alice", func(e *harness.Env) {
			if _, err := e.Server.Store().SuspendUser(t.Context(), "alice"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t, administrators).For(t)
			group(e, "matrix admins")
			r := asked(e, "ADMINDEVICE")
			before := e.LogInWith(r, tt.user)
			if !administrates(e, before.Scope) {
				t.Fatalf("granted %q", before.Scope)
			}
			tt.lose(e)
			a := e.Introspect(before.Access)
			if a.JSON()["active"] != true || administrates(e, a.Text("scope")) {
				t.Errorf("introspection says %s", a.Body)
			}
			after := e.Form(tokenPath, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {before.Refresh}, "client_id": {r.ClientID}, "scope": {before.Scope}})
			if after.Status != 200 || after.Text("scope") != harness.ScopeStable+"ADMINDEVICE" {
				t.Errorf("the refresh answers %d %s", after.Status, after.Body)
			}
			if a := e.WhoAmI(after.Text("access_token")); a.Text("device_id") != "ADMINDEVICE" {
				t.Errorf("the session is gone: %s", a.Body)
			}
		})
	}
}

func TestAdministrationByDeviceGrant(t *testing.T) {
	e := harness.Start(t, administrators)
	for _, tt := range []struct {
		name, user string
		want       bool
	}{
		{"C-3D G-10: an administrator is asked, and the device may", "alice", true},
		{"C-3D G-10: anybody else is not asked, and the device may not", "bob", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			id, _ := e.Register(deviceOnly)
			a := e.Form(deviceAuthorizationPath, url.Values{"client_id": {id}, "scope": {harness.ScopeStable + "DEVICE" + tt.user + " " + strings.Join(administration, " ")}})
			expectStatus(e, a, 200)
			b := e.NewBrowser()
			page := enter(e, b, a.Text("user_code"), tt.user)
			if strings.Contains(page.Text(), administerWarning) != tt.want {
				t.Errorf("the page says\n%s", page.Text())
			}
			action, values := b.Fields(page)
			values.Set("decision", "approve")
			values.Set("own_device", "yes")
			b.Post(page, action, values)
			if tt.user == "bob" { // who is one only after the answer has not been asked
				e.Config = strings.Replace(e.Config, `"@alice:example.org"`, `"bob"`, 1)
				e.Restart()
			}
			got := deviceFlow{clientID: id, code: a.Text("device_code")}.poll(e)
			if administrates(e, got.Text("scope")) != tt.want || administrates(e, e.Introspect(got.Text("access_token")).Text("scope")) != tt.want {
				t.Errorf("the device gets %s", got.Body)
			}
		})
	}
}

func TestAdministrationBehindSynapse(t *testing.T) {
	b := behindSynapse(t, administrators)
	for user, want := range map[string]bool{"alice": true, "bob": false} {
		t.Run("C-3D F-04: the homeserver is told of "+user, func(t *testing.T) {
			b := b.at(t)
			tokens := b.LogInWith(asked(b.Env, "ADMIN"+user), user)
			if a := b.home.Ask(t.Context(), tokens.Access); a.Status != 200 || a.Admin != want {
				t.Errorf("the homeserver sees %+v", a)
			}
		})
	}
}
