package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestPagesInOtherLanguages(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	in := func(t *testing.T, p harness.Page, lang string) harness.Page {
		t.Helper()
		if got := p.Header.Get("Content-Language"); got != lang || !strings.Contains(p.HTML, `<html lang="`+lang+`"`) {
			t.Errorf("%s is in %q, want %s", p.Request.URL, got, lang)
		}
		return p
	}
	t.Run("C-04: a language that is chosen on a page is that of the pages to come, before the browser's", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		in(t, b.Visit(devicePagePath), "en")
		in(t, b.Visit(devicePagePath+"?language=de"), "de")
		in(t, b.Visit(devicePagePath), "de")
		in(t, b.Visit(devicePagePath+"?language=en"), "en")
	})
	t.Run("C-04: what the client asks for comes before what was chosen earlier, and after what is chosen now", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		in(t, b.Visit(devicePagePath+"?language=en"), "en")
		page := in(t, b.Consent(relyingParty{id: id}.request(e, "openid", "ui_locales", "de"), "alice"), "de")
		in(t, b.Visit(page.Request.URL.RequestURI()+"&language=en"), "en")
	})
	t.Run("C-04: a page offers its languages and keeps what its address asks for", func(t *testing.T) {
		p := e.For(t).NewBrowser().Visit(devicePagePath + "?user_code=BCDF-GHJK&language=de")
		for _, want := range []string{`<form method="get" action="` + devicePagePath + `">`, `<input type="hidden" name="user_code" value="BCDF-GHJK">`, `lang="en"`, ">English<", ">Deutsch<"} {
			if !strings.Contains(p.HTML, want) {
				t.Errorf("the page has no %s:\n%s", want, p.HTML)
			}
		}
		if strings.Contains(p.HTML, `type="hidden" name="language"`) {
			t.Error("the language is asked for twice")
		}
	})
	t.Run("C-04: the answer to a form is there once, an error repeats nothing, and neither offers other languages", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		page := b.Consent(e.NewRequest(id, harness.ScopeStable+"LANGUAGE"), "alice")
		b.Decide(page, "cancel")
		for _, p := range []harness.Page{b.Decide(page, "cancel"), b.Visit(callbackPath(e) + "?state=none"), b.Visit(authorizePath + "?client_id=nobody")} {
			if p.StatusCode == http.StatusOK || strings.Contains(p.HTML, `method="get"`) || p.Text() == "" {
				t.Errorf("%s offers other languages:\n%s", p.Request.URL, p.HTML)
			}
		}
	})
	t.Run("L-22: the language's cookie is as safe as the others, and no language that there is not is kept", func(t *testing.T) {
		e := e.For(t)
		kept := e.Get(devicePagePath + "?language=de").Header
		if got := strings.Join(kept.Values("Set-Cookie"), "\n"); !strings.Contains(got, "keymaker_language=de; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax") {
			t.Errorf("Set-Cookie is %q", got)
		}
		for _, not := range []string{"xx", "de%0d%0aX:1", "", "de-AT-x-" + strings.Repeat("a", 9)} {
			a := e.Get(devicePagePath + "?language=" + not)
			if got := strings.Join(a.Header.Values("Set-Cookie"), "\n"); a.Status != http.StatusOK || strings.Contains(got, "keymaker_language") {
				t.Errorf("%q: status %d, Set-Cookie %q", not, a.Status, got)
			}
		}
	})
}
