package handlers_test

import (
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

func TestIDTokenHint(t *testing.T) {
	e := harness.Start(t)
	rp, other := newRelyingParty(e), newRelyingParty(e)
	idToken := func(rp relyingParty, b *harness.Browser, user string) string {
		r := rp.request(e, "openid")
		g := grant{r, b.Approve(r, user).Get("code")}
		return e.Form(tokenPath, with(g.values(), "client_secret", rp.secret)).Text("id_token")
	}
	alice, bob := e.NewBrowser(), e.NewBrowser()
	ofAlice, ofOther := idToken(rp, alice, "alice"), idToken(other, alice, "alice")
	idToken(rp, bob, "bob")
	forged := ofAlice[:len(ofAlice)-8] + "AAAAAAAA"
	silent := func(e *harness.Env, hint string) harness.Request {
		return rp.request(e, "openid", "prompt", "none", "id_token_hint", hint)
	}
	t.Run("C-41: prompt=none with the ID token of who is signed in is answered", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, ofAlice)
		rp.expectCode(t, e, alice.Authorize(r), r)
	})
	t.Run("C-41: with that of somebody else it is login_required", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, ofAlice)
		expectError(t, e, harness.Returned(bob.Authorize(r)), r, "login_required")
	})
	t.Run("A-03z C-41: so it is in a pushed request", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, ofAlice)
		p := r
		p.Values = with(r.Values, "client_secret", rp.secret)
		expectError(t, e, harness.Returned(bob.Authorize(pushed(e, p))), r, "login_required")
	})
	t.Run("C-50: without prompt=none the person is asked, with the name filled in", func(t *testing.T) {
		e := e.For(t)
		p := e.NewBrowser().Authorize(rp.request(e, "openid", "id_token_hint", ofAlice))
		if expectLogin(t, e, p); p.Input("username") != "alice" {
			t.Errorf("filled in is %q", p.Input("username"))
		}
	})
	for name, hint := range map[string]string{"another client's": ofOther, "forged": forged, "no JWT": "x", "cut": strings.Join(strings.Split(ofAlice, ".")[:2], ".")} {
		t.Run("C-04: an ID token that is "+name+" is no hint, and no error", func(t *testing.T) {
			e := e.For(t)
			r := silent(e, hint)
			rp.expectCode(t, e, bob.Authorize(r), r)
		})
	}
	t.Run("C-41: an ID token that has expired still says who it was", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(2 * time.Hour)
		r := silent(e, ofAlice)
		expectError(t, e, harness.Returned(bob.Authorize(r)), r, "login_required")
	})
}
