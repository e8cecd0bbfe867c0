package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/demoidp"
	"keymaker/internal/e2ekeys/e2ekeystest"
	"keymaker/internal/harness"
)

// TestDeviceIsNoKey: what a device and a cross-signing key sign could be taken
// for each other's if both had the same id.
func TestDeviceIsNoKey(t *testing.T) {
	e := harness.Start(t, unlimited)
	phone := newKeysDevice(e, "alice", "PHONE")
	alice := e2ekeystest.NewIdentity(t, aliceID)
	key := urlSafe(t, &alice).UserSigning.Public
	harness.ExpectJSON(t, phone.post(e, crossSigningPath, alice.Upload()), http.StatusOK)
	id, _ := e.Register(harness.WebClient)
	t.Run("C-39: an authorization with a device id that is a key of the user leads back with invalid_scope", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		r := e.NewRequest(id, harness.ScopeStable+key)
		p := b.SignIn(b.Visit(authorizePath+"?"+r.Values.Encode()), "alice")
		expectPage(t, p, http.StatusBadRequest, "")
		back := ""
		for _, link := range p.Links() {
			if strings.HasPrefix(link, harness.WebRedirect) {
				back = link
			}
		}
		q := must(url.Parse(back)).Query()
		if q.Get("error") != "invalid_scope" || q.Get("state") == "" || p.Has("form") {
			t.Errorf("the page leads back to %q:\n%s", back, p.HTML)
		}
	})
	t.Run("C-39: the same device id is good for another user", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogInWith(e.NewRequest(id, harness.ScopeStable+key), "bob")
		if who := e.WhoAmI(tokens.Access); who.Text("device_id") != key {
			t.Errorf("the device is %s", who.Body)
		}
	})
	t.Run("I-0A C-39: a legacy login with it is 403 M_FORBIDDEN", func(t *testing.T) {
		e := e.For(t)
		body := marshal(t, map[string]any{"type": "m.login.token", "token": e.LoginToken(e.NewBrowser(), "alice"), "device_id": key})
		a := e.Do(http.MethodPost, "/_matrix/client/v3/login", map[string]string{"Content-Type": "application/json"}, body)
		harness.ExpectMatrixError(t, a, http.StatusForbidden, "M_FORBIDDEN")
		if list := string(e.As(phone.tokens.Access, http.MethodGet, devicesPath, "").Body); strings.Contains(list, key) {
			t.Errorf("the devices are %s", list)
		}
	})
	t.Run("C-39: a code for it that was approved before the key came gets no tokens", func(t *testing.T) {
		e := e.For(t)
		bob := e2ekeystest.NewIdentity(t, "@bob:example.org")
		key := urlSafe(t, &bob).UserSigning.Public
		bobs := newKeysDevice(e, "bob", "BOBSPHONE")
		r := e.NewRequest(id, harness.ScopeStable+key)
		code := e.NewBrowser().Approve(r, "bob").Get("code")
		harness.ExpectJSON(t, bobs.post(e, crossSigningPath, bob.Upload()), http.StatusOK)
		harness.ExpectOAuthError(t, e.Exchange(r, code), http.StatusBadRequest, "invalid_scope")
	})
}

// TestDeviceGrantIsNoKey: a device that shows a code asks before anybody knows
// whose it will be.
func TestDeviceGrantIsNoKey(t *testing.T) {
	e := harness.Start(t, unlimited)
	phone := newKeysDevice(e, "alice", "PHONE")
	alice := e2ekeystest.NewIdentity(t, aliceID)
	key := urlSafe(t, &alice).UserSigning.Public
	harness.ExpectJSON(t, phone.post(e, crossSigningPath, alice.Upload()), http.StatusOK)
	scope := url.Values{"scope": {harness.ScopeStable + key}}
	t.Run("C-39: a device that would be a key of the user is not offered for approval, and gets nothing", func(t *testing.T) {
		e := e.For(t)
		d, b := beginWith(e, scope), e.NewBrowser()
		p := enter(e, b, d.userCode, "alice")
		expectPage(t, p, http.StatusBadRequest, "The app made a mistake")
		if p.Has("form") {
			t.Errorf("the page has a form:\n%s", p.HTML)
		}
		harness.ExpectOAuthError(t, d.poll(e), http.StatusBadRequest, "authorization_pending")
		if list := string(e.As(phone.tokens.Access, http.MethodGet, devicesPath, "").Body); strings.Contains(list, key) {
			t.Errorf("the devices are %s", list)
		}
	})
	t.Run("C-39: an approval is refused when the key came while the question was open", func(t *testing.T) {
		e := e.For(t)
		if err := e.IDP.SetUser(demoidp.User{Subject: "subject-carol", Username: "carol"}); err != nil {
			t.Fatal(err)
		}
		carol := e2ekeystest.NewIdentity(t, "@carol:example.org")
		key := urlSafe(t, &carol).UserSigning.Public
		carols := newKeysDevice(e, "carol", "CAROLSPHONE")
		d, b := beginWith(e, url.Values{"scope": {harness.ScopeStable + key}}), e.NewBrowser()
		asked := enter(e, b, d.userCode, "carol")
		expectPage(t, asked, http.StatusOK, "use your account?")
		harness.ExpectJSON(t, carols.post(e, crossSigningPath, carol.Upload()), http.StatusOK)
		expectPage(t, b.Decide(asked, "approve"), http.StatusBadRequest, "The app made a mistake")
		harness.ExpectOAuthError(t, d.poll(e), http.StatusBadRequest, "authorization_pending")
	})
	t.Run("C-39: the same device id is good for another user's device", func(t *testing.T) {
		e := e.For(t)
		d, b := beginWith(e, scope), e.NewBrowser()
		expectPage(t, b.Decide(enter(e, b, d.userCode, "bob"), "approve"), http.StatusOK, "Your device is connected")
		if who := e.WhoAmI(d.poll(e).Text("access_token")); who.Text("device_id") != key {
			t.Errorf("the device is %s", who.Body)
		}
	})
	t.Run("C-39: a device that was approved before the key came gets no tokens", func(t *testing.T) {
		e := e.For(t)
		bob := e2ekeystest.NewIdentity(t, "@bob:example.org")
		key := urlSafe(t, &bob).UserSigning.Public
		bobs := newKeysDevice(e, "bob", "BOBSPHONE")
		d, b := beginWith(e, url.Values{"scope": {harness.ScopeStable + key}}), e.NewBrowser()
		expectPage(t, b.Decide(enter(e, b, d.userCode, "bob"), "approve"), http.StatusOK, "Your device is connected")
		harness.ExpectJSON(t, bobs.post(e, crossSigningPath, bob.Upload()), http.StatusOK)
		harness.ExpectOAuthError(t, d.poll(e), http.StatusBadRequest, "invalid_scope")
	})
}

func TestDehydratedDevice(t *testing.T) {
	e := harness.Start(t, unlimited)
	d := newKeysDevice(e, "alice", "DEHYDRATED")
	id, _ := e.Register(harness.WebClient)
	t.Run("C-65: the person is told before the id of a dehydrated device is taken over", func(t *testing.T) {
		e := e.For(t)
		dehydrated := e2ekeystest.Object{"device_keys": d.Sign(d.Keys.With("dehydrated", true))}
		harness.ExpectJSON(t, d.post(e, keysUploadPath, dehydrated), http.StatusOK)
		b := e.NewBrowser()
		p := b.SignIn(b.Visit(authorizePath+"?"+e.NewRequest(id, harness.ScopeStable+"DEHYDRATED").Values.Encode()), "alice")
		expectPage(t, p, http.StatusOK, "You already have a session with this device ID.")
		wantAt(t, d.query(e, aliceID), true, "device_keys", aliceID, "DEHYDRATED", "dehydrated")
	})
}
