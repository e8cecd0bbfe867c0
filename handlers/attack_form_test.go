package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/templates"
)

func TestHostileForms(t *testing.T) { attackAll(t, formThemes()) }

// formAnswer is the answer to the form on a page, as a browser sends it.
func formAnswer(e *harness.Env, b *harness.Browser, at harness.Page) *wire {
	e.T.Helper()
	action, values := b.Fields(at)
	values.Set("decision", "approve")
	return posting(e, action, values, "Cookie", b.Cookie(), "Origin", e.URL, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate")
}

// consenting answers the consent page of a person's own login.
func consenting(e *harness.Env, b *harness.Browser, user string) *wire {
	e.T.Helper()
	id, _ := e.Register(harness.WebClient)
	return formAnswer(e, b, b.Consent(e.NewRequest(id, harness.ScopeStable+"CONSENTED"), user))
}

// confirming answers the page of a legacy login.
func confirming(e *harness.Env, b *harness.Browser, user string) *wire {
	e.T.Helper()
	return formAnswer(e, b, b.SignIn(b.Visit(legacyStart(harness.LegacyRedirect)), user))
}

// allowing answers the page of a device that waits.
func allowing(e *harness.Env, b *harness.Browser, user string) *wire {
	e.T.Helper()
	e.Clock.Advance(time.Minute) // the page lets codes be tried again
	return formAnswer(e, b, enter(e, b, begin(e).userCode, user))
}

// typing is a user code that a person types.
func typing(e *harness.Env, b *harness.Browser) *wire {
	e.T.Helper()
	e.Clock.Advance(time.Minute) // the page lets codes be tried again
	entry := b.Visit(devicePagePath)
	return posting(e, devicePagePath, url.Values{"csrf_token": {entry.Input("csrf_token")}, "user_code": {begin(e).userCode}},
		"Cookie", b.Cookie(), "Origin", e.URL, "Sec-Fetch-Site", "same-origin")
}

// leads wants a form to have been accepted, and to lead to what only that gives.
func leads(to string) func(t *testing.T, w *wire, a harness.Answer) {
	return func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		if a.Status != http.StatusSeeOther || !strings.Contains(a.Header.Get("Location"), to) {
			t.Errorf("without the attack: status %d to %q:\n%.300s", a.Status, a.Header.Get("Location"), a.Body)
		}
	}
}

// says wants a page with 200 that says something.
func says(words string) func(t *testing.T, w *wire, a harness.Answer) {
	return func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		if a.Status != http.StatusOK || !strings.Contains(string(a.Body), words) {
			t.Errorf("without the attack: status %d:\n%.600s", a.Status, a.Body)
		}
	}
}

// forms are the forms that change something. Each takes a browser, in which the
// person signs in.
var forms = []struct {
	name     string // with the items
	fill     func(e *harness.Env, b *harness.Browser, user string) *wire
	succeeds func(t *testing.T, w *wire, a harness.Answer)
	done     string // what a page says that has done it
}{
	{"L-06 C-62: the consent", consenting, leads("code="), ""},
	{"L-06 I-06: the confirmation of a legacy login", confirming, leads("loginToken="), ""},
	{"L-06 G-14: the consent for a device", allowing, says("Your device is connected"), "Your device is connected"},
	{"L-06 G-11: the user code", func(e *harness.Env, b *harness.Browser, _ string) *wire { return typing(e, b) }, says("oidc_req_id="), "oidc_req_id="},
}

// saying replaces what a browser says of where a form comes from.
func saying(headers map[string]string) func(*wire) {
	return func(w *wire) {
		for _, name := range []string{"Sec-Fetch-Site", "Origin"} {
			w.header.Del(name)
		}
		for name, value := range headers {
			w.header.Set(name, value)
		}
	}
}

func formThemes() []theme {
	var all []theme
	for _, f := range forms {
		token := func(b func(e *harness.Env) (*harness.Browser, string)) func(*wire) {
			return func(w *wire) {
				browser, user := b(w.e)
				w.form["csrf_token"] = f.fill(w.e, browser, user).form["csrf_token"]
			}
		}
		attacks := []attack{
			{name: f.name + " without its token", change: field("csrf_token")},
			{name: f.name + " with an empty token", change: field("csrf_token", "")},
			{name: f.name + " with a token that was made up", change: field("csrf_token", strings.Repeat("0", 64))},
			{name: f.name + " with two tokens", change: func(w *wire) { w.form.Add("csrf_token", "x") }},
			{name: f.name + " with the token of another browser", change: token(func(e *harness.Env) (*harness.Browser, string) { return e.NewBrowser(), "alice" })},
			{name: f.name + " with the token of somebody else", change: token(func(e *harness.Env) (*harness.Browser, string) { return e.NewBrowser(), "bob" })},
			{name: f.name + " without cookies", change: header("Cookie")},
			{name: f.name + " with the cookies of another browser", change: func(w *wire) {
				w.header["Cookie"] = f.fill(w.e, w.e.NewBrowser(), "bob").header["Cookie"]
			}},
			{name: f.name + " from another site", change: saying(map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.net"})},
			{name: f.name + " from another site that hides its origin", change: saying(map[string]string{"Sec-Fetch-Site": "cross-site"})},
			{name: f.name + " from another site, within a frame", change: saying(map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "null", "Sec-Fetch-Dest": "iframe"})},
			{name: f.name + " from another host of the site", change: saying(map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://other.127.0.0.1"})},
			{name: f.name + " from another origin, in a browser without Sec-Fetch-Site", change: saying(map[string]string{"Origin": "https://evil.net"})},
			{name: f.name + " from no origin, in a browser without Sec-Fetch-Site", change: saying(map[string]string{"Origin": "null"})},
			{name: f.name + " from an origin that is called like the Host", change: saying(map[string]string{"Origin": "http://evil.net", "Host": "evil.net"})},
			{name: f.name + " by GET", change: func(w *wire) { w.method, w.query, w.form = http.MethodGet, w.form, nil }},
			{name: f.name + " by GET that calls itself POST", change: func(w *wire) {
				w.method, w.query, w.form = http.MethodGet, w.form, nil
				w.header.Set("X-HTTP-Method-Override", http.MethodPost)
				w.query.Set("_method", http.MethodPost)
			}},
			{name: f.name + " with its fields in the query", change: func(w *wire) { w.query, w.form = w.form, nil }},
			{name: f.name + " as plain text, which another site may send", change: func(w *wire) { w.header.Set("Content-Type", "text/plain") }},
			{name: f.name + " as JSON", change: func(w *wire) { body("application/json", `{"csrf_token":"x","decision":"approve"}`)(w) }},
			{name: f.name + " that is too large", change: field("x", strings.Repeat("x", 65<<10))},
		}
		all = append(all, theme{
			good:     func(e *harness.Env) *wire { return f.fill(e, e.NewBrowser(), "alice") },
			succeeds: f.succeeds,
			refused: func(t *testing.T, w *wire, a harness.Answer) {
				t.Helper()
				goesNowhere(t, a)
				if w.method == http.MethodPost && a.Status < 400 {
					t.Errorf("status %d:\n%.300s", a.Status, a.Body)
				}
				if f.done != "" && strings.Contains(string(a.Body), f.done) {
					t.Errorf("it was done:\n%s", a.Body)
				}
			},
			attacks: attacks,
		})
	}
	return append(all, theme{
		good:     func(e *harness.Env) *wire { return consenting(e, e.NewBrowser(), "alice") },
		succeeds: leads("code="), refused: stranded,
		attacks: []attack{
			{name: "L-06 C-62: the consent with the token of another request of the browser", change: func(w *wire) {
				b := w.e.NewBrowser()
				first, second := consenting(w.e, b, "alice"), consenting(w.e, b, "alice")
				first.form["csrf_token"] = second.form["csrf_token"]
				*w = *first
			}},
			{name: "L-06 C-62: the consent with the token of the account from which the person has switched", change: func(w *wire) {
				b := w.e.NewBrowser()
				id, _ := w.e.Register(harness.WebClient)
				page := b.Consent(w.e.NewRequest(id, harness.ScopeStable+"SWITCHED"), "alice")
				asAlice := formAnswer(w.e, b, page)
				b.SignIn(b.Visit(page.Links()[0]), "bob")
				asAlice.header.Set("Cookie", b.Cookie())
				*w = *asAlice
			}},
			{name: "C-69: the consent with neither answer", change: field(templates.FieldDecision)},
			{name: "C-69: the consent with another answer", change: field(templates.FieldDecision, "Approve")},
			{name: "C-03: the consent with two answers", change: field(templates.FieldDecision, "approve", "cancel")},
			{name: "C-69: the consent once more", change: func(w *wire) {
				again := consenting(w.e, w.e.NewBrowser(), "alice")
				again.clone().send()
				*w = *again
			}},
		},
	})
}
