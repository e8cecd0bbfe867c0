package handlers_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demoidp"
	"keymaker/internal/harness"
	"keymaker/store"
)

// Each case is a way to an approval that is not the person's own.
func TestWhatOpensNoReset(t *testing.T) {
	e, second := resetEnv(t)
	tokens := logInAt(e, e.IDP.ClientID, "alice", "TARGET")
	logInAt(e, e.IDP.ClientID, "alice", "OTHER")
	logInAt(e, e.IDP.ClientID, "bob", "BOBS")
	e.LogInLegacy("alice", "LEGACY")
	w := waits(e, "alice", "TARGET")
	logInAt(e, secondName, "alice", "SECOND")
	form := func(b *harness.Browser, p harness.Page) url.Values {
		_, values := b.Fields(p)
		values.Set("decision", "approve")
		return values
	}
	t.Run("J-08 J-20: a stolen access token alone", func(t *testing.T) {
		e := e.For(t)
		header := map[string]string{"Authorization": "Bearer " + tokens.Access}
		a := e.Do(http.MethodGet, w.page(), header, "")
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), e.IDP.Issuer+"/") {
			t.Errorf("status %d to %q", a.Status, a.Header.Get("Location"))
		}
		header["Content-Type"] = "application/x-www-form-urlencoded"
		values := url.Values{"oidc_req_id": {w.id}, "csrf_token": {strings.Repeat("0", 64)}, "decision": {"approve"}}
		if a := e.Do(http.MethodPost, resetPath, header, values.Encode()); a.Status != http.StatusForbidden {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
		w.expectApproved(t, false)
	})
	t.Run("J-20: a browser session alone, even with a form of before", func(t *testing.T) {
		e := e.For(t)
		b := atHome(e, "alice")
		p := b.SignIn(b.Visit(w.page()), "alice")
		values := form(b, p)
		e.Clock.Advance(store.ProofLife)
		expectReset(t, b.Post(p, resetPath, values), http.StatusBadRequest, "expired")
		w.expectApproved(t, false)
		if p := b.Visit(w.page()); !strings.HasPrefix(p.Request.URL.String(), e.IDP.Issuer+"/") {
			t.Errorf("the browser is at %s", p.Request.URL)
		}
	})
	t.Run("J-22: another subject at the provider, and the browser stays who it was", func(t *testing.T) {
		e := e.For(t)
		b := atHome(e, "alice")
		session := func() string {
			_, after, _ := strings.Cut(b.Cookie(), "keymaker_session=")
			return after
		}
		before := session()
		p := b.SignIn(b.Visit(w.page()), "bob")
		expectReset(t, p, http.StatusForbidden, otherSays)
		if session() != before {
			t.Errorf("the session was %q, and is %q", before, session())
		}
		if p := b.Visit(w.page()); !strings.HasPrefix(p.Request.URL.String(), e.IDP.Issuer+"/") {
			t.Errorf("the browser is at %s", p.Request.URL)
		}
		expectPage(t, b.Visit(accountPath), http.StatusOK, "@alice:example.org")
		w.expectApproved(t, false)
	})
	t.Run("J-22: another account of the same user at the same provider", func(t *testing.T) {
		e := e.For(t)
		also := demoidp.User{Subject: "the-other-of-alice", Username: "alicetoo", EmailVerified: new(true)}
		if err := e.IDP.SetUser(also); err != nil {
			t.Fatal(err)
		}
		link := store.NewLink{ProviderID: e.IDP.ClientID, Issuer: e.IDP.Issuer, Subject: also.Subject, Localpart: "alice"}
		if err := e.Server.Store().InTx(t.Context(), func(ctx context.Context) error { return e.Server.Store().AddLink(ctx, link) }); err != nil {
			t.Fatal(err)
		}
		b := atHome(e, "alice")
		other := e.NewBrowser()
		expectPage(t, other.SignIn(other.Visit(accountPath), also.Username), http.StatusOK, "@alice:example.org")
		expectReset(t, b.SignIn(b.Visit(w.page()), also.Username), http.StatusForbidden, otherSays)
		w.expectApproved(t, false)
	})
	t.Run("J-22: another provider's login, though it is of the same user", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		a := e.Do(http.MethodGet, w.page()+"&idp_id="+secondName, nil, "")
		if !strings.HasPrefix(a.Header.Get("Location"), e.IDP.Issuer+"/") {
			t.Errorf("the sign-in is at %s", a.Header.Get("Location"))
		}
		// A proof that she gives at the second provider, for a device of it.
		s := waits(e, "alice", "SECOND")
		p := b.SignIn(b.Visit(s.page()), "alice")
		expectReset(t, p, http.StatusOK, "Device ID SECOND")
		values := form(b, p)
		values.Set("oidc_req_id", w.id)
		expectReset(t, b.Post(p, resetPath, values), http.StatusForbidden, "too old")
		if p := b.Visit(w.page()); !strings.HasPrefix(p.Request.URL.String(), e.IDP.Issuer+"/") {
			t.Errorf("the browser is at %s", p.Request.URL)
		}
		w.expectApproved(t, false)
	})
	t.Run("J-22: a login of before, asked for without prompt and max_age", func(t *testing.T) {
		e := e.For(t)
		b := atHome(e, "alice")
		e.Clock.Advance(time.Minute)
		a := e.Do(http.MethodGet, w.page(), map[string]string{"Cookie": b.Cookie()}, "")
		to := must(url.Parse(a.Header.Get("Location")))
		query := to.Query()
		query.Del("prompt")
		query.Del("max_age")
		to.RawQuery = query.Encode()
		expectReset(t, b.Visit(to.String()), http.StatusForbidden, staleSays)
		w.expectApproved(t, false)
	})
	t.Run("J-20: the approval of another device", func(t *testing.T) {
		e := e.For(t)
		other := waits(e, "alice", "OTHER")
		b := e.NewBrowser()
		p := b.SignIn(b.Visit(other.page()), "alice")
		values := form(b, p)
		expectReset(t, b.Post(p, resetPath, values), http.StatusOK, resetDone)
		other.expectApproved(t, true)
		w.expectApproved(t, false)
		values.Set("oidc_req_id", w.id)
		expectReset(t, b.Post(p, resetPath, values), http.StatusForbidden, "too old")
		w.expectApproved(t, false)
	})
	t.Run("J-20: the waiting session of another user", func(t *testing.T) {
		e := e.For(t)
		bobs := waits(e, "bob", "BOBS")
		b := atHome(e, "alice")
		expectReset(t, b.SignIn(b.Visit(bobs.page()), "alice"), http.StatusForbidden, otherSays)
		bobs.expectApproved(t, false)
		w.expectApproved(t, false)
	})
	t.Run("J-05: the approval of a legacy device", func(t *testing.T) {
		e := e.For(t)
		legacy := waits(e, "alice", "LEGACY")
		b := e.NewBrowser()
		expectReset(t, b.Decide(b.SignIn(b.Visit(legacy.page()), "alice"), "approve"), http.StatusOK, resetDone)
		w.expectApproved(t, false)
	})
	t.Run("J-20: a proof in another browser", func(t *testing.T) {
		e := e.For(t)
		b, thief := e.NewBrowser(), atHome(e, "alice")
		p := b.SignIn(b.Visit(w.page()), "alice")
		expectReset(t, thief.Post(p, resetPath, form(b, p)), http.StatusForbidden, "too old")
		w.expectApproved(t, false)
	})
	t.Run("J-20: a form from another site", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		p := b.SignIn(b.Visit(w.page()), "alice")
		header := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Cookie": b.Cookie(), "Origin": "https://evil.example"}
		if a := e.Do(http.MethodPost, resetPath, header, form(b, p).Encode()); a.Status != http.StatusForbidden {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
		w.expectApproved(t, false)
	})
	t.Run("J-20: a locked account", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		p := b.SignIn(b.Visit(w.page()), "alice")
		values := form(b, p)
		setUser(e, "alice", "locked_at", true)
		defer setUser(e, "alice", "locked_at", false)
		expectReset(t, b.Post(p, resetPath, values), http.StatusForbidden, "Your account is locked")
		expectReset(t, b.Visit(w.page()), http.StatusForbidden, "Your account is locked")
		w.expectApproved(t, false)
	})
	t.Run("J-20: an approval is over after ten minutes", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		expectReset(t, b.Decide(b.SignIn(b.Visit(w.page()), "alice"), "approve"), http.StatusOK, resetDone)
		w.expectApproved(t, true)
		e.Clock.Advance(10 * time.Minute)
		w.expectApproved(t, false)
	})
	t.Run("J-20: the link of an account at the provider that was removed", func(t *testing.T) {
		e := e.For(t)
		s := waits(e, "alice", "SECOND")
		execute(e, "DELETE FROM upstream_links WHERE provider_id = ?", secondName)
		b := e.NewBrowser()
		p := b.Visit(s.page())
		if !strings.HasPrefix(p.Request.URL.String(), second.Issuer+"/") {
			t.Fatalf("the browser is at %s", p.Request.URL)
		}
		expectReset(t, b.SignIn(p, "alice"), http.StatusForbidden, otherSays)
		s.expectApproved(t, false)
	})
}
