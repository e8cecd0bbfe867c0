package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demoidp"
	"keymaker/internal/harness"
)

// lie is one thing that an identity provider, or whoever plays it, does wrong
// in one login.
type lie struct {
	name string
	// item is what the refusal proves; L-30 when it is empty.
	item  string
	fault func(i *impostor) fault
	// ask is what the client asks for besides.
	ask url.Values
	// status, says and reason are those of the page and of the log; those of an
	// answer that does not verify when they are left out.
	status       int
	says, reason string
	// remembered: the server takes in what is wrong with discovery, and has
	// forgotten it by the next login only because it was started again.
	remembered bool
}

const (
	distrusted  = "We could not verify your sign-in"
	unreachable = "Demo does not answer"
	refused     = "Demo did not sign you in"
)

// always is a fault that needs no impostor.
func always(f fault) func(*impostor) fault { return func(*impostor) fault { return f } }

// lies are all of them, by what they are about.
func lies() map[string][]lie {
	return map[string][]lie{
		"signature": signatureLies(), "issuer and audience": audienceLies(), "time": timeLies(), "nonce and hashes": bindingLies(), "subject": subjectLies(),
		"userinfo": userinfoLies(), "token": tokenLies(), "discovery": discoveryLies(), "keys": keySetLies(), "callback": callbackLies(),
	}
}

func TestThereAreSixtyLies(t *testing.T) {
	names := map[string]bool{}
	for about, list := range lies() {
		for _, l := range list {
			if names[about+l.name] {
				t.Errorf("%s: %q is there twice", about, l.name)
			}
			names[about+l.name] = true
		}
	}
	if len(names) < 60 {
		t.Errorf("there are %d", len(names))
	}
}

// Whatever the provider does wrong, nobody is signed in. The person reads what
// happened and has a way back, the log has the reason, and the same login
// succeeds once the provider does as it should.
func TestHostileProvider(t *testing.T) {
	for about, list := range lies() {
		t.Run(about, func(t *testing.T) {
			i := startImpostor(t)
			id, _ := i.e.Register(harness.WebClient)
			for n, l := range list {
				if l.item == "" {
					l.item = "L-30"
				}
				t.Run(l.item+": "+l.name+": nobody is signed in, the page and the log say why, and without it the login succeeds", func(t *testing.T) {
					f := l.fault(i)
					newVictim(t, i, id, n).isLiedTo(l, f)
				})
			}
		})
	}
}

// victim is a person whose login is interfered with, in a browser that nobody
// has used.
type victim struct {
	*impostor
	t        *testing.T
	e        *harness.Env
	b        *harness.Browser
	clientID string
	user     demoidp.User
	logged   int // of the log before the login
	rows     map[string]int
}

func newVictim(t *testing.T, i *impostor, clientID string, n int) *victim {
	t.Helper()
	i.e.Restart() // nothing of the provider is remembered
	v := &victim{impostor: i, t: t, e: i.e.For(t), clientID: clientID}
	v.b = v.e.NewBrowser()
	name := fmt.Sprintf("victim%d", n)
	v.user = demoidp.User{Subject: "subject-of-" + name, Username: name, Name: "Private Name", Email: name + "@private.example", EmailVerified: new(true)}
	if err := i.e.IDP.SetUser(v.user); err != nil {
		t.Fatal(err)
	}
	v.logged, v.rows = len(v.e.Log.String()), v.count()
	return v
}

// count counts what a login leaves behind.
func (v *victim) count() map[string]int {
	v.t.Helper()
	rows := map[string]int{}
	db := database(v.e)
	for _, table := range []string{"users", "upstream_links", "browser_sessions", "authorization_codes"} {
		var n int
		if err := db.QueryRowContext(v.t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			v.t.Fatal(err)
		}
		rows[table] = n
	}
	return rows
}

func (v *victim) request(ask url.Values) harness.Request {
	r := v.e.NewRequest(v.clientID, harness.ScopeStable+strings.ToUpper(v.user.Username))
	for name, values := range ask {
		r.Values[name] = values
	}
	return r
}

// signIn walks a request to where the person ends.
func (v *victim) signIn(r harness.Request) harness.Page {
	v.t.Helper()
	p := v.b.Authorize(r)
	if p.StatusCode == http.StatusOK {
		p = v.b.SignIn(p, v.user.Username)
	}
	return p
}

func (v *victim) isLiedTo(l lie, f fault) {
	v.t.Helper()
	if l.status == 0 {
		l.status = http.StatusBadGateway
	}
	if l.says == "" {
		l.says = distrusted
	}
	v.spoil(f)
	defer v.spoil(nil)
	r := v.request(l.ask)
	p := v.signIn(r)
	expectPage(v.t, p, l.status, l.says)
	v.expectNobody(p)
	v.expectReason(p, l.reason)
	v.spoil(nil)
	v.e.Clock.Advance(6 * time.Second) // a failure is not repeated at once
	if l.remembered {
		v.impostor.e.Restart()
	}
	v.expectWayBack(p, r)
}

// expectNobody wants that nobody was signed in and nothing was made.
func (v *victim) expectNobody(p harness.Page) {
	v.t.Helper()
	if to := p.Header.Get("Location"); to != "" {
		v.t.Errorf("the browser is sent on to %q", to)
	}
	if strings.Contains(v.b.Cookie(), "keymaker_session") {
		v.t.Error("the browser has a session")
	}
	harness.ExpectMatrixError(v.t, v.e.Get("/_matrix/client/v3/profile/@"+v.user.Username+":"+harness.ServerName), http.StatusNotFound, "M_NOT_FOUND")
	for table, n := range v.count() {
		if n != v.rows[table] {
			v.t.Errorf("there are %d %s, and were %d", n, table, v.rows[table])
		}
	}
}

// expectReason wants the reason in the log under the page's reference, and
// nothing there or on the page that is private.
func (v *victim) expectReason(p harness.Page, reason string) {
	v.t.Helper()
	if line := logged(v.e, referenceOf(v.t, p)); reason == "" || !strings.Contains(line, reason) {
		v.t.Errorf("the log does not say %q:\n%s", reason, line)
	}
	private := append(v.tokens(), "mallory", "SECRETBODY", "eyJ", v.user.Subject, v.user.Email, v.user.Name, v.user.Username, v.e.IDP.ClientSecret)
	for r := p.Request; r != nil; r = r.Response.Request {
		for _, name := range []string{"state", "code", "nonce"} {
			private = append(private, r.URL.Query()[name]...)
		}
		if r.Response == nil {
			break
		}
	}
	text := v.e.Log.String()[v.logged:]
	for _, value := range private {
		if value != "" && strings.Contains(text, value) {
			v.t.Errorf("L-18: the log holds %q:\n%s", value, text)
		}
		if value != "" && strings.Contains(p.Text(), value) {
			v.t.Errorf("the page holds %q", value)
		}
	}
}

// expectWayBack wants that what the page offers leads to the end of the login.
func (v *victim) expectWayBack(p harness.Page, r harness.Request) {
	v.t.Helper()
	var at harness.Page
	switch links := p.Links(); {
	case len(links) > 0 && strings.Contains(p.Text(), "Try again"):
		at = v.b.Visit(links[0])
	case strings.Contains(p.Text(), "back to your app"):
		at = v.b.Authorize(r)
	default:
		v.t.Fatalf("there is no way back: %s", p.Text())
	}
	v.expectLogin(v.b.SignIn(at, v.user.Username), r, "@"+v.user.Username+":"+harness.ServerName)
}

// expectLogin wants a consent page from which the login succeeds as a user.
func (v *victim) expectLogin(p harness.Page, r harness.Request, userID string) {
	v.t.Helper()
	expectPage(v.t, p, http.StatusOK, consentTitle)
	a := v.e.Exchange(r, harness.Returned(v.b.Decide(p, "approve")).Get("code"))
	if who := v.e.WhoAmI(a.Text("access_token")).Text("user_id"); who != userID {
		v.t.Errorf("signed in as %q, want %q", who, userID)
	}
}
