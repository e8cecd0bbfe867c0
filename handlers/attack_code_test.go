package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
)

func TestHostilePKCE(t *testing.T) { attackAll(t, pkceThemes()) }

func TestHostileCodes(t *testing.T) { attackAll(t, codeThemes()) }

// another registers a second client.
func another(e *harness.Env) string {
	e.T.Helper()
	id, _ := e.Register(strings.Replace(harness.WebClient, "My App", "Another App", 1))
	return id
}

// exchanging is the exchange of a code that a person has just approved.
func exchanging(e *harness.Env) *wire {
	e.T.Helper()
	id, _ := e.Register(harness.WebClient)
	return posting(e, tokenPath, approved(e, id, harness.ScopeStable+"EXCHANGED").values())
}

func pkceThemes() []theme {
	set := func(pairs ...string) func(*wire) {
		return func(w *wire) { w.query = with(w.query, pairs...) }
	}
	verifier := func(change func(right string) string) func(*wire) {
		return func(w *wire) { w.form.Set("code_verifier", change(w.form.Get("code_verifier"))) }
	}
	plain := func(e *harness.Env) *wire {
		id, _ := e.Register(harness.WebClient)
		r := e.NewRequest(id, harness.ScopeStable+"PLAINCODE")
		r.Values.Del("code_challenge")
		r.Values.Del("code_challenge_method")
		g := grant{r, e.NewBrowser().Approve(r, "alice").Get("code")}
		return posting(e, tokenPath, with(g.values(), "code_verifier", ""))
	}
	return []theme{
		{
			good: func(e *harness.Env) *wire {
				id, _ := e.Register(harness.WebClient)
				return authorizing(e, e.NewRequest(id, harness.ScopeStable+"DOWNGRADED"))
			},
			succeeds: onTheWay, refused: stranded,
			attacks: []attack{
				{name: "C-05 L-03: a request without challenge and method", change: set("code_challenge", "", "code_challenge_method", "")},
				{name: "C-05 L-03: one with a method alone", change: set("code_challenge", "")},
				{name: "C-05 L-03: one with a challenge alone, which would be plain", change: set("code_challenge_method", "")},
				{name: "C-05 L-03: one with plain", change: set("code_challenge_method", "plain")},
				{name: "C-05 L-03: one with plain, and a challenge that is no hash", change: set("code_challenge_method", "plain", "code_challenge", strings.Repeat("a", 50))},
				{name: "C-05 L-03: one with the method in lower case", change: set("code_challenge_method", "s256")},
				{name: "C-05 L-03: one with another hash", change: set("code_challenge_method", "S512")},
				{name: "C-05 L-03: one with a space behind the method", change: set("code_challenge_method", "S256 ")},
				{name: "C-05 L-03: one with a short challenge", change: set("code_challenge", "abc")},
				{name: "C-05 L-03: one with a padded challenge", change: set("code_challenge", strings.Repeat("a", 43)+"=")},
				{name: "C-05 L-03: one with a challenge in the other base64", change: set("code_challenge", strings.Repeat("a", 41)+"+/")},
				{name: "C-05 L-03: one with a challenge in hexadecimal", change: set("code_challenge", strings.Repeat("ab", 32))},
				{name: "C-03 L-03: one with two challenges", change: func(w *wire) { w.query.Add("code_challenge", harness.Challenge("x")) }},
				{name: "C-03 L-03: one with two methods", change: func(w *wire) { w.query.Add("code_challenge_method", "plain") }},
			},
		},
		{
			good: exchanging, succeeds: tokensCome, refused: noTokens, consumed: true,
			attacks: []attack{
				{name: "D-15 L-05: an exchange without verifier", change: field("code_verifier")},
				{name: "D-15 L-05: one with an empty verifier", change: field("code_verifier", "")},
				{name: "D-15 L-05: one with another verifier", change: verifier(func(string) string { return secret.Token() })},
				{name: "D-15 L-05: one with the challenge as verifier", change: verifier(harness.Challenge)},
				{name: "D-15 L-05: one with the verifier cut short", change: verifier(func(v string) string { return v[:42] })},
				{name: "D-15 L-05: one with a character more", change: verifier(func(v string) string { return v + "a" })},
				{name: "D-15 L-05: one with the verifier in another case", change: verifier(strings.ToUpper)},
				{name: "D-15 L-05: one with a space behind the verifier", change: verifier(func(v string) string { return v + " " })},
				{name: "D-15 L-05: one with a line break behind it", change: verifier(func(v string) string { return v + "\n" })},
				{name: "D-15 L-05: one with two verifiers", change: func(w *wire) { w.form.Add("code_verifier", secret.Token()) }},
				{name: "D-01 L-05: one with the verifier in the query", change: func(w *wire) {
					w.query = url.Values{"code_verifier": w.form["code_verifier"]}
					w.form.Del("code_verifier")
				}},
			},
		},
		{
			configure: func(o *harness.Options) { o.Global += "\noidc_require_pkce = false" },
			good:      plain, succeeds: tokensCome, refused: noTokens, consumed: true,
			attacks: []attack{
				{name: "D-16 L-03: where PKCE is not demanded, a verifier for a code that was asked for without: the request was downgraded", change: field("code_verifier", secret.Token())},
				{name: "D-15 L-03: and a code with challenge, without its verifier", change: func(w *wire) { w.form = with(exchanging(w.e).form, "code_verifier", "") }},
			},
		},
	}
}

func codeThemes() []theme {
	other := func(change func(w *wire, mine url.Values)) func(*wire) {
		return func(w *wire) { change(w, exchanging(w.e).form) }
	}
	return []theme{
		{
			good: exchanging, succeeds: tokensCome, refused: noTokens, consumed: true,
			attacks: []attack{
				{name: "D-14 L-05: a code that another client presents", change: func(w *wire) { w.form.Set("client_id", another(w.e)) }},
				{name: "D-14 L-05: a code of another client", change: func(w *wire) {
					w.form.Set("code", approved(w.e, another(w.e), harness.ScopeStable+"INJECTED").code)
				}},
				{name: "D-15 L-05: a code of another person, injected into this login", change: func(w *wire) {
					r := w.e.NewRequest(w.form.Get("client_id"), harness.ScopeStable+"INJECTED")
					w.form.Set("code", w.e.NewBrowser().Approve(r, "bob").Get("code"))
				}},
				{name: "D-15 L-05: a code of another browser", change: other(func(w *wire, mine url.Values) { w.form.Set("code", mine.Get("code")) })},
				{name: "D-15 L-05: the verifier of another browser", change: other(func(w *wire, mine url.Values) { w.form.Set("code_verifier", mine.Get("code_verifier")) })},
				{name: "D-13 L-05: a code with another redirect URI", change: field("redirect_uri", "https://evil.net/")},
				{name: "D-13 L-05: a code with the redirect URI in another case", change: field("redirect_uri", "https://APP.example.com/callback")},
				{name: "D-13 L-05: a code with a slash behind its redirect URI", change: field("redirect_uri", harness.WebRedirect+"/")},
				{name: "D-13 L-05: a code without its redirect URI", change: field("redirect_uri")},
				{name: "D-18 L-05: a code again", change: func(w *wire) {
					if a := w.clone().send(); a.Status != http.StatusOK {
						w.e.T.Fatalf("the first exchange: status %d: %s", a.Status, a.Body)
					}
				}},
				{name: "D-03 L-05: a login token as a code", change: func(w *wire) { w.form.Set("code", w.e.LoginToken(w.e.NewBrowser(), "alice")) }},
				{name: "D-03 L-05: a device code as a code", change: func(w *wire) { w.form.Set("code", begin(w.e).code) }},
				{name: "D-03 L-05: the state of a login as a code", change: field("code", "state of the client")},
				{name: "D-03 L-05: a code as a refresh token", change: func(w *wire) { w.form = refreshForm(w.form.Get("client_id"), w.form.Get("code")) }},
				{name: "D-03 L-05: a code as a device code", change: func(w *wire) {
					w.form = url.Values{"grant_type": {deviceGrantType}, "device_code": w.form["code"], "client_id": w.form["client_id"]}
				}},
				{name: "D-61 L-05: a code of a public client, with a secret", change: field("client_secret", "guessed")},
				{name: "D-60 L-05: a code without a client", change: field("client_id")},
			},
		},
		{
			good: func(e *harness.Env) *wire {
				tokens := e.LogIn("alice", "REFRESHED")
				return posting(e, tokenPath, refreshForm(tokens.ClientID, tokens.Refresh))
			},
			succeeds: tokensCome, refused: noTokens, consumed: true,
			attacks: []attack{
				{name: "D-21 L-05: a refresh token that another client presents", change: func(w *wire) { w.form.Set("client_id", another(w.e)) }},
				{name: "D-25 L-05: a refresh token whose successor is in use", change: func(w *wire) {
					next := w.clone().send()
					w.e.MustRefresh(w.form.Get("client_id"), next.Text("refresh_token"))
				}},
				{name: "D-2A: an access token as a refresh token", change: func(w *wire) {
					w.form.Set("refresh_token", w.e.LogIn("bob", "OTHER").Access)
				}},
				{name: "D-22: a refresh token, for a wider scope", change: field("scope", "openid email "+harness.ScopeStable+"REFRESHED")},
				{name: "D-22: a refresh token, for another device", change: field("scope", harness.ScopeStable+"ANOTHERDEVICE")},
				{name: "D-61: a refresh token, with a secret of a public client", change: field("client_secret", "guessed")},
				{name: "D-2D: a refresh token of a legacy session", change: func(w *wire) { w.form.Set("refresh_token", w.e.LogInLegacy("bob", "LEGACY").Refresh) }},
			},
		},
		{
			good: func(e *harness.Env) *wire {
				d := begin(e)
				b := e.NewBrowser()
				e.Clock.Advance(time.Minute) // the page lets codes be tried again
				if p := b.Decide(enter(e, b, d.userCode, "alice"), "approve"); p.StatusCode != http.StatusOK {
					e.T.Fatalf("approve: status %d:\n%s", p.StatusCode, p.Text())
				}
				return posting(e, tokenPath, d.values())
			},
			succeeds: tokensCome, refused: noTokens, consumed: true,
			attacks: []attack{
				{name: "G-24 L-05: a device code that another client presents", change: func(w *wire) { w.form.Set("client_id", another(w.e)) }},
				{name: "G-24 L-05: a device code that another device client presents", change: func(w *wire) {
					id, _ := w.e.Register(strings.Replace(deviceOnly, "My TV", "Another TV", 1))
					w.form.Set("client_id", id)
				}},
				{name: "G-24: a user code as a device code", change: func(w *wire) { w.form.Set("device_code", begin(w.e).userCode) }},
				{name: "G-24: a device code that nobody has approved", change: func(w *wire) { w.form.Set("device_code", begin(w.e).code) }},
				{name: "G-24: a device code as a code", change: func(w *wire) {
					w.form = url.Values{"grant_type": {"authorization_code"}, "code": w.form["device_code"], "client_id": w.form["client_id"], "redirect_uri": {harness.WebRedirect}, "code_verifier": {secret.Token()}}
				}},
				{name: "C-03 G-25: two device codes", change: func(w *wire) { w.form.Add("device_code", begin(w.e).code) }},
			},
		},
	}
}
