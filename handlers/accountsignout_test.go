package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestAccountSignOut(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "STAYS")
	t.Run("H-08: a person signs out of this browser here, and is shown where to do it at the provider", func(t *testing.T) {
		e := e.For(t)
		b := atHome(e, "alice")
		cookie := b.Cookie()
		action, values := formFor(t, b.Visit(accountPath), "sign_out")
		p := b.Post(b.Visit(accountPath), action, values)
		expectPage(t, p, http.StatusOK, "You are signed out")
		want := e.IDP.Issuer + "/end_session?client_id=" + url.QueryEscape(e.IDP.ClientID)
		if links := p.Links(); len(links) != 1 || links[0] != want {
			t.Errorf("the page links to %q, want %q", links, want)
		}
		if strings.Contains(b.Cookie(), "keymaker_session") {
			t.Errorf("the browser still has %q", b.Cookie())
		}
		a := e.Do(http.MethodGet, accountPath, map[string]string{"Cookie": cookie}, "")
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), e.IDP.Issuer) {
			t.Errorf("the old cookie is worth something: status %d to %q", a.Status, a.Header.Get("Location"))
		}
		expectAlive(t, e, tokens.Access)
	})
}
