package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
)

func TestHostileTexts(t *testing.T) { attackAll(t, textThemes()) }

func textThemes() []theme { return append(logThemes(), pageThemes()...) }

// forged is a line that would look like one of the log's own, and what turns a
// terminal's text around.
const forged = "x\r\n{\"level\":\"ERROR\",\"msg\":\"FORGED\"}\n\u001b[2K\u001b[31mFORGED\u202e"

// unforged wants nothing of it in the log.
func unforged(t *testing.T, w *wire, _ harness.Answer) {
	t.Helper()
	log := w.e.Log.String()
	if strings.Contains(log, "FORGED") || strings.ContainsAny(log, "\u001b\u202e") || strings.Contains(log, `\u001b`) {
		t.Errorf("the log has what somebody sent:\n%.600s", log[max(strings.Index(log, "FORGED")-200, 0):])
	}
	for line := range strings.Lines(log) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is broken: %.300s", line)
		}
	}
}

func logThemes() []theme {
	authorization := func(e *harness.Env) *wire {
		id, _ := e.Register(harness.WebClient)
		return authorizing(e, e.NewRequest(id, harness.ScopeStable+"LOGGED"))
	}
	quiet := func(succeeds func(t *testing.T, w *wire, a harness.Answer)) func(t *testing.T, w *wire, a harness.Answer) {
		return func(t *testing.T, w *wire, a harness.Answer) {
			t.Helper()
			succeeds(t, w, a)
			unforged(t, w, a)
		}
	}
	return []theme{
		{
			good: authorization, succeeds: quiet(onTheWay), refused: unforged,
			attacks: []attack{
				{name: "L-18 C-03: the log repeats no state", change: query("state", forged)},
				{name: "L-18 C-03: the log repeats no client_id", change: query("client_id", forged)},
				{name: "L-18 C-03: the log repeats no redirect URI", change: query("redirect_uri", forged)},
				{name: "L-18 C-03: the log repeats no scope", change: query("scope", forged)},
				{name: "L-18 C-03: the log repeats no login_hint", change: query("login_hint", forged)},
				{name: "L-18 C-03: the log repeats no prompt", change: query("prompt", forged)},
				{name: "L-18 C-03: the log repeats no name of a parameter", change: func(w *wire) { w.query[forged] = []string{"a", "b"} }},
				{name: "L-18 C-03: the log repeats no provider", change: query("idp_id", forged)},
				{name: "L-18: the log repeats no user agent", change: header("User-Agent", "x \u202eFORGED")},
				{name: "L-18: the log repeats no X-Forwarded-For", change: header("X-Forwarded-For", "FORGED, \u202e")},
				{name: "L-18: the log repeats no X-Request-Id", change: header("X-Request-Id", "FORGED")},
				{name: "L-18: the log repeats no path", change: func(w *wire) { w.path = "/" + url.PathEscape(forged) }},
				{name: "L-18: the log repeats no method", change: func(w *wire) { w.method = "FORGED" }},
			},
		},
		{
			good: func(e *harness.Env) *wire {
				return postingJSON(e, registerPath, map[string]any{"client_name": "My App", "client_uri": "https://example.com/", "redirect_uris": []string{harness.WebRedirect},
					"token_endpoint_auth_method": "none"})
			},
			succeeds: quiet(created), refused: unforged,
			attacks: []attack{
				{name: "L-18 B-03: the log repeats no name of a client", change: func(w *wire) { w.json["client_name"] = forged }},
				{name: "L-18 B-03: the log repeats no redirect URI of a registration", change: func(w *wire) { w.json["redirect_uris"] = []string{forged} }},
				{name: "L-18 B-03: the log repeats no home page of a client", change: func(w *wire) { w.json["client_uri"] = forged }},
				{name: "L-18 B-03: the log repeats no method of authentication", change: func(w *wire) { w.json["token_endpoint_auth_method"] = forged }},
				{name: "L-18 B-03: the log repeats no grant type of a registration", change: func(w *wire) { w.json["grant_types"] = []string{forged} }},
			},
		},
		{
			good: exchanging, succeeds: quiet(tokensCome), refused: unforged, consumed: true,
			attacks: []attack{
				{name: "L-18 D-03: the log repeats no grant type", change: field("grant_type", forged)},
				{name: "L-18 D-03: the log repeats no code", change: field("code", forged)},
				{name: "L-18 D-03: the log repeats no client of an exchange", change: field("client_id", forged)},
				{name: "L-18 D-03: the log repeats no verifier", change: field("code_verifier", forged)},
				{name: "L-18 D-03: the log repeats no name of a field", change: field(forged, "a", "b")},
				{name: "L-18 D-03: the log repeats no refresh token", change: func(w *wire) { w.form = refreshForm(w.form.Get("client_id"), forged) }},
			},
		},
		{
			good: returning, succeeds: quiet(cameBack), refused: unforged, consumed: true,
			attacks: []attack{
				{name: "L-18 L-06: the log repeats no text of an identity provider's error", change: func(w *wire) {
					w.query.Del("code")
					w.query["error"], w.query["error_description"] = []string{"access_denied"}, []string{forged}
				}},
				{name: "L-18 L-06: the log repeats no code of an identity provider", change: query("code", forged)},
				{name: "L-18 L-06: the log repeats no state of a callback", change: query("state", forged)},
				{name: "L-18 L-06: the log repeats no issuer of a callback", change: query("iss", forged)},
			},
		},
	}
}

// shows are pages with a text from outside, in a place of their own.
var shows = []struct {
	name string // with the items
	page func(e *harness.Env, text string) *wire
}{
	{"L-23 C-60: the consent shows a client's name", func(e *harness.Env, text string) *wire {
		id, _ := e.Register(named(e, harness.WebClient, "My App", text))
		b := e.NewBrowser()
		p := b.Consent(e.NewRequest(id, harness.ScopeStable+"SHOWN"), "alice")
		return fetched(e, p.Request.URL.RequestURI(), "Cookie", b.Cookie())
	}},
	{"L-23 G-10: the consent for a device shows a client's name", func(e *harness.Env, text string) *wire {
		id, _ := e.Register(named(e, deviceOnly, "My TV", text))
		a := e.Form(deviceAuthorizationPath, url.Values{"client_id": {id}, "scope": {harness.ScopeStable + "SHOWNDEVICE"}})
		b := e.NewBrowser()
		e.Clock.Advance(time.Minute) // the page lets codes be tried again
		p := enter(e, b, a.Text("user_code"), "alice")
		return fetched(e, p.Request.URL.RequestURI(), "Cookie", b.Cookie())
	}},
	{"L-23 G-10: the consent for a device shows where it is asked from", func(e *harness.Env, text string) *wire {
		id, _ := e.Register(deviceOnly)
		a := e.Do(http.MethodPost, deviceAuthorizationPath, map[string]string{"Content-Type": form, "User-Agent": strings.ReplaceAll(text, "\n", " ")},
			url.Values{"client_id": {id}, "scope": {harness.ScopeStable + "SHOWNDEVICE"}}.Encode())
		b := e.NewBrowser()
		e.Clock.Advance(time.Minute) // the page lets codes be tried again
		p := enter(e, b, a.Text("user_code"), "alice")
		return fetched(e, p.Request.URL.RequestURI(), "Cookie", b.Cookie())
	}},
	{"L-23 G-10: the page for a user code shows the code of a link", func(e *harness.Env, text string) *wire {
		return fetched(e, devicePagePath+"?"+url.Values{"user_code": {text}}.Encode())
	}},
	{"L-23 H-01: the account shows a client's name", func(e *harness.Env, text string) *wire {
		id, _ := e.Register(named(e, harness.WebClient, "My App", text))
		e.LogInWith(e.NewRequest(id, harness.ScopeStable+"SHOWN"), "alice")
		return accountOf(e)
	}},
	{"L-23 H-01: the account shows a device's name", func(e *harness.Env, text string) *wire {
		body := map[string]any{"type": "m.login.token", "token": e.LoginToken(e.NewBrowser(), "alice"), "device_id": "NAMED" + secret.Letters(8), "initial_device_display_name": text}
		if a := postingJSON(e, loginPath, body).send(); a.Status != http.StatusOK {
			e.T.Fatalf("the login: status %d: %s", a.Status, a.Body)
		}
		return accountOf(e)
	}},
}

func accountOf(e *harness.Env) *wire {
	b := e.NewBrowser()
	b.SignIn(b.Visit(accountPath), "alice")
	return fetched(e, accountPath, "Cookie", b.Cookie())
}

func named(e *harness.Env, metadata, old, name string) string {
	e.T.Helper()
	doc, err := json.Marshal(name)
	if err != nil {
		e.T.Fatal(err)
	}
	return strings.Replace(metadata, `"`+old+`"`, string(doc), 1)
}

func pageThemes() []theme {
	// What a page must not contain, and the text that would bring it in.
	texts := []struct{ name, text, never string }{
		{"markup", `Evil<script>alert(1)</script>`, "<script>alert"},
		{"an end of an attribute", `Evil" autofocus onfocus="alert(1)`, `Evil" `},
		{"an end of an attribute, in single quotes", `Evil' autofocus onfocus='alert(1)`, `Evil' `},
		{"an entity", `Evil-&lt;b&gt;`, "Evil-&lt;b"},
		{"a template that is evaluated", `Evil{{printf "%d" 7}}`, "Evil7"},
		{"text that turns around", "Evil\u202egnp.exe", "\u202e"},
		{"text that isolates itself", "Evil\u2066x\u2069", "\u2066"},
		{"text that nobody sees", "Evil\u200b\u2060\ufeffx", "\u200b"},
	}
	var all []theme
	for _, s := range shows {
		th := theme{
			good: func(e *harness.Env) *wire { return s.page(e, "Good Name") },
			succeeds: func(t *testing.T, _ *wire, a harness.Answer) {
				t.Helper()
				if a.Status != http.StatusOK || !strings.Contains(string(a.Body), "Good Name") {
					t.Errorf("without the attack: status %d:\n%s", a.Status, a.Body)
				}
			},
		}
		for _, text := range texts {
			th.attacks = append(th.attacks, attack{
				name:   fmt.Sprintf("%s without %s", s.name, text.name),
				change: func(w *wire) { *w = *s.page(w.e, text.text) },
				refused: func(t *testing.T, _ *wire, a harness.Answer) {
					t.Helper()
					if a.Status != http.StatusOK || !strings.Contains(string(a.Body), "Evil") || strings.Contains(string(a.Body), text.never) {
						t.Errorf("status %d:\n%s", a.Status, a.Body)
					}
				},
			})
		}
		all = append(all, th)
	}
	return all
}
