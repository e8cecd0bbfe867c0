package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/provider/signing"
	"keymaker/store"
)

const (
	endSessionPath        = "/_tuwunel/oidc/end_session"
	endSessionConfirmPath = endSessionPath + "/confirm"
	afterLogout           = "https://app.example.com/bye?from=us"
)

// leaver is a client with somebody who is signed in at it, and in a browser.
type leaver struct {
	e       *harness.Env
	browser *harness.Browser
	client  string
	tokens  harness.Tokens
}

// signedIn signs alice in at a client that registered where to go afterwards.
func signedIn(e *harness.Env, scope string) *leaver {
	e.T.Helper()
	id, _ := e.Register(strings.Replace(harness.WebClient, "{", `{"post_logout_redirect_uris":["`+afterLogout+`"],`, 1))
	l := &leaver{e: e, browser: e.NewBrowser(), client: id}
	l.tokens = l.logIn(scope)
	return l
}

// logIn signs alice in once more, in the same browser.
func (l *leaver) logIn(scope string) harness.Tokens {
	l.e.T.Helper()
	r := l.e.NewRequest(l.client, scope)
	a := l.e.Exchange(r, l.browser.Approve(r, "alice").Get("code"))
	expectStatus(l.e, a, http.StatusOK)
	return harness.Tokens{ClientID: l.client, Access: a.Text("access_token"), Refresh: a.Text("refresh_token"), IDToken: a.Text("id_token")}
}

// hint are the parameters of a client that does everything right.
func (l *leaver) hint() url.Values {
	return url.Values{"id_token_hint": {l.tokens.IDToken}, "post_logout_redirect_uri": {afterLogout}, "state": {"st&te"}}
}

func (l *leaver) get(values url.Values) harness.Page {
	l.e.T.Helper()
	return l.browser.Visit(endSessionPath + "?" + values.Encode())
}

// browserSignedIn tells whether the browser has a session here.
func (l *leaver) browserSignedIn() bool {
	l.e.T.Helper()
	return strings.Contains(l.browser.Cookie(), "keymaker_session")
}

// sessionEnded is why the client's session ended; "" if it goes on.
func (l *leaver) sessionEnded(t *testing.T) store.EndReason {
	t.Helper()
	session, err := l.e.Server.Store().SessionOf(t.Context(), sid(t, l.tokens.IDToken))
	if err != nil {
		t.Fatal(err)
	}
	if !session.Ended {
		return ""
	}
	reason, _, _, err := l.e.Server.Store().EndedSession(t.Context(), session.ID)
	if err != nil {
		t.Fatal(err)
	}
	return reason
}

// expect checks what has ended.
func (l *leaver) expect(t *testing.T, browser bool, session store.EndReason) {
	t.Helper()
	if l.browserSignedIn() != browser {
		t.Errorf("the browser is signed in: %t", !browser)
	}
	if got := l.sessionEnded(t); got != session {
		t.Errorf("the session ended for %q, want %q", got, session)
	}
}

func expectSentTo(t *testing.T, p harness.Page, target string) {
	t.Helper()
	if p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != target {
		t.Fatalf("status %d, on to %q, want %q:\n%s", p.StatusCode, p.Header.Get("Location"), target, p.HTML)
	}
}

const (
	asks       = "Sign out?"
	signedOut  = "You are signed out"
	notSigned  = "You did not sign out"
	sentToAs   = afterLogout + "&state=st%26te"
	rpEnded    = store.EndRPInitiated
	stillThere = store.EndReason("")
)

func TestEndSessionWithoutAQuestion(t *testing.T) {
	t.Run("E-20 E-22: the ID token of this browser's sign-in ends both and goes on with the state", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		expectSentTo(t, l.get(l.hint()), sentToAs)
		l.expect(t, false, rpEnded)
		expectDead(t, l.e, l.tokens.Access)
		silent := l.e.NewRequest(l.client, "openid")
		silent.Values.Set("prompt", "none")
		if p := l.browser.Authorize(silent); strings.Contains(p.Text(), "My App") && p.Location().Query().Get("error") == "consent_required" {
			t.Errorf("the browser is still signed in: %s", p.Text())
		}
	})
	t.Run("E-20: an expired ID token is as good", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		l.e.Clock.Advance(12 * 24 * time.Hour)
		expectSentTo(t, l.get(l.hint()), sentToAs)
		l.expect(t, false, rpEnded)
	})
	t.Run("E-20: with the right client_id beside it", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		values := l.hint()
		values.Set("client_id", l.client)
		values.Del("state")
		expectSentTo(t, l.get(values), afterLogout)
		l.expect(t, false, rpEnded)
	})
	t.Run("E-20 E-22: without a redirect a page says that it is done", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		expectPage(t, l.get(url.Values{"id_token_hint": {l.tokens.IDToken}, "state": {"x"}}), http.StatusOK, signedOut)
		l.expect(t, false, rpEnded)
	})
	t.Run("E-22: an app on the device is gone back to by a link", func(t *testing.T) {
		e := harness.Start(t)
		id, _ := e.Register(metadataOf(t, map[string]any{"application_type": "native", "post_logout_redirect_uris": []string{"com.example.app:/bye"}}))
		b := e.NewBrowser()
		values := url.Values{"client_id": {id}, "post_logout_redirect_uri": {"com.example.app:/bye"}, "state": {"st&te"}}
		p := b.Decide(b.Visit(endSessionPath+"?"+values.Encode()), "approve")
		expectPage(t, p, http.StatusOK, signedOut)
		if got := p.Links(); !slices.Contains(got, "com.example.app:/bye?state=st%26te") {
			t.Errorf("the page leads to %v", got)
		}
	})
	t.Run("E-20: when the session has ended already, the browser is still signed out", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		expectRevoked(t, l.e.Form(revokePath, url.Values{"token": {l.tokens.Access}}))
		expectSentTo(t, l.get(l.hint()), sentToAs)
		l.expect(t, false, store.EndRevoked)
	})
	t.Run("E-20: another client's session of the same person goes on", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		other := l.e.LogIn("alice", "OTHERDEVICE")
		expectSentTo(t, l.get(l.hint()), sentToAs)
		expectAlive(t, l.e, other.Access)
	})
	t.Run("E-20: the audit log says who signed out, and of what", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		expectSentTo(t, l.get(l.hint()), sentToAs)
		events, err := l.e.Server.Store().AuditEvents(t.Context(), "alice", 2)
		if err != nil || len(events) != 2 || events[0].Action != store.ActionBrowserSignedOut || events[0].ClientID != l.client ||
			events[1].Action != store.ActionSessionEnded || events[1].Reason != string(rpEnded) {
			t.Errorf("%+v, error %v", events, err)
		}
	})
	t.Run("E-20: nobody is signed in and nothing asked for, and a page says so", func(t *testing.T) {
		e := harness.Start(t)
		expectPage(t, e.NewBrowser().Visit(endSessionPath), http.StatusOK, signedOut)
	})
}

func TestEndSessionWithAQuestion(t *testing.T) {
	tests := []struct {
		name, scope string
		// prepare changes who is signed in where; nil leaves it.
		prepare func(l *leaver)
		values  func(l *leaver) url.Values
		says    string // on the page that asks
		after   string // where the person goes; "" for the page that it is done
		session store.EndReason
	}{
		{"E-21 E-22: with no parameters", "openid", nil, func(*leaver) url.Values { return nil }, "signed in to example.org", "", stillThere},
		{"E-21 E-22: with a client_id, and on to where it registered", "openid", nil, func(l *leaver) url.Values {
			return url.Values{"client_id": {l.client}, "post_logout_redirect_uri": {afterLogout}, "state": {"st&te"}}
		}, "My App asks", sentToAs, stillThere},
		{"E-22: with a redirect of nobody, and nowhere to go", "openid", nil, func(*leaver) url.Values {
			return url.Values{"post_logout_redirect_uri": {afterLogout}, "state": {"st&te"}}
		}, asks, "", stillThere},
		{"E-24: with a Matrix device, which goes", "openid " + harness.ScopeStable + "LEAVINGDEVICE", nil, (*leaver).hint, "LEAVINGDEVICE is removed", sentToAs, rpEnded},
		{"E-21: with an ID token of another sign-in of the same person", "openid", func(l *leaver) {
			l.e.Clock.Advance(time.Hour)
			l.browser = l.e.NewBrowser()
			l.logIn("openid")
		}, (*leaver).hint, "Your session in My App ends", sentToAs, rpEnded},
		{"E-21: in a browser where nobody is signed in", "openid", func(l *leaver) { l.browser = l.e.NewBrowser() },
			(*leaver).hint, "Your session in My App ends", sentToAs, rpEnded},
		{"E-24: in a browser where nobody is signed in, a device stays", "openid " + harness.ScopeStable + "STAYINGDEVICE",
			func(l *leaver) { l.browser = l.e.NewBrowser() }, (*leaver).hint, "My App asks", sentToAs, stillThere},
		{"E-24: in a browser of somebody else, a device stays", "openid " + harness.ScopeStable + "STAYINGDEVICE", func(l *leaver) {
			l.browser = l.e.NewBrowser()
			r := l.e.NewRequest(l.client, "openid")
			expectStatus(l.e, l.e.Exchange(r, l.browser.Approve(r, "bob").Get("code")), http.StatusOK)
		}, (*leaver).hint, "@bob:example.org", sentToAs, stillThere},
	}
	for _, tt := range tests {
		t.Run(tt.name+": the person is asked first, and signed out on yes", func(t *testing.T) {
			l := signedIn(harness.Start(t), tt.scope)
			if tt.prepare != nil {
				tt.prepare(l)
			}
			before := l.browserSignedIn()
			page := l.get(tt.values(l))
			expectPage(t, page, http.StatusOK, asks)
			expectPage(t, page, http.StatusOK, tt.says)
			l.expect(t, before, stillThere)

			expectPage(t, l.browser.Decide(page, "cancel"), http.StatusOK, notSigned)
			l.expect(t, before, stillThere)

			end := l.browser.Decide(page, "approve")
			if tt.after == "" {
				expectPage(t, end, http.StatusOK, signedOut)
			} else {
				expectSentTo(t, end, tt.after)
			}
			l.expect(t, false, tt.session)
		})
	}
	t.Run("E-24: the device is gone as after a revocation", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid "+harness.ScopeStable+"LEAVINGDEVICE")
		other := l.e.LogIn("alice", "OTHERDEVICE")
		expectSentTo(t, l.browser.Decide(l.get(l.hint()), "approve"), sentToAs)
		expectDead(t, l.e, l.tokens.Access)
		if got := devices(l.e, other.Access); !slices.Equal(got, []string{"OTHERDEVICE"}) {
			t.Errorf("the devices are %v", got)
		}
	})
}

func TestEndSessionByPost(t *testing.T) {
	t.Run("E-20: the parameters can come in a form", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		page := l.browser.Visit(endSessionPath + "?client_id=" + l.client)
		expectSentTo(t, l.browser.Post(page, endSessionPath, l.hint()), sentToAs)
		l.expect(t, false, rpEnded)
	})
	t.Run("E-21: a form of the client's site comes without our cookies, and the person is asked", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		a := l.e.Do(http.MethodPost, endSessionPath, map[string]string{"Content-Type": form, "Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}, l.hint().Encode())
		if a.Status != http.StatusOK || !strings.Contains(string(a.Body), asks) {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		l.expect(t, true, stillThere)
	})
}

func TestEndSessionRefuses(t *testing.T) {
	set := func(name, value string) func(*leaver, url.Values) {
		return func(_ *leaver, v url.Values) { v.Set(name, value) }
	}
	other := func(l *leaver) string {
		id, _ := l.e.Register(strings.Replace(harness.WebClient, "My App", "Another", 1))
		return id
	}
	tests := []struct {
		name   string
		change func(l *leaver, values url.Values)
		says   string
	}{
		{"E-22 L-02: an unregistered redirect", set("post_logout_redirect_uri", "https://evil.example.net/"), "cannot send you back"},
		{"E-22 L-02: a redirect with more in its query", set("post_logout_redirect_uri", afterLogout+"&x=1"), "cannot send you back"},
		{"E-22 L-02: a redirect in another case", set("post_logout_redirect_uri", strings.Replace(afterLogout, "app", "APP", 1)), "cannot send you back"},
		{"E-22 L-02: a redirect to the host with a backslash", set("post_logout_redirect_uri", `https://app.example.com\@evil.example.net/bye?from=us`), "cannot send you back"},
		{"E-22 L-02: one without a scheme", set("post_logout_redirect_uri", "//app.example.com/bye?from=us"), "cannot send you back"},
		{"E-22 L-02: a script", set("post_logout_redirect_uri", "javascript:alert(1)"), "cannot send you back"},
		{"E-22 L-02: the redirect URI of the authorization", set("post_logout_redirect_uri", harness.WebRedirect), "cannot send you back"},
		{"E-22: a redirect that another client registered", func(l *leaver, v url.Values) {
			v.Del("id_token_hint")
			v.Set("client_id", other(l))
		}, "cannot send you back"},
		{"E-23: another client's client_id", func(l *leaver, v url.Values) { v.Set("client_id", other(l)) }, "id_token_hint is missing or wrong"},
		{"E-23: an unknown client", func(_ *leaver, v url.Values) { v.Del("id_token_hint"); v.Set("client_id", "nobody") }, "do not know this app"},
		{"E-23: a hint that is no token", set("id_token_hint", "nonsense"), "id_token_hint is missing or wrong"},
		{"E-23: a hint that was altered", func(l *leaver, v url.Values) {
			parts := strings.Split(l.tokens.IDToken, ".")
			v.Set("id_token_hint", parts[0]+"."+strings.ToUpper(parts[1])+"."+parts[2])
		}, "id_token_hint is missing or wrong"},
		{"E-23: a hint with no signature", func(l *leaver, v url.Values) {
			parts := strings.Split(l.tokens.IDToken, ".")
			v.Set("id_token_hint", "eyJhbGciOiJub25lIn0."+parts[1]+".")
		}, "id_token_hint is missing or wrong"},
		{"E-23: an access token as hint", func(l *leaver, v url.Values) { v.Set("id_token_hint", l.tokens.Access) }, "id_token_hint is missing or wrong"},
		{"E-23: a hint of another server", func(l *leaver, v url.Values) {
			v.Set("id_token_hint", signedIn(harness.Start(l.e.T), "openid").tokens.IDToken)
		}, "id_token_hint is missing or wrong"},
		{"E-23: two hints", func(l *leaver, v url.Values) { v.Add("id_token_hint", l.tokens.IDToken) }, "The app made a mistake"},
		{"E-23: a parameter that is no text", set("state", "\xff"), "The app made a mistake"},
		{"E-23: a query without end", set("state", strings.Repeat("x", 20_000)), "The app made a mistake"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" ends nothing and leads nowhere", func(t *testing.T) {
			l := signedIn(harness.Start(t), "openid")
			values := l.hint()
			tt.change(l, values)
			expectPage(t, l.get(values), http.StatusBadRequest, tt.says)
			l.expect(t, true, stillThere)
			expectNoSecrets(t, l.e, l.tokens.IDToken)
		})
	}
}

// A logout token and an ID token are signed alike.
func TestEndSessionTakesNoLogoutTokenForAHint(t *testing.T) {
	t.Run("E-23: a logout token as hint is refused", func(t *testing.T) {
		e := harness.Start(t)
		rp := receive(t, nil)
		id := rp.client(e, nil)
		tokens := e.LogInWith(e.NewRequest(id, "openid"), "alice")
		expectRevoked(t, e.Form(revokePath, url.Values{"token": {tokens.Access}}))
		runJobs(e, 1)
		p := e.NewBrowser().Visit(endSessionPath + "?" + url.Values{"id_token_hint": rp.tokens()}.Encode())
		expectPage(t, p, http.StatusBadRequest, "id_token_hint is missing or wrong")
	})
}

func TestEndSessionAfterKeyRotation(t *testing.T) {
	for name, tt := range map[string]struct {
		wait   time.Duration
		status int
	}{
		"E-23: a hint whose key has retired, and is still kept, is accepted": {time.Minute, http.StatusSeeOther},
		"E-23: a hint whose key is gone is refused":                          {3 * time.Hour, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			l := signedIn(harness.Start(t), "openid")
			if _, err := signing.Rotate(t.Context(), l.e.Server.Store(), l.e.Clock, true); err != nil {
				t.Fatal(err)
			}
			l.e.Clock.Advance(tt.wait)
			if err := l.e.Server.TurnKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p := l.get(l.hint()); p.StatusCode != tt.status {
				t.Errorf("status %d, want %d:\n%s", p.StatusCode, tt.status, p.Text())
			}
		})
	}
}

func TestEndSessionForm(t *testing.T) {
	tests := []struct {
		name   string
		change func(l *leaver, values url.Values)
		status int
	}{
		{"E-21 L-06: without its token", func(_ *leaver, v url.Values) { v.Del("csrf_token") }, http.StatusForbidden},
		{"E-21 L-06: with another token", func(_ *leaver, v url.Values) { v.Set("csrf_token", "x") }, http.StatusForbidden},
		{"E-21 L-06: for another request", func(_ *leaver, v url.Values) { v.Set("oidc_req_id", "") }, http.StatusForbidden},
		{"E-21 L-06: from another browser", func(l *leaver, _ url.Values) { l.browser = l.e.NewBrowser() }, http.StatusForbidden},
		{"E-21 L-06: with no decision", func(_ *leaver, v url.Values) { v.Del("decision") }, http.StatusBadRequest},
		{"E-21 L-02: for a redirect that is not registered", func(_ *leaver, v url.Values) {
			v.Set("oidc_req_id", url.Values{"client_id": {"nobody"}, "post_logout_redirect_uri": {"https://evil.example.net/"}}.Encode())
		}, http.StatusBadRequest},
		{"E-21: for a request that is none", func(_ *leaver, v url.Values) { v.Set("oidc_req_id", "%zz") }, http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name+" the answer counts for nothing", func(t *testing.T) {
			l := signedIn(harness.Start(t), "openid")
			page := l.get(url.Values{"client_id": {l.client}})
			action, values := l.browser.Fields(page)
			values.Set("decision", "approve")
			owner := l.browser
			tt.change(l, values)
			if p := l.browser.Post(page, action, values); p.StatusCode != tt.status || p.Header.Get("Location") != "" {
				t.Errorf("status %d, on to %q", p.StatusCode, p.Header.Get("Location"))
			}
			l.browser = owner
			l.expect(t, true, stillThere)
		})
	}
	t.Run("E-21 L-06: from another site the answer is refused", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		_, values := l.browser.Fields(l.get(url.Values{"client_id": {l.client}}))
		values.Set("decision", "approve")
		a := l.e.Do(http.MethodPost, endSessionConfirmPath, map[string]string{"Content-Type": form, "Cookie": l.browser.Cookie(), "Sec-Fetch-Site": "cross-site"}, values.Encode())
		if a.Status != http.StatusForbidden {
			t.Errorf("status %d", a.Status)
		}
		l.expect(t, true, stillThere)
	})
	t.Run("L-09 E-22: the page's policy lets the answer lead to the client", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		page := l.get(url.Values{"client_id": {l.client}, "post_logout_redirect_uri": {afterLogout}})
		if got := page.Header.Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'self' https://app.example.com") {
			t.Errorf("the policy is %q", got)
		}
		if got := page.Header.Get("Referrer-Policy"); got != "same-origin" {
			t.Errorf("Referrer-Policy %q: browsers would send the form with Origin: null", got)
		}
	})
}

func TestEndSessionWhenTheDatabaseIsDown(t *testing.T) {
	t.Run("E-23: an outage ends nothing and says so", func(t *testing.T) {
		l := signedIn(harness.Start(t), "openid")
		if err := l.e.Server.Store().Close(); err != nil {
			t.Fatal(err)
		}
		expectPage(t, l.get(l.hint()), http.StatusServiceUnavailable, "Something went wrong here")
		if !l.browserSignedIn() {
			t.Error("the browser has lost its session")
		}
	})
}

// Both the person and the client press the button at once.
func TestEndSessionAtOnce(t *testing.T) {
	t.Run("E-20 E-30: of many logouts at once each succeeds, and the client is told once", func(t *testing.T) {
		onEach(t, func(t *testing.T, e *harness.Env) {
			rp := receive(t, nil)
			id := rp.client(e, map[string]any{"post_logout_redirect_uris": []string{afterLogout}})
			l := &leaver{e: e, browser: e.NewBrowser(), client: id}
			l.tokens = l.logIn("openid")
			header := map[string]string{"Cookie": l.browser.Cookie()}
			results := make(chan int, 20)
			for range cap(results) {
				go func() {
					a, err := e.Try(http.MethodGet, endSessionPath+"?"+l.hint().Encode(), header, "")
					if err != nil {
						a.Status = -1
					}
					results <- a.Status
				}()
			}
			for range cap(results) {
				// Who comes late is no longer signed in, and asked.
				if status := <-results; status != http.StatusSeeOther && status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			}
			runJobs(e, 1)
			if got := rp.tokens(); len(got) != 1 {
				t.Errorf("the client was told %d times", len(got))
			}
		})
	})
}
