package handlers_test

import (
	"net/http"
	"net/url"
	"testing"

	"keymaker/internal/harness"
)

func TestClosedAccounts(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	e.LogIn("alice", "FIRST")
	tests := []struct {
		item, column string
		says         string // "" = the login goes on
	}{
		{"C-67", "locked_at", "Your account is locked"},
		{"C-67 K-05", "deactivated_at", "This account is closed"},
		{"C-67 K-04", "suspended_at", ""},
	}
	for _, tt := range tests {
		t.Run(tt.item+": a sign-in with "+tt.column+" set", func(t *testing.T) {
			e := e.For(t)
			setUser(e, "alice", tt.column, true)
			defer setUser(e, "alice", tt.column, false)
			r := e.NewRequest(id, harness.ScopeStable+"CLOSED")
			p := e.NewBrowser().Consent(r, "alice")
			if tt.says == "" {
				expectPage(t, p, http.StatusOK, consentTitle)
				return
			}
			expectPage(t, p, http.StatusForbidden, tt.says)
			expectDenied(t, e, p, r)
		})
		t.Run(tt.item+": an approval when "+tt.column+" was set since the sign-in", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"CLOSED")
			b := e.NewBrowser()
			page := b.Consent(r, "alice")
			setUser(e, "alice", tt.column, true)
			defer setUser(e, "alice", tt.column, false)
			end := b.Decide(page, "approve")
			if tt.says == "" {
				harness.ExpectJSON(t, e.Exchange(r, harness.Returned(end).Get("code")), http.StatusOK)
				return
			}
			expectPage(t, end, http.StatusForbidden, tt.says)
			expectDenied(t, e, end, r)
		})
		if tt.column == "locked_at" {
			continue // tokens of a locked user are kept (K-03)
		}
		t.Run(tt.item+": a code whose user got "+tt.column+" set", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"CLOSED")
			code := e.NewBrowser().Approve(r, "alice").Get("code")
			setUser(e, "alice", tt.column, true)
			defer setUser(e, "alice", tt.column, false)
			if a := e.Exchange(r, code); (a.Status == http.StatusOK) != (tt.says == "") {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
}

// expectDenied wants a button that tells the client access_denied.
func expectDenied(t *testing.T, e *harness.Env, p harness.Page, r harness.Request) {
	t.Helper()
	if links := p.Links(); len(links) != 1 {
		t.Fatalf("C-67: the page links to %q", links)
	}
	expectError(t, e, parameters(must(url.Parse(p.Links()[0]))), r, "access_denied")
}

// setUser does to a user what only an administrator can.
func setUser(e *harness.Env, localpart, column string, on bool) {
	e.T.Helper()
	var at any
	if on {
		at = e.Clock.Now().UnixMilli()
	}
	execute(e, "UPDATE users SET "+column+" = ? WHERE localpart = ?", at, localpart)
}

func TestDevicesAreTakenOver(t *testing.T) {
	e := harness.Start(t)
	first := e.LogIn("alice", "SHARED")
	harness.ExpectJSON(t, e.As(first.Access, http.MethodPut, devicesPath+"/SHARED", `{"display_name":"My phone"}`), http.StatusOK)
	bobs := e.LogIn("bob", "SHARED")
	id, _ := e.Register(harness.WebClient)
	r := e.NewRequest(id, harness.ScopeStable+"SHARED")
	b := e.NewBrowser()
	code := b.Approve(r, "alice").Get("code")
	t.Run("C-63: until the code is exchanged the old tokens work", func(t *testing.T) {
		expectAlive(t, e.For(t), first.Access)
	})
	second := e.Exchange(r, code)
	t.Run("C-63: then the old access token is dead, and says so without soft_logout (K-01)", func(t *testing.T) {
		a := e.For(t).WhoAmI(first.Access)
		harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		if a.JSON()["soft_logout"] == true {
			t.Error("soft_logout is true")
		}
	})
	t.Run("C-63: so is the old refresh token", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Refresh(first.ClientID, first.Refresh))
	})
	t.Run("C-63: the new ones work, and the device is the same", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, second.Text("access_token"))
		if a := e.As(second.Text("access_token"), http.MethodGet, devicesPath+"/SHARED", ""); a.Text("display_name") != "My phone" {
			t.Errorf("the device is %s", a.Body)
		}
		e.MustRefresh(id, second.Text("refresh_token"))
	})
	t.Run("C-64: the device of that id of another user has nothing to do with it", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, bobs.Access)
		e.MustRefresh(bobs.ClientID, bobs.Refresh)
	})
}
