package realclients_test

import (
	"net/http"
	"net/url"
	"strings"

	"keymaker/internal/chromiumtest"
	"keymaker/internal/secret"
)

func (p *traveller) approve() {
	r := p.ask("web", webApp+"/callback")
	p.consent(r)
	p.tab.Press(approveButton)
	p.see("You have arrived")
	p.redeem(r, p.arrived(r.state).Get("code"))

	p.tab.Back()
	p.see("Let Traveller use your account?") // as the browser remembers it
	p.tab.Mouse(approveButton, 1)
	p.see("This sign-in is already finished")
	if n := len(p.arrivals.of(r.state)); n != 1 {
		p.Errorf("the application was told %d times", n)
	}
}

func (p *traveller) cancel() {
	r := p.ask("web", webApp+"/callback")
	p.consent(r)
	p.tab.Press(cancelButton)
	p.see("You have arrived")
	if got := p.arrived(r.state); got.Get("error") != "access_denied" || got.Has("code") {
		p.Errorf("the application was told %v", got)
	}
}

func (p *traveller) loopback() {
	r := p.ask("native", p.loopbackURL+"/callback")
	p.consent(r)
	p.tab.Press(approveButton)
	p.see("You have arrived")
	p.redeem(r, p.arrived(r.state).Get("code"))
}

func (p *traveller) privateUse() {
	r := p.ask("native", "com.example.app:/callback")
	p.consent(r)
	p.tab.Press(approveButton)
	p.see("Continue to the app")
	p.tab.Click("a.button")
	got := p.left("com.example.app")
	if got.Get("state") != r.state {
		p.Errorf("the application was told %v", got)
	}
	p.redeem(r, got.Get("code"))
}

func (p *traveller) privateUseCancelled() {
	r := p.ask("native", "com.example.app:/callback")
	p.consent(r)
	p.tab.Press(cancelButton)
	p.see("Go back to the app")
	p.tab.Click("a.button")
	if got := p.left("com.example.app"); got.Get("error") != "access_denied" || got.Get("state") != r.state {
		p.Errorf("the application was told %v", got)
	}
}

func (p *traveller) formPost() {
	r := p.ask("web", webApp+"/callback", "response_mode", "form_post")
	p.consent(r)
	p.tab.Press(approveButton)
	if !p.scripts {
		p.see("Going back to app.example.com")
		p.tab.Press("button")
	}
	p.redeem(r, p.arrived(r.state).Get("code"))
	p.noProblems()
}

// doubleSubmit presses the button again before the page has gone. When the
// browser shows what the second press got, the application may have been told of
// the first by then; otherwise the login can begin once more.
func (p *traveller) doubleSubmit() {
	r := p.ask("web", webApp+"/callback")
	p.consent(r)
	p.tab.Mouse(approveButton, 2)
	finished := false
	p.tab.Await(func(text string) bool {
		finished = strings.Contains(text, "This sign-in is already finished")
		return finished || strings.Contains(text, "You have arrived")
	})
	told := len(p.arrivals.of(r.state)) > 0
	if finished && !told {
		p.tab.Press("a.button")
		p.see("Let Traveller use your account?")
		p.tab.Press(approveButton)
	}
	p.redeem(r, p.arrived(r.state).Get("code"))
	if !finished || !told {
		p.see("You have arrived")
	}
	if n := len(p.arrivals.of(r.state)); n != 1 {
		p.Errorf("the application was told %d times", n)
	}
}

// sentAgain answers one request from two tabs that show it.
func (p *traveller) sentAgain() {
	r := p.ask("web", webApp+"/callback")
	p.consent(r)
	asked := p.tab.Location()
	first := p.tab
	p.tab = p.newTab()
	p.tab.Open(asked)
	p.see("Let Traveller use your account?")
	first.Press(approveButton)
	p.redeem(r, p.arrived(r.state).Get("code"))
	p.tab.Press(cancelButton)
	p.see("This sign-in is already finished")
	if n := len(p.arrivals.of(r.state)); n != 1 {
		p.Errorf("the application was told %d times", n)
	}
	p.tab.Press("a.button")
	p.see("Let Traveller use your account?")
	p.tab.Press(cancelButton)
	p.see("You have arrived")
	if all := p.arrivals.of(r.state); len(all) != 2 || all[1].Get("error") != "access_denied" {
		p.Errorf("the application was told %v", all)
	}
}

func (p *traveller) twoTabs() {
	a, b := p.ask("web", webApp+"/callback"), p.ask("web", webApp+"/callback")
	first, second := p.tab, p.newTab()
	first.Open(a.url)
	second.Open(b.url)
	p.signIn()
	p.tab = second
	p.signIn()
	p.see("Let Traveller use your account?")
	second.Press(approveButton)
	p.redeem(b, p.arrived(b.state).Get("code"))
	p.tab = first
	p.see("Let Traveller use your account?")
	first.Press(approveButton)
	p.redeem(a, p.arrived(a.state).Get("code"))
	for _, r := range []request{a, b} {
		if n := len(p.arrivals.of(r.state)); n != 1 {
			p.Errorf("an application was told %d times", n)
		}
	}
}

// legacy opens a legacy login and walks to its last question.
func (p *traveller) legacy(to, question string) {
	p.Helper()
	p.tab.Open(p.k.url + "/_matrix/client/v3/login/sso/redirect?" + url.Values{"redirectUrl": {to}}.Encode())
	p.signIn()
	p.see(question)
	p.tab.Click(approveButton)
}

// logIn makes a session of a login token.
func (p *traveller) logIn(token string) {
	p.Helper()
	var session struct {
		UserID string `json:"user_id"`
	}
	p.postJSON("/_matrix/client/v3/login", map[string]string{"type": "m.login.token", "token": token}, &session)
	if session.UserID != "@alice:"+serverName {
		p.Errorf("the login is %q's", session.UserID)
	}
}

func (p *traveller) legacyWeb() {
	mark := secret.Token()
	p.legacy(webApp+"/?for="+mark+"#/home", "Continue to app.example.com?")
	p.logIn(p.arrived(mark).Get("loginToken"))
	p.see("You have arrived")
}

func (p *traveller) legacyApp() {
	p.legacy("element://connect", "Continue to an app on this device")
	p.logIn(p.left("element").Get("loginToken"))
}

// code asks for a code as a device without a keyboard does.
func (p *traveller) code() (userCode string, r request) {
	p.Helper()
	r = p.ask("native", "com.example.app:/callback")
	status, body := p.postForm("/_tuwunel/oidc/device_authorization", url.Values{"client_id": {r.client}, "scope": {r.scope()}})
	if status != http.StatusOK {
		p.Fatalf("device authorization: status %d: %s", status, body)
	}
	return between(string(body), `"user_code":"`, `"`), r
}

func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

func (p *traveller) device() {
	code, _ := p.code()
	p.tab.Open(p.k.url + "/_tuwunel/oidc/device?user_code=" + url.QueryEscape(code))
	p.see("Enter the code that your device shows")
	p.connect(code)
}

// connect sends the code that is in its field, and lets the device in.
func (p *traveller) connect(code string) {
	p.Helper()
	p.tab.Press("form button")
	p.signIn()
	p.see(code)
	p.tab.Click("input[type=checkbox]")
	p.tab.Press(approveButton)
	p.see("Your device is connected")
}

func (p *traveller) wrongCode() {
	code, _ := p.code()
	p.tab.Open(p.k.url + "/_tuwunel/oidc/device")
	p.see("Enter the code that your device shows")
	p.tab.Type("#user_code", "nonsense")
	p.tab.Press("form button")
	p.see("This code does not work")
	chromiumtest.Evaluate[string](p.tab, `document.querySelector("#user_code").value = ""`)
	p.tab.Type("#user_code", strings.ToLower(code))
	p.connect(code)
}

func (p *traveller) account() {
	p.tab.Open(p.k.url + "/_tuwunel/oidc/account")
	p.signIn()
	p.see("@alice:" + serverName)
}

func (p *traveller) reset() {
	r := p.ask("web", webApp+"/callback")
	p.consent(r)
	p.tab.Press(approveButton)
	p.redeem(r, p.arrived(r.state).Get("code"))
	app := p.tab
	p.tab = p.newTab()
	p.tab.Open(p.k.url + "/_tuwunel/oidc/account?action=org.matrix.cross_signing_reset")
	p.see("Choose the app with which you want to go on")
	p.tab.Press(`.choices a[href*="device_id="]`)
	p.tab.Press(`button[name=username][value=alice]`)
	p.see("What you lose")
	if !p.scripts {
		p.tab.Press(approveButton)
		p.see("The reset is allowed")
		return
	}
	asked := p.tab.Location()
	p.tab.Press(cancelButton)
	p.see("Nothing has changed")
	p.tab = app.Popup(`window.told = new Promise(done => addEventListener("message", e => done(e.origin + " " + e.data))); window.open("` + asked + `"); 0`)
	p.tab.Press(`button[name=username][value=alice]`)
	p.see("What you lose")
	p.tab.Press(approveButton)
	p.see("The reset is allowed")
	if told := chromiumtest.Evaluate[string](app, `window.told`); told != p.k.url+" authDone" {
		p.Errorf("the window that asked was told %q", told)
	}
}

func (p *traveller) signOut() {
	r := p.ask("web", webApp+"/callback")
	p.consent(r)
	p.tab.Press(approveButton)
	idToken := p.redeem(r, p.arrived(r.state).Get("code"))
	p.tab.Open(p.k.url + "/_tuwunel/oidc/end_session?" + url.Values{
		"id_token_hint": {idToken}, "post_logout_redirect_uri": {webApp + "/bye"}, "state": {r.state + "-out"},
	}.Encode())
	p.see("Sign out?")
	p.tab.Press(approveButton)
	p.see("You have arrived")
	p.arrived(r.state + "-out")
}

func (p *traveller) chooseLanguage() {
	p.tab.Open(p.k.url + "/_tuwunel/oidc/device?user_code=BCDF-GHJK")
	p.tab.Click("summary")
	p.see("Deutsch")
	p.tab.Press("button[lang=de]")
	p.see("Gerät verbinden")
	if code := chromiumtest.Evaluate[string](p.tab, `document.querySelector("#user_code").value`); code != "BCDF-GHJK" {
		p.Errorf("the field has %q", code)
	}
	p.tab.Open(p.k.url + "/_tuwunel/oidc/device")
	p.see("Gerät verbinden")
}

func (p *traveller) errors() {
	r := p.ask("web", webApp+"/callback")
	for address, words := range map[string]string{
		"/nowhere": "There is nothing here",
		"/_tuwunel/oidc/authorize?client_id=nobody":                       "We do not know this app",
		"/_tuwunel/oidc/_complete?oidc_req_id=" + secret.Token():          "This sign-in belongs to another browser",
		"/_matrix/client/v3/login/sso/redirect?redirectUrl=javascript:x":  "We cannot send you back to this app",
		"/_matrix/client/unstable/login/sso/callback/keymaker-0?state=no": "This sign-in belongs to another browser",
	} {
		p.tab.Open(p.k.url + address)
		p.see(words)
	}
	p.tab.Open(strings.Replace(r.url, "response_type=code", "response_type=nonsense", 1))
	p.see("The app made a mistake")
	p.tab.Press("a.button")
	if got := p.arrived(r.state); got.Get("error") == "" {
		p.Errorf("the application was told %v", got)
	}
}
