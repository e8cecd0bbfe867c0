package handlers_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"keymaker/internal/harness"
)

func TestASignInCanBeginOnceMore(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("C-69: a finished request starts again, and only a second approval gives a second code", func(t *testing.T) {
		e := e.For(t)
		b, r := e.NewBrowser(), e.NewRequest(id, harness.ScopeStable+"AGAIN")
		asked := b.Consent(r, "alice")
		first := harness.Returned(b.Decide(asked, "approve")).Get("code")
		finished := b.Decide(asked, "approve")
		expectPage(t, finished, http.StatusConflict, "This sign-in is already finished")
		again := b.SignIn(b.Follow(finished, 0), "alice")
		expectPage(t, again, http.StatusOK, "Let My App use your account?")
		if was, is := asked.Input("oidc_req_id"), again.Input("oidc_req_id"); was == is || is == "" {
			t.Errorf("it is the request %q again, which was %q", is, was)
		}
		answer := harness.Returned(b.Decide(again, "approve"))
		if answer.Get("state") != r.Values.Get("state") || answer.Get("code") == first {
			t.Errorf("the answer is %v, the first code was %q", answer, first)
		}
		harness.ExpectJSON(t, e.Exchange(r, answer.Get("code")), http.StatusOK)
	})
	t.Run("C-06: a request that took too long starts again", func(t *testing.T) {
		e := e.For(t)
		b, r := e.NewBrowser(), e.NewRequest(id, harness.ScopeStable+"LATE")
		asked := b.Consent(r, "alice")
		e.Clock.Advance(31 * time.Minute)
		late := b.Decide(asked, "approve")
		expectPage(t, late, http.StatusBadRequest, "This sign-in has expired")
		again := b.SignIn(b.Follow(late, 0), "alice")
		harness.ExpectJSON(t, e.Exchange(r, harness.Returned(b.Decide(again, "approve")).Get("code")), http.StatusOK)
	})
	t.Run("I-06: a finished legacy login starts again", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		asked := b.SignIn(b.Visit(legacyStart(harness.LegacyRedirect)), "alice")
		b.Decide(asked, "cancel")
		again := b.SignIn(b.Follow(b.Decide(asked, "approve"), 0), "alice")
		expectPage(t, again, http.StatusOK, "Continue to app.example.com?")
		if token := b.Decide(again, "approve").Location().Query().Get("loginToken"); token == "" {
			t.Error("there is no login token")
		}
	})
	t.Run("C-62: a request starts again in its own browser alone", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		asked := b.Consent(e.NewRequest(id, harness.ScopeStable+"OTHER"), "alice")
		b.Decide(asked, "cancel")
		path := restartPath + "?" + url.Values{"oidc_req_id": {asked.Input("oidc_req_id")}}.Encode()
		expectDeadEnd(t, e.NewBrowser().Visit(path), http.StatusForbidden, "This sign-in belongs to another browser")
		expectDeadEnd(t, b.Visit(restartPath), http.StatusBadRequest, "This sign-in has expired")
	})
}
