package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestUILocales(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) {
		o.Provider = "registration = false"
	})
	id, _ := e.Register(harness.WebClient)
	german := func(e *harness.Env, pairs ...string) harness.Request {
		return relyingParty{id: id}.request(e, "openid", append(pairs, "ui_locales", "xx de en")...)
	}
	expectGerman := func(t *testing.T, p harness.Page) {
		t.Helper()
		if got := p.Header.Get("Content-Language"); got != "de" {
			t.Errorf("Content-Language is %q at %s:\n%s", got, p.Request.URL.Path, p.Text())
		}
	}
	t.Run("C-04: an error in the request is explained in the language that it asks for", func(t *testing.T) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			e := e.For(t)
			expectGerman(t, ask(e.NewBrowser(), e, method, german(e, "code_challenge", "")))
		}
	})
	t.Run("C-04: so is what the identity provider's answer leads to", func(t *testing.T) {
		e := e.For(t)
		p := e.NewBrowser().Consent(german(e), "alice")
		if p.StatusCode != http.StatusForbidden {
			t.Errorf("status %d", p.StatusCode)
		}
		expectGerman(t, p)
	})
	t.Run("C-04 B-17: and the consent page with what the client says in that language, and what follows it", func(t *testing.T) {
		e := harness.Start(t)
		id, _ := e.Register(metadataOf(t, map[string]any{
			"client_name#de": "Meine App", "client_name#fr": "Mon appli", "tos_uri": "https://example.com/tos", "tos_uri#de": "https://example.com/agb",
			"policy_uri": "https://example.com/privacy", "policy_uri#de-DE": "https://example.com/datenschutz",
		}))
		r := relyingParty{id: id}.request(e, "openid", "ui_locales", "de", "response_mode", "form_post")
		b := e.NewBrowser()
		page := b.Consent(r, "alice")
		expectGerman(t, page)
		links := strings.Join(page.Links(), " ")
		if !strings.Contains(page.Text(), "Meine App") || !strings.Contains(links, "/agb") || !strings.Contains(links, "/datenschutz") || strings.Contains(links, "/tos") {
			t.Errorf("B-17: the page links to %s and says\n%s", links, page.Text())
		}
		expectGerman(t, b.Decide(page, "approve"))
		expectGerman(t, b.Decide(page, "approve")) // which is too late
	})
	t.Run("C-04: the identity provider is told too", func(t *testing.T) {
		e := e.For(t)
		begun := e.Get(authorizePath + "?" + german(e).Values.Encode())
		cookie := cookieOf(begun.Header, "keymaker_browser")
		if cookie == nil {
			t.Fatalf("status %d without a cookie", begun.Status)
		}
		at := e.Do(http.MethodGet, begun.Header.Get("Location"), map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}, "")
		if got := must(url.Parse(at.Header.Get("Location"))).Query().Get("ui_locales"); got != "xx de en" {
			t.Errorf("ui_locales is %q in %s", got, at.Header.Get("Location"))
		}
	})
}
