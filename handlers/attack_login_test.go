package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
)

func TestHostileCallbacks(t *testing.T) { attackAll(t, callbackThemes()) }

func TestHostileSessions(t *testing.T) { attackAll(t, sessionThemes()) }

// returning is the way back from the identity provider, where alice has signed
// in, in the browser that began.
func returning(e *harness.Env) *wire {
	e.T.Helper()
	id, _ := e.Register(harness.WebClient)
	begun := e.Get(authorizePath + "?" + e.NewRequest(id, harness.ScopeStable+"RETURNING").Values.Encode())
	cookie := cookieOf(begun.Header, "keymaker_browser")
	if cookie == nil {
		e.T.Fatalf("the authorization: status %d: %s", begun.Status, begun.Body)
	}
	return backFor(e, begun.Header.Get("Location"), cookie.Name+"="+cookie.Value)
}

// backFor signs alice in for a request of a browser, and returns the callback
// that is not yet called.
func backFor(e *harness.Env, start, cookie string) *wire {
	e.T.Helper()
	away := e.Do(http.MethodGet, start, map[string]string{"Cookie": cookie}, "").Header.Get("Location")
	if !strings.HasPrefix(away, e.IDP.Issuer+"/") {
		e.T.Fatalf("the sign-in begins at %q", away)
	}
	b := e.NewBrowser() // has no cookie of ours, so that our callback does nothing in it
	end := b.SignIn(b.Visit(away), "alice")
	w := fetched(e, end.Request.URL.Path, "Cookie", cookie)
	w.query = end.Request.URL.Query()
	if w.path != callbackPath(e) || w.query.Get("code") == "" {
		e.T.Fatalf("the provider sends to %s", end.Request.URL)
	}
	return w
}

// restarted is another login of the same browser.
func restarted(w *wire) *wire {
	id, _ := w.e.Register(harness.WebClient)
	next := authorizing(w.e, w.e.NewRequest(id, harness.ScopeStable+"SECONDTAB"))
	next.header.Set("Cookie", w.header.Get("Cookie"))
	return backFor(w.e, next.send().Header.Get("Location"), w.header.Get("Cookie"))
}

func callbackThemes() []theme {
	const other = "/_matrix/client/unstable/login/sso/callback/other"
	notSignedIn := func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		if a.Status < 400 || a.Header.Get("Location") != "" || cookieOf(a.Header, "keymaker_session") != nil {
			t.Errorf("status %d to %q, with the cookies %q", a.Status, a.Header.Get("Location"), a.Header["Set-Cookie"])
		}
	}
	return []theme{{
		configure: func(o *harness.Options) {
			o.Extra = "[[global.identity_provider]]\nbrand = \"Other\"\nclient_id = \"other\"\nissuer_url = \"https://other.invalid\"\n"
			o.Provider = "default = true"
		},
		good: func(e *harness.Env) *wire {
			id, _ := e.Register(harness.WebClient)
			r := e.NewRequest(id, harness.ScopeStable+"RETURNING")
			r.Values.Set("idp_id", e.IDP.ClientID)
			begun := e.Get(authorizePath + "?" + r.Values.Encode())
			cookie := cookieOf(begun.Header, "keymaker_browser")
			if cookie == nil {
				e.T.Fatalf("the authorization: status %d: %s", begun.Status, begun.Body)
			}
			return backFor(e, begun.Header.Get("Location"), cookie.Name+"="+cookie.Value)
		},
		succeeds: cameBack, refused: notSignedIn, consumed: true,
		attacks: []attack{
			{name: "L-04: mix-up: the answer of one provider at the callback of another", change: func(w *wire) { w.path = other }},
			{name: "L-04: mix-up: an answer that names another issuer", change: query("iss", "https://other.invalid")},
			{name: "L-04: mix-up: an answer that names two issuers", change: func(w *wire) { w.query["iss"] = []string{w.e.IDP.Issuer, "https://other.invalid"} }},
		},
	}, {
		good: returning, succeeds: cameBack, refused: notSignedIn, consumed: true,
		attacks: []attack{
			{name: "L-06 L-07: login CSRF: an attacker's answer in a browser without cookies", change: header("Cookie")},
			{name: "L-06 L-07: login CSRF: an attacker's answer in a victim's browser", change: func(w *wire) {
				w.header.Set("Cookie", returning(w.e).header.Get("Cookie"))
			}},
			{name: "L-06 L-07: an answer with the cookie of the browser cut short", change: func(w *wire) {
				w.header.Set("Cookie", strings.TrimRight(w.header.Get("Cookie")[:40], "="))
			}},
			{name: "L-06: an answer without state", change: query("state")},
			{name: "L-06: an answer with a state that was made up", change: query("state", secret.Token())},
			{name: "L-06: an answer with a state in another case", change: func(w *wire) { w.query.Set("state", strings.ToUpper(w.query.Get("state"))) }},
			{name: "L-06: an answer with two states", change: func(w *wire) { w.query.Add("state", secret.Token()) }},
			{name: "L-06: an answer whose state is used up", change: func(w *wire) { w.clone().send() }},
			{name: "L-06: the code of one login with the state of another: nonce and verifier are not its own", change: func(w *wire) { w.query["state"] = restarted(w).query["state"] }},
			{name: "L-06: a code that was made up", change: query("code", "made-up")},
			{name: "L-06: an answer without code", change: query("code")},
			{name: "L-06: an answer with two codes", change: func(w *wire) { w.query.Add("code", "another") }},
			{name: "L-06: an answer that is an error and has a code", change: query("error", "access_denied")},
			{name: "L-06: an answer by POST", change: func(w *wire) { w.method = http.MethodPost }},
			{name: "L-06: a token instead of a code", change: func(w *wire) {
				w.query.Del("code")
				w.query.Set("id_token", "e30.e30.e30")
			}},
		},
	}}
}

// cameBack wants a session and the way on to the page that asks.
func cameBack(t *testing.T, _ *wire, a harness.Answer) {
	t.Helper()
	if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), completePath+"?") || cookieOf(a.Header, "keymaker_session") == nil {
		t.Errorf("without the attack: status %d to %q:\n%.300s", a.Status, a.Header.Get("Location"), a.Body)
	}
}

// sessionThemes are about browsers that are not the one.
func sessionThemes() []theme {
	asks := func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		if a.Status != http.StatusOK || !strings.Contains(string(a.Body), "@alice:example.org") {
			t.Errorf("without the attack: status %d:\n%s", a.Status, a.Body)
		}
	}
	tells := func(t *testing.T, w *wire, a harness.Answer) {
		t.Helper()
		stranded(t, w, a)
		for _, private := range []string{"alice", "My App", "STOLEN"} {
			if strings.Contains(string(a.Body), private) {
				t.Errorf("the page tells of %s:\n%s", private, a.Body)
			}
		}
	}
	stolen := func(e *harness.Env) *wire {
		id, _ := e.Register(harness.WebClient)
		b := e.NewBrowser()
		p := b.Consent(e.NewRequest(id, harness.ScopeStable+"STOLEN"), "alice")
		return fetched(e, p.Request.URL.RequestURI(), "Cookie", b.Cookie())
	}
	cookie := func(name string, value func(w *wire, old string) string) func(*wire) {
		return func(w *wire) {
			var kept []string
			for pair := range strings.SplitSeq(w.header.Get("Cookie"), "; ") {
				if old, found := strings.CutPrefix(pair, name+"="); found {
					pair = name + "=" + value(w, old)
				}
				kept = append(kept, pair)
			}
			w.header.Set("Cookie", strings.Join(kept, "; "))
		}
	}
	return []theme{
		{
			good: stolen, succeeds: asks, refused: tells,
			attacks: []attack{
				{name: "C-62 L-07: a stolen oidc_req_id in a browser without cookies", change: header("Cookie")},
				{name: "C-62 L-07: a stolen oidc_req_id in the browser of somebody else who is signed in", change: func(w *wire) {
					b := w.e.NewBrowser()
					id, _ := w.e.Register(harness.WebClient)
					b.Consent(w.e.NewRequest(id, harness.ScopeStable+"THIEF"), "bob")
					w.header.Set("Cookie", b.Cookie())
				}},
				{name: "C-62 L-07: a stolen oidc_req_id with the person's session, in another browser", change: cookie("keymaker_browser", func(*wire, string) string { return secret.Token() })},
				{name: "C-62 L-07: a stolen oidc_req_id with half of the cookie", change: cookie("keymaker_browser", func(_ *wire, old string) string { return old[:20] })},
				{name: "C-62 L-07: a stolen oidc_req_id behind the cookie of the attacker", change: func(w *wire) {
					w.header.Set("Cookie", "keymaker_browser="+secret.Token()+"; "+w.header.Get("Cookie"))
				}},
				{name: "C-06 C-62: an oidc_req_id that was guessed", change: func(w *wire) { w.raw = url.Values{"oidc_req_id": {secret.Token()}}.Encode() }},
				{name: "C-06 C-62: an oidc_req_id cut short", change: func(w *wire) { w.raw = w.raw[:len(w.raw)-1] }},
				{name: "C-62: a stolen oidc_req_id at the confirmation of a legacy login", change: func(w *wire) { w.path = confirmPath }},
				{name: "C-62: a stolen oidc_req_id at the consent for a device", change: func(w *wire) { w.path = devicePagePath + "/consent" }},
			},
		},
		{
			// The answer without anything to see says whether somebody is signed in.
			good: func(e *harness.Env) *wire {
				id, _ := e.Register(harness.WebClient)
				b := e.NewBrowser()
				e.LogIn("alice", "SILENTDEVICE")
				b.Consent(e.NewRequest(id, harness.ScopeStable+"SILENT"), "alice")
				r := e.NewRequest(id, harness.ScopeStable+"SILENT")
				r.Values.Set("prompt", "none")
				w := authorizing(e, r)
				w.header.Set("Cookie", b.Cookie())
				return w
			},
			succeeds: saysSilently("consent_required"), refused: saysSilently("login_required"),
			attacks: []attack{
				{name: "L-22: a session that was made up", change: cookie("keymaker_session", func(*wire, string) string { return secret.Token() })},
				{name: "L-22: the session with one character changed", change: cookie("keymaker_session", func(_ *wire, old string) string { return flipped(old) })},
				{name: "L-22: the cookie of the browser as a session", change: func(w *wire) {
					for pair := range strings.SplitSeq(w.header.Get("Cookie"), "; ") {
						if value, found := strings.CutPrefix(pair, "keymaker_browser="); found {
							w.header.Set("Cookie", "keymaker_session="+value)
						}
					}
				}},
				{name: "L-22: session fixation: a session that was planted before the sign-in is none after it", change: func(w *wire) {
					planted := "keymaker_session=" + secret.Token()
					login := returning(w.e)
					login.header.Set("Cookie", login.header.Get("Cookie")+"; "+planted)
					if a := login.send(); a.Status != http.StatusSeeOther {
						w.e.T.Fatalf("the sign-in: status %d", a.Status)
					}
					w.header.Set("Cookie", planted)
				}},
			},
		},
	}
}

// saysSilently wants the answer to prompt=none.
func saysSilently(code string) func(t *testing.T, w *wire, a harness.Answer) {
	return func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.Status != http.StatusSeeOther || to.Query().Get("error") != code {
			t.Errorf("status %d to %q, want %s:\n%.300s", a.Status, to, code, a.Body)
		}
	}
}

// flipped is a token with one character changed.
func flipped(token string) string {
	changed := []byte(token)
	i := len(changed) / 2
	changed[i] ^= 1
	if changed[i] == '`' || changed[i] == '^' || changed[i] == '.' || changed[i] == ',' {
		changed[i] = 'A'
	}
	return string(changed)
}
