package handlers_test

import (
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

// beginWith starts a device grant with further parameters.
func beginWith(e *harness.Env, more url.Values) deviceFlow {
	e.T.Helper()
	id, _ := e.Register(deviceOnly)
	values := url.Values{"client_id": {id}, "scope": {harness.ScopeStable + "AAABBBCCCDDD"}}
	for name, list := range more {
		values[name] = list
	}
	a := e.Form(deviceAuthorizationPath, values)
	expectStatus(e, a, http.StatusOK)
	return deviceFlow{id, a.Text("device_code"), a.Text("user_code"), a.Text("verification_uri_complete")}
}

func TestDeviceGrantIgnores(t *testing.T) {
	var asked []string
	e := harness.Start(t, func(o *harness.Options) {
		o.Provider = "forward_action_prompt = true"
		o.IDP = func(p *demoidptest.Options) {
			p.Wrap = func(provider http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if q := r.URL.Query(); q.Has("code_challenge") {
						asked = append(asked, q.Get("prompt"))
					}
					provider.ServeHTTP(w, r)
				})
			}
		}
	})
	tests := []struct {
		name string
		more url.Values
	}{
		{"C-43 G-06: prompt=create", url.Values{"prompt": {"create"}}},
		{"C-43 G-06: prompt=login create", url.Values{"prompt": {"login create"}}},
		{"G-07: a login_hint of a user", url.Values{"login_hint": {"mxid:@bob:example.org"}}},
		{"G-07: a login_hint of anything", url.Values{"login_hint": {"<script>\u202e"}}},
		{"G-07: an empty login_hint", url.Values{"login_hint": {""}}},
		{"G-01: a parameter that nobody knows", url.Values{"frobnicate": {"yes"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" changes nothing", func(t *testing.T) {
			e := e.For(t)
			e.Clock.Advance(time.Minute) // the tries of user codes are few
			asked = nil
			d := beginWith(e, tt.more)
			b := e.NewBrowser()
			page := enter(e, b, d.userCode, "alice")
			expectPage(t, page, http.StatusOK, "@alice:example.org")
			if !slices.Equal(asked, []string{""}) {
				t.Errorf("the provider was asked for the prompts %q", asked)
			}
			b.Decide(page, "approve")
			expectStatus(e, d.poll(e), http.StatusOK)
		})
	}
}

func TestDevicePage(t *testing.T) {
	const failed = "This code does not work."
	tests := []struct {
		name string
		do   func(t *testing.T, e *harness.Env, d deviceFlow)
	}{
		{"G-10: the consent names the client, the code and where it came from", func(t *testing.T, e *harness.Env, d deviceFlow) {
			page := enter(e, e.NewBrowser(), d.userCode, "alice").Text()
			for _, part := range []string{"My TV", "example.com", d.userCode, "127.0.0.1", "Go-http-client", qrDevice, "@alice:example.org"} {
				if !strings.Contains(page, part) {
					t.Errorf("%q is not on the page:\n%s", part, page)
				}
			}
		}},
		{"G-10 L-15 L-23: what it says of the device is what a proxy saw, and text", func(t *testing.T, e *harness.Env, d deviceFlow) {
			a := e.Do(http.MethodPost, deviceAuthorizationPath, map[string]string{
				"Content-Type": form, "X-Forwarded-For": "198.51.100.1, 203.0.113.9", "User-Agent": "<script>alert(1)</script> \u202etxet " + strings.Repeat("x", 5000),
			}, url.Values{"client_id": {d.clientID}, "scope": {harness.ScopeStable + "PROXIEDTV"}}.Encode())
			expectStatus(e, a, http.StatusOK)
			page := enter(e, e.NewBrowser(), a.Text("user_code"), "alice")
			if text := page.Text(); !strings.Contains(text, "203.0.113.9") || strings.Contains(text, "198.51.100.1") || !strings.Contains(text, "<script>alert(1)</script> txet x") {
				t.Errorf("the page is\n%s", text)
			}
			if page.Has("script") || strings.Contains(page.HTML, "\u202e") || strings.Contains(page.HTML, strings.Repeat("x", 201)) {
				t.Errorf("the page is\n%s", page.HTML)
			}
		}},
		{"G-10: the complete link fills the code in, and does nothing else", func(t *testing.T, e *harness.Env, d deviceFlow) {
			page := e.NewBrowser().Visit(d.complete)
			if page.Input("user_code") != d.userCode || !strings.Contains(page.HTML, `<form method="post"`) {
				t.Errorf("the page is\n%s", page.HTML)
			}
			if a := d.poll(e); a.Text("error") != "authorization_pending" {
				t.Errorf("the device got %s", a.Body)
			}
		}},
		{"G-12: a code may be typed in any way", func(t *testing.T, e *harness.Env, d deviceFlow) {
			typed := " " + strings.ToLower(strings.ReplaceAll(d.userCode, "-", " – ")) + " "
			if page := enter(e, e.NewBrowser(), typed, "alice").Text(); !strings.Contains(page, d.userCode) {
				t.Errorf("the page is %s", page)
			}
		}},
		{"G-13: unknown, used and expired codes look alike, and only after the sign-in", func(t *testing.T, e *harness.Env, d deviceFlow) {
			b := e.NewBrowser()
			unknown := enter(e, b, "BBBB-BBBB", "alice")
			b.Decide(enter(e, b, d.userCode, "alice"), "cancel")
			used := enter(e, b, d.userCode, "alice")
			late := begin(e)
			e.Clock.Advance(20 * time.Minute)
			expired := enter(e, b, late.userCode, "alice")
			for _, p := range []harness.Page{unknown, used, expired} {
				if p.StatusCode != http.StatusBadRequest || !strings.Contains(p.Text(), failed) || p.Text() != unknown.Text() {
					t.Errorf("status %d: %s", p.StatusCode, p.Text())
				}
			}
		}},
		{"what cannot be a code is asked for again", func(t *testing.T, e *harness.Env, _ deviceFlow) {
			if p := enter(e, e.NewBrowser(), "AEIO-U123", "alice"); p.StatusCode != http.StatusBadRequest || !strings.Contains(p.Text(), failed) {
				t.Errorf("status %d: %s", p.StatusCode, p.Text())
			}
		}},
		{"L-06: the entry needs its own token", func(t *testing.T, e *harness.Env, d deviceFlow) {
			b := e.NewBrowser()
			p := b.Post(b.Visit(devicePagePath), devicePagePath, url.Values{"csrf_token": {"wrong"}, "user_code": {d.userCode}})
			if p.StatusCode != http.StatusForbidden {
				t.Errorf("status %d", p.StatusCode)
			}
		}},
		{"L-06: the consent needs its own token", func(t *testing.T, e *harness.Env, d deviceFlow) {
			b := e.NewBrowser()
			page := enter(e, b, d.userCode, "alice")
			action, values := b.Fields(page)
			values.Set("decision", "approve")
			values.Set("csrf_token", "wrong")
			if p := b.Post(page, action, values); p.StatusCode != http.StatusForbidden {
				t.Errorf("status %d", p.StatusCode)
			}
			if a := d.poll(e); a.Text("error") != "authorization_pending" {
				t.Errorf("the device got %s", a.Body)
			}
		}},
		{"L-07: another browser cannot answer", func(t *testing.T, e *harness.Env, d deviceFlow) {
			b := e.NewBrowser()
			page := enter(e, b, d.userCode, "alice")
			action, values := b.Fields(page)
			values.Set("decision", "approve")
			if p := e.NewBrowser().Post(page, action, values); p.StatusCode != http.StatusForbidden {
				t.Errorf("status %d", p.StatusCode)
			}
			if p := b.Post(page, action, values); p.StatusCode != http.StatusOK {
				t.Errorf("in its own browser: status %d", p.StatusCode)
			}
		}},
		{"G-14 G-15: of two people who answer the first one counts", func(t *testing.T, e *harness.Env, d deviceFlow) {
			alice, bob := e.NewBrowser(), e.NewBrowser()
			hers, his := enter(e, alice, d.userCode, "alice"), enter(e, bob, d.userCode, "bob")
			alice.Decide(hers, "approve")
			if p := bob.Decide(his, "approve"); p.StatusCode != http.StatusBadRequest || !strings.Contains(p.Text(), failed) {
				t.Errorf("status %d: %s", p.StatusCode, p.Text())
			}
			if who := e.WhoAmI(d.poll(e).Text("access_token")); who.Text("user_id") != "@alice:example.org" {
				t.Errorf("G-15: whoami: %s", who.Body)
			}
		}},
		{"G-11: few codes can be tried", func(t *testing.T, e *harness.Env, d deviceFlow) {
			b := e.NewBrowser()
			for range 10 {
				enter(e, b, "AAAA-AAAA", "alice")
			}
			p := enter(e, b, d.userCode, "alice")
			if p.StatusCode != http.StatusTooManyRequests || p.Header.Get("Retry-After") != "6" {
				t.Errorf("status %d, Retry-After %q", p.StatusCode, p.Header.Get("Retry-After"))
			}
			e.Clock.Advance(6 * time.Second)
			if p := enter(e, b, d.userCode, "alice"); p.StatusCode != http.StatusOK {
				t.Errorf("later: status %d", p.StatusCode)
			}
		}},
	}
	e := harness.Start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			e.Clock.Advance(time.Minute) // the page lets codes be tried again
			tt.do(t, e, begin(e))
		})
	}
}

func TestDeviceApproval(t *testing.T) {
	e := harness.Start(t)
	t.Run("G-10 G-13: before the sign-in nobody learns what a code is for, or whether it is one", func(t *testing.T) {
		e := e.For(t)
		d := begin(e)
		typed := func(code string) string {
			b := e.NewBrowser()
			entry := b.Visit(devicePagePath)
			p := b.Post(entry, devicePagePath, url.Values{"csrf_token": {entry.Input("csrf_token")}, "user_code": {code}})
			expectPage(t, p, http.StatusOK, "Choose how you want to sign in.")
			return p.Text()
		}
		if good, bad := typed(d.userCode), typed("BBBB-BBBB"); good != bad || strings.Contains(good, "My TV") {
			t.Errorf("a good code shows\n%s\nand another\n%s", good, bad)
		}
	})
	t.Run("G-10: the page says in words what is granted, and what a stranger's code does", func(t *testing.T) {
		e := e.For(t)
		page := enter(e, e.NewBrowser(), begin(e).userCode, "alice")
		for _, says := range []string{
			"use Matrix as you: read and send messages, and change your rooms and contacts", "Whoever sent you this code or link gets your account.",
			"Your device must show this code:", e.Clock.Now().UTC().Format("2006-01-02 15:04 UTC"), "Approve Cancel",
		} {
			expectPage(t, page, http.StatusOK, says)
		}
	})
	t.Run("G-10: only whoever says that the device is their own can approve, and anybody cancel", func(t *testing.T) {
		e := e.For(t)
		for decision, want := range map[string]struct {
			status int
			code   string
		}{"approve": {http.StatusBadRequest, "authorization_pending"}, "cancel": {http.StatusOK, "access_denied"}} {
			e.Clock.Advance(time.Minute) // each look is a try
			d := begin(e)
			b := e.NewBrowser()
			page := enter(e, b, d.userCode, "alice")
			expectPage(t, page, http.StatusOK, "This is my device, and it shows this code.")
			action, values := b.Fields(page)
			values.Set("decision", decision)
			for _, own := range []string{"", "no"} {
				if decision == "cancel" && own == "no" {
					continue // it is answered
				}
				values.Set("own_device", own)
				expectPage(t, b.Post(page, action, values), want.status, "")
			}
			harness.ExpectOAuthError(t, d.poll(e), http.StatusBadRequest, want.code)
		}
	})
	t.Run("G-10 C-60: opening the page again grants nothing, and neither does the link of somebody who has signed in", func(t *testing.T) {
		e := e.For(t)
		d := begin(e)
		b := e.NewBrowser()
		page := enter(e, b, d.userCode, "alice")
		expectPage(t, b.Visit(page.Request.URL.RequestURI()), http.StatusOK, d.userCode)
		expectPage(t, b.Visit(page.Request.URL.RequestURI()+"&decision=approve"), http.StatusOK, d.userCode)
		expectPage(t, b.Visit(d.complete), http.StatusOK, "Enter the code that your device shows.")
		harness.ExpectOAuthError(t, d.poll(e), http.StatusBadRequest, "authorization_pending")
	})
	t.Run("G-10 C-69: it is answered once", func(t *testing.T) {
		e := e.For(t)
		d := begin(e)
		b := e.NewBrowser()
		page := enter(e, b, d.userCode, "alice")
		expectPage(t, b.Decide(page, "cancel"), http.StatusOK, "Cancelled")
		expectPage(t, b.Decide(page, "approve"), http.StatusConflict, "This sign-in is already finished")
		harness.ExpectOAuthError(t, d.poll(e), http.StatusBadRequest, "access_denied")
	})
	t.Run("G-26 D-10: the tokens come as those of a code do", func(t *testing.T) {
		e := e.For(t)
		d := begin(e)
		b := e.NewBrowser()
		expectPage(t, b.Decide(enter(e, b, d.userCode, "alice"), "approve"), http.StatusOK, "Your device is connected")
		a := d.poll(e)
		harness.ExpectJSON(t, a, http.StatusOK)
		if expires, ok := a.JSON()["expires_in"].(float64); !ok || expires <= 0 || a.Text("token_type") != "Bearer" || a.Text("refresh_token") == "" || a.Text("scope") == "" {
			t.Errorf("the answer is %s", a.Body)
		}
		expectAlive(t, e, a.Text("access_token"))
	})
	t.Run("G-24 G-28: another client gets nothing of a grant that was just redeemed", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(time.Minute)
		d := begin(e)
		b := e.NewBrowser()
		b.Decide(enter(e, b, d.userCode, "alice"), "approve")
		first := d.poll(e)
		expectStatus(e, first, http.StatusOK)
		thief := d
		thief.clientID, _ = e.Register(strings.Replace(deviceOnly, "My TV", "A thief", 1))
		harness.ExpectOAuthError(t, thief.poll(e), http.StatusBadRequest, "invalid_grant")
		expectAlive(t, e, first.Text("access_token"))
	})
}

func TestDeviceApprovalAtAProvider(t *testing.T) {
	second := demoidptest.Start(t, func(o *demoidptest.Options) { o.ClientID = "second" })
	e := harness.Start(t, func(o *harness.Options) {
		o.Extra = fmt.Sprintf("[[global.identity_provider]]\nbrand = \"Second\"\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n",
			second.ClientID, second.ClientSecret, second.Issuer)
	})
	second.SetRedirectURIs(e.URL + "/_matrix/client/unstable/login/sso/callback/second")
	e.Origins = []string{second.Issuer}
	for place, provider := range []string{e.IDP.ClientID, "second"} {
		t.Run("G-15: the tokens are of whoever approved, at the provider that was used: "+provider, func(t *testing.T) {
			e := e.For(t)
			d := begin(e)
			b := e.NewBrowser()
			entry := b.Visit(devicePagePath)
			choice := b.Post(entry, devicePagePath, url.Values{"csrf_token": {entry.Input("csrf_token")}, "user_code": {d.userCode}})
			page := b.SignIn(follow(t, b, choice, place), []string{"alice", "bob"}[place])
			expectPage(t, b.Decide(page, "approve"), http.StatusOK, "Your device is connected")
			who := e.WhoAmI(d.poll(e).Text("access_token"))
			user := []string{"alice", "bob"}[place]
			if who.Text("user_id") != "@"+user+":example.org" {
				t.Errorf("whoami: %s", who.Body)
			}
			var recorded string
			if err := database(e).QueryRowContext(t.Context(), marked(e, "SELECT provider_id FROM devices WHERE localpart = ?"), user).Scan(&recorded); err != nil {
				t.Fatal(err)
			}
			if recorded != provider {
				t.Errorf("recorded is %q", recorded)
			}
		})
	}
}
