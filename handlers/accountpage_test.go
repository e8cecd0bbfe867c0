package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

const (
	accountPath = "/_tuwunel/oidc/account"
	accountSays = "Your password is kept there"
)

func TestAccountHome(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Provider = "name = \"The <demo> one\"" })
	b := e.NewBrowser()
	t.Run("H-01 A-24: without a session it leads through the provider to the account", func(t *testing.T) {
		b := b.For(t)
		p := b.SignIn(b.Visit(accountPath), "alice")
		expectPage(t, p, http.StatusOK, "Signed in as @alice:example.org")
		if p.Request.URL.RequestURI() != accountPath || !strings.Contains(p.Text(), accountSays) {
			t.Errorf("ended at %s:\n%s", p.Request.URL, p.Text())
		}
	})
	t.Run("A-24: it says where the password is kept", func(t *testing.T) {
		expectPage(t, b.For(t).Visit(accountPath), http.StatusOK,
			"You sign in with The <demo> one. Your password is kept there and not at example.org: to change it, go to The <demo> one.")
	})
	id, _ := e.Register(metadataOf(t, map[string]any{"client_name": "<b>Bold</b> \u202eapp"}))
	e.LogInWith(e.NewRequest(id, harness.ScopeStable+"HOMEDEVICE"), "alice")
	e.LogInLegacy("alice", "OLDDEVICE")
	e.LogIn("bob", "BOBSDEVICE")
	t.Run("H-01 L-23: it lists the person's sessions, and nobody else's", func(t *testing.T) {
		p := b.For(t).Visit(accountPath)
		expectPage(t, p, http.StatusOK, "New sign-ins")
		seen := e.Clock.Now().UTC().Format("2006-01-02 15:04 UTC")
		for _, says := range []string{"App <b>Bold</b> app", "Device ID HOMEDEVICE", "Device ID OLDDEVICE", "Last seen " + seen} {
			expectPage(t, p, http.StatusOK, says)
		}
		if strings.Contains(p.HTML, "BOBSDEVICE") || strings.Contains(p.HTML, "\u202e") {
			t.Errorf("the page says too much:\n%s", p.Text())
		}
	})
	t.Run("H-02: an unknown action shows the home", func(t *testing.T) {
		b := b.For(t)
		for _, action := range []string{"org.example.unknown", "", "%3Cscript%3E", "ORG.MATRIX.DEVICES_LIST", "org.matrix.plan_management"} {
			expectPage(t, b.Visit(accountPath+"?action="+action), http.StatusOK, accountSays)
		}
	})
	t.Run("H-08: the person stays signed in for two weeks", func(t *testing.T) {
		e.Clock.Advance(14*24*time.Hour - time.Minute)
		expectPage(t, b.Visit(accountPath), http.StatusOK, accountSays)
		e.Clock.Advance(time.Hour)
		a := e.For(t).Do(http.MethodGet, accountPath, map[string]string{"Cookie": b.Cookie()}, "")
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), e.IDP.Issuer) {
			t.Errorf("status %d to %q", a.Status, a.Header.Get("Location"))
		}
	})
}

func TestAccountHomeIsProtected(t *testing.T) {
	e := harness.Start(t)
	b := e.NewBrowser()
	b.SignIn(b.Visit(accountPath), "alice")
	t.Run("H-09 L-08 L-09 L-10: the page has every header of a page", func(t *testing.T) {
		a := e.For(t).Do(http.MethodGet, accountPath, map[string]string{"Cookie": b.Cookie()}, "")
		if a.Status != http.StatusOK {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		expectPageHeaders(t, a.Header)
	})
	t.Run("H-09: so has the way to the provider", func(t *testing.T) {
		a := e.For(t).Get(accountPath)
		if a.Status != http.StatusSeeOther {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		expectPageHeaders(t, a.Header)
	})
	t.Run("A-37 L-13: no other origin can read it", func(t *testing.T) {
		a := e.For(t).Do(http.MethodGet, accountPath, map[string]string{"Cookie": b.Cookie(), "Origin": webOrigin}, "")
		if got := a.Header.Get("Access-Control-Allow-Origin"); a.Status != http.StatusOK || got != "" {
			t.Errorf("status %d, Access-Control-Allow-Origin %q", a.Status, got)
		}
	})
	t.Run("H-08: another browser's cookie is worth nothing", func(t *testing.T) {
		a := e.For(t).Do(http.MethodGet, accountPath, map[string]string{"Cookie": "keymaker_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "")
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), e.IDP.Issuer) {
			t.Errorf("status %d to %q", a.Status, a.Header.Get("Location"))
		}
	})
	for _, tt := range []struct{ column, says string }{{"locked_at", "Your account is locked"}, {"deactivated_at", "This account is closed"}} {
		t.Run("C-67: the account page of a user with "+tt.column, func(t *testing.T) {
			e := e.For(t)
			setUser(e, "alice", tt.column, true)
			defer setUser(e, "alice", tt.column, false)
			expectPage(t, b.SignIn(b.Visit(accountPath), "alice"), http.StatusForbidden, tt.says)
			other := e.NewBrowser()
			expectPage(t, other.SignIn(other.Visit(accountPath), "alice"), http.StatusForbidden, tt.says)
		})
	}
}

// expectDeepLink wants an account page, with the parameters of the deep link.
func expectDeepLink(t *testing.T, p harness.Page, status int, says string, query url.Values) {
	t.Helper()
	expectPage(t, p, status, says)
	if got := p.Request.URL; got.Path != accountPath || got.Query().Encode() != query.Encode() {
		t.Errorf("ended at %s, want the parameters %v", got, query)
	}
}

// follow opens a link of a page, by its place among them.
func follow(t *testing.T, b *harness.Browser, p harness.Page, place int) harness.Page {
	t.Helper()
	links := p.Links()
	if place >= len(links) {
		t.Fatalf("status %d at %s, with the links %q:\n%s", p.StatusCode, p.Request.URL, links, p.Text())
	}
	return b.Visit(links[place])
}

func TestAccountDeepLink(t *testing.T) {
	second := demoidptest.Start(t, func(o *demoidptest.Options) { o.ClientID = "second" })
	e := harness.Start(t, func(o *harness.Options) {
		o.Extra = fmt.Sprintf("[[global.identity_provider]]\nbrand = \"Second\"\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n",
			second.ClientID, second.ClientSecret, second.Issuer)
	})
	second.SetRedirectURIs(e.URL + "/_matrix/client/unstable/login/sso/callback/second")
	e.Origins = []string{second.Issuer}
	query := url.Values{"action": {"org.matrix.device_delete"}, "device_id": {"AB+/c d&e=<f>"}, "ui_locales": {"en"}}
	link := accountPath + "?" + query.Encode()
	t.Run("H-03: the parameters come through the choice and the provider", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		choice := b.Visit(link)
		expectPage(t, choice, http.StatusOK, "Choose how you want to sign in.")
		expectDeepLink(t, b.SignIn(follow(t, b, choice, 1), "bob"), http.StatusNotFound, "This session is not there any more.", query)
	})
	t.Run("H-03: a sign-in that was cancelled can be tried again", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		state := stateOf(t, b.Visit(link+"&idp_id="+e.IDP.ClientID))
		cancelled := back(b, e, url.Values{"error": {"access_denied"}, "state": {state}})
		expectPage(t, cancelled, http.StatusForbidden, "Try again")
		choice := follow(t, b, cancelled, 0)
		expectDeepLink(t, b.SignIn(follow(t, b, choice, 0), "alice"), http.StatusNotFound, "This session is not there any more.", query)
	})
	t.Run("H-03: whoever has another account signs in anew, at any provider", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		page := b.SignIn(follow(t, b, b.Visit(link), 0), "alice")
		expectPage(t, page, http.StatusNotFound, "@alice:example.org Not you?")
		choice := b.Visit(link + "&switch=1")
		expectPage(t, choice, http.StatusOK, "Choose how you want to sign in.")
		login := follow(t, b, choice, 1)
		if !strings.HasPrefix(login.Request.URL.String(), second.Issuer) {
			t.Fatalf("nobody was asked: %s", login.Request.URL)
		}
		expectDeepLink(t, b.SignIn(login, "bob"), http.StatusNotFound, "This session is not there any more.", query)
	})
	t.Run("H-03 L-07: the way back is of the browser that began it", func(t *testing.T) {
		e := e.For(t)
		state := stateOf(t, e.NewBrowser().Visit(link+"&idp_id="+e.IDP.ClientID))
		expectPage(t, back(e.NewBrowser(), e, url.Values{"code": {"x"}, "state": {state}}), http.StatusForbidden, "belongs to another browser")
	})
	t.Run("L-02: the parameters lead nowhere else", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		evil := url.Values{"return": {"https://evil.example.net/"}, "redirect_uri": {"//evil.example.net"}, "Return": {"/\\evil.example.net"}}
		choice := b.Visit(accountPath + "?" + evil.Encode())
		expectDeepLink(t, b.SignIn(follow(t, b, choice, 0), "alice"), http.StatusOK, accountSays, evil)
	})
}

// title is the heading of a page.
func title(p harness.Page) string {
	_, heading, _ := strings.Cut(p.HTML, "<h1>")
	heading, _, _ = strings.Cut(heading, "</h1>")
	return heading
}

func TestAccountIsAdvertised(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.FinalSlash = true })
	want := e.URL + accountPath
	t.Run("A-03k H-01: account_management_uri has neither query nor fragment", func(t *testing.T) {
		if got := e.For(t).Get(metadataPath).Text("account_management_uri"); got != want {
			t.Errorf("account_management_uri is %q, want %q", got, want)
		}
	})
	t.Run("A-03m H-10: every action that is named has its page, and the older spellings of the device actions are there", func(t *testing.T) {
		e := e.For(t)
		actions, _ := e.Get(metadataPath).JSON()["account_management_actions_supported"].([]any)
		b := e.NewBrowser()
		home := b.SignIn(b.Visit(accountPath), "alice")
		for _, want := range []string{"org.matrix.devices_list", "org.matrix.device_view", "org.matrix.device_delete", "org.matrix.cross_signing_reset",
			"org.matrix.sessions_list", "org.matrix.session_view", "org.matrix.session_end"} {
			if !slices.Contains(actions, any(want)) {
				t.Errorf("%s is missing in %v", want, actions)
			}
		}
		for _, action := range actions {
			p := b.Visit(fmt.Sprintf("%s?action=%s", accountPath, action))
			if p.StatusCode != http.StatusOK || title(p) == title(home) {
				t.Errorf("%s shows %q with status %d", action, title(p), p.StatusCode)
			}
		}
	})
	t.Run("A-13: the client well-known names the account", func(t *testing.T) {
		var doc struct {
			Authentication struct{ Account string } `json:"org.matrix.msc2965.authentication"`
		}
		a := e.For(t).Get("/.well-known/matrix/client")
		if err := json.Unmarshal(a.Body, &doc); err != nil || doc.Authentication.Account != want {
			t.Errorf("status %d, %v: %s", a.Status, err, a.Body)
		}
	})
	t.Run("A-24: change-password leads to the account", func(t *testing.T) {
		a := e.For(t).Do(http.MethodGet, "/.well-known/change-password", map[string]string{"Host": "evil.example.net"}, "")
		if a.Status != http.StatusSeeOther || a.Header.Get("Location") != want {
			t.Errorf("status %d to %q", a.Status, a.Header.Get("Location"))
		}
		expectCORS(t, a)
	})
}
