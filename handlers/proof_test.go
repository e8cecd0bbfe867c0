package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const (
	deactivateLink = accountPath + "?action=org.matrix.account_deactivate"
	believing      = "prove_without_auth_time = true"
	onlyAdmin      = "Ask the administrator of example.org to do it for you"
)

// linkedToo links the demonstration provider's alice to octo-alice behind the
// server's back.
func linkedToo(t *testing.T, e *harness.Env) {
	t.Helper()
	signedInAt(e, e.IDP.ClientID, "alice")
	execute(e, "UPDATE upstream_links SET localpart = 'octo-alice' WHERE provider_id = ?", e.IDP.ClientID)
}

// links are the ids of the providers at which a user is linked.
func links(t *testing.T, e *harness.Env, user string) string {
	t.Helper()
	all, err := e.Server.Store().UpstreamLinks(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, l := range all {
		ids = append(ids, l.ProviderID)
	}
	return strings.Join(ids, " ")
}

// Whoever has only a provider that says no auth_time is told so before they are
// sent there.
func TestGitHubAloneProvesNothing(t *testing.T) {
	e, g := startGitHub(t, "")
	logInAt(e, githubID, "", "DEVICE")
	w := waits(e, "octo-alice", "DEVICE")
	b := octoAtHome(t, e)
	before := len(g.requests())
	stays := func(t *testing.T) {
		t.Helper()
		if n := len(g.requests()) - before; n != 0 {
			t.Errorf("the browser was sent to the provider %d times", n)
		}
	}
	t.Run("J-22: a device that GitHub authenticated opens no approval", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := e.NewBrowser().Visit(w.page())
		expectReset(t, p, http.StatusForbidden, "GitHub cannot show that it is you")
		if !strings.Contains(p.Text(), "Ask the administrator of example.org") {
			t.Errorf("the page does not say what to do:\n%s", p.Text())
		}
		p = b.Visit(resetLink)
		expectPage(t, p, http.StatusOK, "GitHub does not show us when you signed in")
		if strings.Contains(p.HTML, "device_id=DEVICE") || strings.Contains(p.Text(), "You are not signed in with an app") {
			t.Errorf("the device is offered:\n%s", p.Text())
		}
		w.expectApproved(t, false)
		stays(t)
	})
	t.Run("H-04: nothing is linked", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		for _, page := range []string{linksLink, linksLink + "&link=" + e.IDP.ClientID} {
			p := b.Visit(page)
			expectPage(t, p, http.StatusOK, onlyAdmin)
			if p.Request.URL.Path != accountPath || strings.Contains(p.Text(), "Link another account") {
				t.Errorf("another account can be linked:\n%s", p.Text())
			}
		}
		stays(t)
	})
	t.Run("H-04: the account is not closed", func(t *testing.T) {
		b := b.For(t)
		p := b.Visit(deactivateLink)
		expectPage(t, p, http.StatusOK, onlyAdmin)
		if p.Has("form") || strings.Contains(p.HTML, "idp_id=") {
			t.Errorf("there is a way to go on:\n%s", p.Text())
		}
		expectPage(t, b.Visit(deactivateLink+"&idp_id="+githubID), http.StatusForbidden, "GitHub cannot show that it is you")
		stays(t)
	})
	t.Run("H-04: with another provider that one is the only way, and a callback of GitHub's proves nothing", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		linkedToo(t, e)
		p := b.Visit(deactivateLink)
		expectPage(t, p, http.StatusOK, "Sign in once more")
		if strings.Contains(p.HTML, "idp_id="+githubID) || !strings.Contains(p.HTML, "idp_id="+e.IDP.ClientID) {
			t.Errorf("the ways are:\n%s", p.Text())
		}
		expectLogin(t, e, b.Visit(deactivateLink+"&idp_id="+githubID))
		if p := b.Visit(linksLink); !strings.Contains(p.HTML, "action=unlink") || !strings.Contains(p.HTML, "link="+e.IDP.ClientID) {
			t.Errorf("nothing can be changed:\n%s", p.Text())
		}
		stays(t)
	})
	t.Run("J-22: a setting that is taken back counts at once, for who is on the way too", func(t *testing.T) {
		e, g := startGitHub(t, believing)
		e = e.For(t)
		logInAt(e, githubID, "", "DEVICE")
		w := waits(e, "octo-alice", "DEVICE")
		b := octoAtHome(t, e)
		to := leaves(t, e, b, w.page())
		e.Config = strings.Replace(e.Config, believing, "", 1)
		e.Restart()
		g.signedIn(octo)
		expectReset(t, b.Visit(callbackOf(e, githubID, to)), http.StatusForbidden, staleSays)
		w.expectApproved(t, false)
	})
}

// leaves starts a proof, and returns the state with which the browser was sent
// to the provider.
func leaves(t *testing.T, e *harness.Env, b *harness.Browser, page string) (state string) {
	t.Helper()
	a := e.Do(http.MethodGet, page, map[string]string{"Cookie": b.Cookie()}, "")
	if a.Status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return must(url.Parse(a.Header.Get("Location"))).Query().Get("state")
}

// callbackOf is where a provider sends people back to.
func callbackOf(e *harness.Env, provider, state string) string {
	return e.URL + "/_matrix/client/unstable/login/sso/callback/" + provider + "?" + url.Values{"code": {"code"}, "state": {state}}.Encode()
}

func TestProofWithoutAuthTime(t *testing.T) {
	t.Run("J-20: with the setting a person resets their encryption with GitHub, who shows the account picker", func(t *testing.T) {
		e, g := startGitHub(t, believing)
		e = e.For(t)
		logInAt(e, githubID, "", "DEVICE")
		w := waits(e, "octo-alice", "DEVICE")
		b := octoAtHome(t, e)
		p := b.Visit(resetLink + "&device_id=DEVICE")
		expectReset(t, p, http.StatusOK, resetSays)
		asked := g.requests()
		if last := asked[len(asked)-1]; last.Get("prompt") != "select_account" {
			t.Errorf("prompt is %q", last.Get("prompt"))
		}
		w.expectApproved(t, false)
		expectReset(t, b.Decide(p, "approve"), http.StatusOK, resetDone)
		w.expectApproved(t, true)
		if p := b.Visit(w.page()); len(g.requests()) == len(asked) {
			t.Errorf("the proof was not used up:\n%s", p.Text())
		}
	})
	t.Run("H-02: links an account", func(t *testing.T) {
		e, _ := startGitHub(t, believing)
		e = e.For(t)
		b := octoAtHome(t, e)
		p := b.SignIn(b.Visit(linksLink+"&link="+e.IDP.ClientID), "alice")
		expectPage(t, p, http.StatusOK, "@octo-alice:example.org is yours?")
		p = b.Decide(proveAs(t, b, p, githubID, ""), "approve")
		expectPage(t, p, http.StatusOK, "Signed in with Demo")
		if got := links(t, e, "octo-alice"); !strings.Contains(got, e.IDP.ClientID) {
			t.Errorf("linked: %s", got)
		}
	})
	t.Run("H-02: unlinks one", func(t *testing.T) {
		e, _ := startGitHub(t, believing)
		e = e.For(t)
		b := octoAtHome(t, e)
		linkedToo(t, e)
		var demo string
		for _, l := range b.Visit(linksLink).Links() {
			if strings.Contains(l, "action=unlink") {
				demo = l // the last one was linked last
			}
		}
		p := b.Visit(demo)
		expectPage(t, p, http.StatusOK, "Unlink this account?")
		expectPage(t, b.Decide(proveAs(t, b, p, githubID, ""), "approve"), http.StatusOK, "How you sign in")
		if got := links(t, e, "octo-alice"); strings.Contains(got, " ") {
			t.Errorf("linked: %s", got)
		}
	})
	t.Run("H-07: closes their account", func(t *testing.T) {
		e, _ := startGitHub(t, believing)
		e = e.For(t)
		b := octoAtHome(t, e)
		expectPage(t, b.Decide(proveAs(t, b, b.Visit(deactivateLink), githubID, ""), "approve"), http.StatusOK, "Your account is closed")
	})
}

// Each case is a round trip that proves nothing although the provider need not
// say when somebody signed in.
func TestWhatProvesNothingWithoutAuthTime(t *testing.T) {
	e, g := startGitHub(t, believing)
	logInAt(e, githubID, "", "DEVICE")
	w := waits(e, "octo-alice", "DEVICE")
	sent := func(t *testing.T, b *harness.Browser, address string, status int, says string) {
		t.Helper()
		p := b.Visit(address)
		if p.StatusCode != status || !strings.Contains(p.Text(), says) {
			t.Errorf("status %d at %s:\n%s", p.StatusCode, p.Request.URL, p.Text())
		}
		w.expectApproved(t, false)
		if n := countProofs(t, e); n != 0 {
			t.Errorf("%d proofs are kept", n)
		}
	}
	t.Run("J-22: by another account at the provider", func(t *testing.T) {
		e := e.For(t)
		b := octoAtHome(t, e)
		g.signedIn(mallory)
		defer g.signedIn(octo)
		sent(t, b, w.page(), http.StatusForbidden, otherSays)
		sent(t, b, deactivateLink+"&idp_id="+githubID, http.StatusForbidden, otherSays)
	})
	t.Run("J-22 L-06: with a state that was used", func(t *testing.T) {
		e := e.For(t)
		b := octoAtHome(t, e)
		state := leaves(t, e, b, w.page())
		g.signedIn(mallory)
		sent(t, b, callbackOf(e, githubID, state), http.StatusForbidden, otherSays)
		g.signedIn(octo)
		sent(t, b, callbackOf(e, githubID, state), http.StatusBadRequest, "expired")
	})
	t.Run("J-22 L-07: in another browser than it began in", func(t *testing.T) {
		e := e.For(t)
		b, other := octoAtHome(t, e), octoAtHome(t, e)
		sent(t, other, callbackOf(e, githubID, leaves(t, e, b, w.page())), http.StatusBadRequest, "expired")
	})
	t.Run("J-22: with the state of another provider", func(t *testing.T) {
		e := e.For(t)
		b := octoAtHome(t, e)
		sent(t, b, callbackOf(e, e.IDP.ClientID, leaves(t, e, b, w.page())), http.StatusBadRequest, "expired")
		state := leaves(t, e, b, linksLink+"&link="+e.IDP.ClientID)
		sent(t, b, callbackOf(e, githubID, state), http.StatusBadRequest, "expired")
	})
	t.Run("J-22: a sign-in that was no proof", func(t *testing.T) {
		e := e.For(t)
		b := octoAtHome(t, e) // that is one
		if a := e.Do(http.MethodGet, w.page(), map[string]string{"Cookie": b.Cookie()}, ""); a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), g.URL) {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
	t.Run("J-22: one that took longer than a sign-in may", func(t *testing.T) {
		e := e.For(t)
		b := octoAtHome(t, e)
		state := leaves(t, e, b, w.page())
		e.Clock.Advance(5 * time.Minute)
		sent(t, b, callbackOf(e, githubID, state), http.StatusBadRequest, "expired")
	})
	t.Run("C-04: what a client asks for is not proved by it", func(t *testing.T) {
		e := e.For(t)
		id, _ := e.Register(harness.WebClient)
		r := e.NewRequest(id, harness.ScopeStable+"OTHER")
		r.Values.Set("idp_id", githubID)
		r.Values.Set("max_age", "60")
		expectPage(t, e.NewBrowser().Authorize(r), http.StatusBadGateway, "We could not verify your sign-in")
	})
}

// countProofs is how many proofs are good.
func countProofs(t *testing.T, e *harness.Env) int {
	t.Helper()
	var n int
	if err := database(e).QueryRowContext(t.Context(), marked(e, "SELECT COUNT(*) FROM proofs WHERE expires_at > ?"), e.Clock.Now().UnixMilli()).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A provider with ID tokens that does not say auth_time is believed with the
// setting, and one that says it has to be right.
func TestProofWithoutAuthTimeOfAnIDToken(t *testing.T) {
	i := startImpostor(t, func(o *harness.Options) { o.Provider = believing })
	i.e.LogIn("alice", "DEVICE")
	w := waits(i.e, "alice", "DEVICE")
	for _, tt := range []struct {
		name   string
		value  any
		status int
		says   string
	}{
		{"none is believed", nil, http.StatusOK, resetSays},
		{"one of before is not", i.e.Clock.Now().Add(-time.Hour).Unix(), http.StatusForbidden, staleSays},
		{"one that is text is not", "now", http.StatusForbidden, staleSays},
		{"zero is not", 0, http.StatusForbidden, staleSays},
		{"one of just now is", i.e.Clock.Now().Unix(), http.StatusOK, resetSays},
	} {
		t.Run("J-22: of auth_time "+tt.name, func(t *testing.T) {
			e := i.e.For(t)
			i.spoil(i.claims(func(claims map[string]any) { set(claims, "auth_time", tt.value) }))
			defer i.spoil(nil)
			b := e.NewBrowser()
			expectReset(t, b.SignIn(b.Visit(w.page()), "alice"), tt.status, tt.says)
			w.expectApproved(t, false)
		})
	}
}
