package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
	"keymaker/store"
)

const (
	resetPath  = "/_tuwunel/oidc/reset"
	resetLink  = accountPath + "?action=org.matrix.cross_signing_reset"
	resetSays  = "The app below wants to replace the keys"
	resetDone  = "The reset is allowed"
	otherSays  = "That was another account"
	staleSays  = "We need you to sign in once more"
	secondName = "second"
)

// resetEnv has a second provider, at which alice is the same user.
func resetEnv(t *testing.T, configure ...func(*harness.Options)) (e *harness.Env, second *demoidptest.Server) {
	t.Helper()
	second = demoidptest.Start(t, func(o *demoidptest.Options) {
		o.ClientID, o.Clock = secondName, nowFunc(func() time.Time { return e.Clock.Now() })
	})
	e = harness.Start(t, append([]func(*harness.Options){func(o *harness.Options) {
		o.Provider = "default = true"
		o.Extra = "[[global.identity_provider]]\nbrand = \"Second\"\nclient_id = \"" + secondName + "\"\nclient_secret = \"" + second.ClientSecret +
			"\"\nissuer_url = \"" + second.Issuer + "\"\ntrusted = true\n"
	}}, configure...)...)
	e.Origins = []string{second.Issuer}
	second.SetRedirectURIs(e.URL + "/_matrix/client/unstable/login/sso/callback/" + secondName)
	return e, second
}

// nowFunc is a clock.
type nowFunc func() time.Time

// Now implements clock.Clock.
func (f nowFunc) Now() time.Time { return f() }

// logInAt logs a user in on a device, with an account at one of the providers.
func logInAt(e *harness.Env, provider, user, device string) harness.Tokens {
	e.T.Helper()
	id, _ := e.Register(harness.WebClient)
	r := e.NewRequest(id, harness.ScopeStable+device)
	r.Values.Set("idp_id", provider)
	return e.LogInWith(r, user)
}

// waiting is a device that waits for an approval.
type waiting struct {
	e       *harness.Env
	user    string
	session string
	id      string
}

// waits lets a device of a user wait for an approval.
func waits(e *harness.Env, user, device string) waiting {
	e.T.Helper()
	live, err := e.Server.Store().LiveSessions(e.T.Context(), user)
	if err != nil {
		e.T.Fatal(err)
	}
	for _, l := range live {
		if l.DeviceID != device {
			continue
		}
		id, err := e.Server.Store().BeginUIA(e.T.Context(), user, l.ID)
		if err != nil {
			e.T.Fatal(err)
		}
		return waiting{e, user, l.ID, id}
	}
	e.T.Fatalf("%s has no device %s", user, device)
	return waiting{}
}

func (w waiting) page() string { return resetPath + "?session=" + w.id }

// expectApproved wants the device to be allowed to replace the keys, or not.
func (w waiting) expectApproved(t *testing.T, want bool) {
	t.Helper()
	got, err := w.e.Server.Store().ResetApproved(t.Context(), w.user, w.session)
	if err != nil || got != want {
		t.Errorf("approved %t, error %v; want %t", got, err, want)
	}
}

// expectReset wants a page on the way to an approval, which may tell its opener
// how it went.
func expectReset(t *testing.T, p harness.Page, status int, says string) {
	t.Helper()
	if got := p.Header.Get("Cross-Origin-Opener-Policy"); got != "unsafe-none" {
		t.Errorf("J-20: Cross-Origin-Opener-Policy is %q", got)
	}
	p.Header.Set("Cross-Origin-Opener-Policy", "same-origin")
	expectPage(t, p, status, says)
}

func TestReset(t *testing.T) {
	e, _ := resetEnv(t)
	logInAt(e, e.IDP.ClientID, "alice", "FIRST")
	w := waits(e, "alice", "FIRST")
	t.Run("J-20: the page signs the person in afresh, says what is lost, and changes nothing", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		for range 2 { // a second visit has the proof
			p := b.SignIn(b.Visit(w.page()), "alice")
			expectReset(t, p, http.StatusOK, resetSays)
			for _, says := range []string{"What you lose", "Old encrypted messages", "your identity has changed", "@alice:example.org", "Device ID FIRST"} {
				if !strings.Contains(p.Text(), says) {
					t.Errorf("the page does not say %q:\n%s", says, p.Text())
				}
			}
			if p.Has("script") {
				t.Error("the page has a script")
			}
		}
		w.expectApproved(t, false)
		if strings.Contains(b.Cookie(), "keymaker_session") {
			t.Errorf("the browser is signed in: %s", b.Cookie())
		}
	})
	t.Run("J-20: whoever is signed in at the provider has to sign in anew", func(t *testing.T) {
		b := atHome(e.For(t), "alice")
		a := e.For(t).Do(http.MethodGet, w.page(), map[string]string{"Cookie": b.Cookie()}, "")
		to := must(url.Parse(a.Header.Get("Location")))
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(to.String(), e.IDP.Issuer+"/") {
			t.Fatalf("status %d to %s", a.Status, to)
		}
		if q := to.Query(); q.Get("prompt") != "login" || q.Get("max_age") != "0" {
			t.Errorf("prompt is %q and max_age %q", q.Get("prompt"), q.Get("max_age"))
		}
		if p := b.Visit(w.page()); !strings.HasPrefix(p.Request.URL.String(), e.IDP.Issuer+"/") {
			t.Errorf("the browser is at %s:\n%s", p.Request.URL, p.Text())
		}
	})
	t.Run("J-20: Cancel keeps everything, and uses the proof up", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		p := b.SignIn(b.Visit(w.page()), "alice")
		expectReset(t, b.Decide(p, "cancel"), http.StatusOK, "Nothing has changed")
		w.expectApproved(t, false)
		if p := b.Visit(w.page()); !strings.HasPrefix(p.Request.URL.String(), e.IDP.Issuer+"/") {
			t.Errorf("the browser is at %s", p.Request.URL)
		}
	})
	t.Run("J-20: the POST approves, tells the opener by a script of ours, and works without", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		p := b.SignIn(b.Visit(w.page()), "alice")
		end := b.Decide(p, "approve")
		expectReset(t, end, http.StatusOK, resetDone)
		w.expectApproved(t, true)
		if policy := end.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; script-src 'self'") {
			t.Errorf("the policy is %q", policy)
		}
		_, after, found := strings.Cut(end.HTML, `<script src="`)
		src, _, _ := strings.Cut(after, `"`)
		script := string(e.Get(src).Body)
		if !found || !strings.Contains(script, "window.onAuthDone()") || !strings.Contains(script, `window.opener.postMessage("authDone", "*")`) {
			t.Errorf("the script %q is %s", src, script)
		}
		expectReset(t, b.Decide(p, "approve"), http.StatusOK, resetDone) // a second press
	})
	t.Run("J-23: the audit log has it, and nothing is revoked", func(t *testing.T) {
		e := e.For(t)
		tokens := logInAt(e, e.IDP.ClientID, "alice", "AUDITED")
		w := waits(e, "alice", "AUDITED")
		b := e.NewBrowser()
		expectReset(t, b.Decide(b.SignIn(b.Visit(w.page()), "alice"), "approve"), http.StatusOK, resetDone)
		events, err := e.Server.Store().AuditEvents(t.Context(), "alice", 1)
		if err != nil || events[0].Action != store.ActionResetApproved || events[0].DeviceID != "AUDITED" || events[0].SessionID != w.session {
			t.Errorf("the newest event is %+v, error %v", events, err)
		}
		expectAlive(t, e, tokens.Access)
	})
}

func TestResetFromTheAccount(t *testing.T) {
	e, _ := resetEnv(t)
	logInAt(e, e.IDP.ClientID, "alice", "MINE")
	e.LogInLegacy("alice", "OLDONE")
	logInAt(e, e.IDP.ClientID, "bob", "BOBS")
	w := waits(e, "alice", "MINE")
	t.Run("H-02 J-20: without a session the person picks one of their OIDC devices", func(t *testing.T) {
		b := atHome(e.For(t), "alice")
		p := b.Visit(resetLink)
		expectPage(t, p, http.StatusOK, "Choose the app with which you want to go on")
		link := ""
		for _, l := range p.Links() {
			if strings.Contains(l, "device_id=") {
				if link != "" || !strings.HasSuffix(l, "device_id=MINE") {
					t.Errorf("there is a link to %s", l)
				}
				link = l
			}
		}
		p = b.SignIn(b.Visit(link), "alice")
		expectReset(t, p, http.StatusOK, "Device ID MINE")
		expectReset(t, b.Decide(p, "approve"), http.StatusOK, resetDone)
		w.expectApproved(t, true)
	})
	t.Run("H-03: the deep link opens after the sign-in", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		expectPage(t, b.SignIn(b.Visit(resetLink), "alice"), http.StatusOK, "Choose the app")
	})
	for _, device := range []string{"OLDONE", "BOBS", "GONE", "%00", "<script>"} {
		t.Run("J-05 J-20: a device that is no OIDC device of the person is not gone on with: "+device, func(t *testing.T) {
			p := atHome(e.For(t), "alice").Visit(resetLink + "&device_id=" + url.QueryEscape(device))
			if p.StatusCode != http.StatusOK && p.StatusCode != http.StatusBadRequest || strings.Contains(p.Text(), resetSays) ||
				!strings.HasPrefix(p.Request.URL.String(), e.URL+accountPath) || !p.Has("h1") {
				t.Errorf("status %d at %s:\n%s", p.StatusCode, p.Request.URL, p.Text())
			}
		})
	}
	t.Run("J-20: who has no such device is told", func(t *testing.T) {
		e := e.For(t)
		e.LogInLegacy("bob", "BOBSOLD")
		logInAt(e, e.IDP.ClientID, "bob", "BOBS")
		b := atHome(e, "bob")
		b.Decide(b.Visit(deleteLink+"BOBS"), "approve")
		expectPage(t, b.Visit(resetLink), http.StatusOK, "You are not signed in with an app that could go on")
	})
}

func TestUIAFallback(t *testing.T) {
	e, _ := resetEnv(t)
	logInAt(e, e.IDP.ClientID, "alice", "MODERN")
	e.LogInLegacy("alice", "LEGACY")
	modern, legacy := waits(e, "alice", "MODERN"), waits(e, "alice", "LEGACY")
	fallback := func(stage string, w waiting) string {
		return "/_matrix/client/v3/auth/" + stage + "/fallback/web?session=" + w.id
	}
	for _, stage := range []string{"m.oauth", "org.matrix.cross_signing_reset"} {
		t.Run("J-21: the fallback of "+stage+" leads to the account page, and from there to the approval", func(t *testing.T) {
			e := e.For(t)
			a := e.Get(fallback(stage, modern))
			if want := resetLink + "&session=" + modern.id; a.Status != http.StatusSeeOther || a.Header.Get("Location") != want ||
				a.Header.Get("Cross-Origin-Opener-Policy") != "unsafe-none" {
				t.Errorf("status %d to %q, want %q; headers %v", a.Status, a.Header.Get("Location"), want, a.Header)
			}
			b := e.NewBrowser()
			expectReset(t, b.SignIn(b.Visit(fallback(stage, modern)), "alice"), http.StatusOK, "Device ID MODERN")
		})
		t.Run("J-05: a legacy device has no way through "+stage, func(t *testing.T) {
			expectReset(t, e.For(t).NewBrowser().Visit(fallback(stage, legacy)), http.StatusBadRequest, "expired")
			legacy.expectApproved(t, false)
		})
	}
	for device, w := range map[string]waiting{"MODERN": modern, "LEGACY": legacy} {
		t.Run("J-22: the fallback of m.login.sso leads to the device's provider, and to its own approval: "+device, func(t *testing.T) {
			e := e.For(t)
			b := e.NewBrowser()
			p := b.Visit(fallback("m.login.sso", w))
			if !strings.HasPrefix(p.Request.URL.String(), e.IDP.Issuer+"/") {
				t.Fatalf("the browser is at %s:\n%s", p.Request.URL, p.Text())
			}
			p = b.SignIn(p, "alice")
			expectReset(t, p, http.StatusOK, "Device ID "+device)
			expectReset(t, b.Decide(p, "approve"), http.StatusOK, resetDone)
			w.expectApproved(t, true)
		})
	}
	t.Run("J-08 J-21: no other stage has a page", func(t *testing.T) {
		for _, stage := range []string{"m.login.password", "m.login.token", "m.login.dummy", "m.login.recaptcha", "x", "m.oauth%00", "M.OAUTH"} {
			a := e.For(t).Get(fallback(stage, modern))
			harness.ExpectMatrixError(t, a, http.StatusNotFound, "M_UNRECOGNIZED")
		}
	})
	t.Run("J-21 J-22: a session that is nobody's, missing or too long leads nowhere", func(t *testing.T) {
		for _, query := range []string{"", "?session=", "?session=unknown", "?session=" + strings.Repeat("A", 10000), "?session=%00", "?session=%zz"} {
			for _, stage := range []string{"m.oauth", "m.login.sso"} {
				p := e.For(t).NewBrowser().Visit("/_matrix/client/v3/auth/" + stage + "/fallback/web" + query)
				// Without a session the account page is the one that everybody may open.
				home := stage == "m.oauth" && (query == "" || query == "?session=") && strings.HasPrefix(p.Request.URL.String(), e.IDP.Issuer)
				if p.StatusCode != http.StatusBadRequest && !home || !p.Has("h1") {
					t.Errorf("%s%.20s: status %d at %s", stage, query, p.StatusCode, p.Request.URL.Path)
				}
			}
		}
	})
}

func TestResetNeedsAuthTime(t *testing.T) {
	i := startImpostor(t)
	i.e.LogIn("alice", "DEVICE")
	w := waits(i.e, "alice", "DEVICE")
	for name, value := range map[string]any{
		"none":             nil,
		"one of before":    i.e.Clock.Now().Add(-time.Hour).Unix(),
		"one that is text": "now",
	} {
		t.Run("J-22: a provider that says no recent auth_time proves nothing: "+name, func(t *testing.T) {
			e := i.e.For(t)
			i.spoil(i.claims(func(claims map[string]any) { set(claims, "auth_time", value) }))
			defer i.spoil(nil)
			b := e.NewBrowser()
			p := b.SignIn(b.Visit(w.page()), "alice")
			expectReset(t, p, http.StatusForbidden, staleSays)
			if links := p.Links(); len(links) != 1 || links[0] != w.page() {
				t.Errorf("the page leads to %q", links)
			}
			w.expectApproved(t, false)
		})
	}
}
