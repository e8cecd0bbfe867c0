package realclients_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/chromiumtest"
	"keymaker/internal/secret"
)

// webApp is where the web application of these tests is, as browsers see it.
const webApp = "https://app.example.com"

// journeys are walked by a person with Chromium. Each begins in a profile that
// nobody has used.
var journeys = []struct {
	name string
	walk func(*traveller)
}{
	{"an approval reaches a web application, once", (*traveller).approve},
	{"a cancelled login tells the web application", (*traveller).cancel},
	{"an approval reaches an application that listens on the loopback interface", (*traveller).loopback},
	{"an approval reaches an application by its private-use scheme", (*traveller).privateUse},
	{"a cancelled login tells an application by its private-use scheme", (*traveller).privateUseCancelled},
	{"an approval reaches a web application by form_post", (*traveller).formPost},
	{"two presses of Approve end in one login", (*traveller).doubleSubmit},
	{"an answered page that is sent again changes nothing", (*traveller).sentAgain},
	{"two tabs with two logins do not mix", (*traveller).twoTabs},
	{"a legacy login reaches a web application", (*traveller).legacyWeb},
	{"a legacy login reaches an application by its scheme", (*traveller).legacyApp},
	{"a device is connected by its code", (*traveller).device},
	{"a wrong code is told, and can be corrected", (*traveller).wrongCode},
	{"the account page is behind a sign-in, and says who is there", (*traveller).account},
	{"a reset of encryption is allowed after a fresh sign-in, and the window that asked is told", (*traveller).reset},
	{"a person signs out where the application sent them to", (*traveller).signOut},
	{"a person chooses their language at the foot of a page", (*traveller).chooseLanguage},
	{"errors are pages", (*traveller).errors},
}

// TestJourneysInChromium walks every journey with scripts and without.
func TestJourneysInChromium(t *testing.T) {
	if !chromiumtest.Wanted() {
		return
	}
	k := serve(t, build(t), "", "First Login", "Second Login")
	arrivals := &arrivals{}
	app := httptest.NewTLSServer(arrivals)
	t.Cleanup(app.Close)
	loopback := httptest.NewServer(arrivals)
	t.Cleanup(loopback.Close)
	browser := chromiumtest.Start(t, map[string]string{"app.example.com": app.Listener.Addr().String()})
	for mode, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			for _, j := range journeys {
				t.Run(j.name, func(t *testing.T) {
					p := &traveller{T: t, k: k, scripts: scripts, arrivals: arrivals, loopbackURL: loopback.URL, person: browser.Person(t)}
					p.tab = p.newTab()
					j.walk(p)
				})
			}
		})
	}
}

// arrivals is the application: it notes what browsers bring, and says that they
// have come.
type arrivals struct {
	mu   sync.Mutex
	seen []url.Values
}

// ServeHTTP implements http.Handler.
func (a *arrivals) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/favicon.ico" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := r.ParseForm(); err == nil && (r.Form.Has("state") || r.Form.Has("loginToken")) {
		a.mu.Lock()
		a.seen = append(a.seen, r.Form)
		a.mu.Unlock()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="en"><title>The app</title><main><h1>You have arrived</h1></main>`)
}

// of are the arrivals for a request.
func (a *arrivals) of(state string) []url.Values {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []url.Values
	for _, v := range a.seen {
		if v.Get("state") == state || v.Get("for") == state {
			found = append(found, v)
		}
	}
	return found
}

// traveller is a person with a browser.
type traveller struct {
	*testing.T
	k           *keymaker
	scripts     bool
	arrivals    *arrivals
	loopbackURL string
	person      *chromiumtest.Person
	tab         *chromiumtest.Tab
}

func (p *traveller) newTab() *chromiumtest.Tab {
	p.Helper()
	hosts := []string{strings.TrimPrefix(p.k.url, "http://"), "app.example.com", strings.TrimPrefix(p.loopbackURL, "http://")}
	for _, idp := range p.k.idps {
		hosts = append(hosts, strings.TrimPrefix(idp.Issuer, "http://"))
	}
	return p.person.Tab(p, p.scripts, hosts...)
}

// see waits for a page that says what it should, and looks at it.
func (p *traveller) see(words string) {
	p.Helper()
	if !p.tab.Await(func(text string) bool { return strings.Contains(text, words) }) {
		p.Fatalf("%s does not say %q, but: %s", p.tab.Location(), words, p.tab.Text())
	}
	for _, look := range []chromiumtest.Look{{Width: 320, Scheme: "light"}, {Width: 1280, Scheme: "dark"}} {
		p.tab.Look(look)
		p.tab.Check()
	}
	if p.scripts {
		p.tab.Accessible()
	}
	if folder := os.Getenv(chromiumtest.ShotsVariable); folder != "" {
		p.tab.Look(chromiumtest.Look{Width: 768, Scheme: "light"})
		p.tab.Shot(filepath.Join(folder, strings.ReplaceAll(p.Name()+" "+words, "/", ", ")+".png"))
	}
}

// signIn chooses a way to sign in, and signs in there as alice.
func (p *traveller) signIn() {
	p.Helper()
	p.see("Continue with First Login")
	p.tab.Press(`.choices a[href*="keymaker-0"]`)
	if strings.HasPrefix(p.tab.Location(), p.k.idps[0].Issuer) { // where they have not signed in yet
		p.tab.Check()
		p.tab.Press(`button[name=username][value=alice]`)
	}
}

const (
	approveButton = `button[name=decision][value=approve]`
	cancelButton  = `button[name=decision][value=cancel]`
)

// request is an authorization request of an application.
type request struct {
	client, redirect, state, verifier, device string
	url                                       string
}

// ask registers an application and makes its request. On the loopback interface
// any port is as good as none.
func (p *traveller) ask(applicationType, redirect string, more ...string) request {
	p.Helper()
	var registered struct {
		ClientID string `json:"client_id"`
	}
	p.postJSON("/_tuwunel/oidc/registration", map[string]any{
		"client_name": "Traveller", "client_uri": webApp + "/", "redirect_uris": []string{strings.Replace(redirect, p.loopbackURL, "http://127.0.0.1", 1)}, "application_type": applicationType,
		"token_endpoint_auth_method": "none", "response_types": []string{"code"},
		"grant_types":               []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		"post_logout_redirect_uris": []string{webApp + "/bye"},
	}, &registered)
	r := request{client: registered.ClientID, redirect: redirect, state: secret.Token(), verifier: secret.Token(), device: strings.ToUpper(secret.Letters(10))}
	challenge := sha256.Sum256([]byte(r.verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {r.client}, "redirect_uri": {redirect}, "state": {r.state}, "scope": {r.scope()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	r.url = p.k.url + "/_tuwunel/oidc/authorize?" + query.Encode()
	return r
}

func (r request) scope() string {
	return "openid urn:matrix:client:api:* urn:matrix:client:device:" + r.device
}

// consent opens a request and walks to its consent page.
func (p *traveller) consent(r request) {
	p.Helper()
	p.tab.Open(r.url)
	p.signIn()
	p.see("Let Traveller use your account?")
}

// arrived waits until the application has been told something, and returns it.
func (p *traveller) arrived(state string) url.Values {
	p.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if found := p.arrivals.of(state); len(found) > 0 {
			return found[0]
		}
	}
	p.Fatalf("nobody has arrived: the browser is at %s: %s", p.tab.Location(), p.tab.Text())
	return nil
}

// left waits until the tab has asked for a private-use address.
func (p *traveller) left(scheme string) url.Values {
	p.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if to, err := url.Parse(p.tab.Left()); err == nil && to.Scheme == scheme {
			p.noProblems()
			return to.Query()
		}
	}
	p.Fatalf("the browser went to %q, problems %q", p.tab.Left(), p.tab.Problems())
	return nil
}

// noProblems fails when the browser has complained. That no program on this
// machine knows an address is none.
func (p *traveller) noProblems() {
	p.Helper()
	for _, problem := range p.tab.Problems() {
		if !strings.Contains(problem, "scheme does not have a registered handler") {
			p.Error(problem)
		}
	}
}

// redeem exchanges a code, which must be good for the device of the request.
func (p *traveller) redeem(r request, code string) (idToken string) {
	p.Helper()
	var tokens struct {
		IDToken string `json:"id_token"`
		Scope   string `json:"scope"`
	}
	status, body := p.postForm("/_tuwunel/oidc/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {r.client}, "redirect_uri": {r.redirect}, "code": {code}, "code_verifier": {r.verifier},
	})
	if err := json.Unmarshal(body, &tokens); err != nil || status != http.StatusOK || !strings.Contains(tokens.Scope, r.device) {
		p.Fatalf("the code is not good: status %d: %s", status, body)
	}
	return tokens.IDToken
}

func (p *traveller) postForm(path string, form url.Values) (status int, body []byte) {
	p.Helper()
	response, err := http.PostForm(p.k.url+path, form)
	return p.read(response, err)
}

func (p *traveller) postJSON(path string, what, into any) {
	p.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		p.Fatal(err)
	}
	response, err := http.Post(p.k.url+path, "application/json", bytes.NewReader(text))
	if status, body := p.read(response, err); status >= http.StatusBadRequest || json.Unmarshal(body, into) != nil {
		p.Fatalf("%s: status %d: %s", path, status, body)
	}
}

func (p *traveller) read(response *http.Response, err error) (status int, body []byte) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err = io.ReadAll(response.Body); err != nil {
		p.Fatal(err)
	}
	return response.StatusCode, body
}
