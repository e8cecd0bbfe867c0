package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"keymaker/internal/e2ekeys/e2ekeystest"
	"keymaker/internal/harness"
	"keymaker/internal/mail/mailtest"
	"keymaker/store"
)

// mailed names a mail server to the server.
func mailed(smtp *mailtest.Server) func(*harness.Options) {
	return func(o *harness.Options) {
		o.Extra += fmt.Sprintf("\n[global.smtp]\nhost = %q\nport = %d\nsecurity = \"none\"\nfrom = \"Example <chat@example.org>\"\n", smtp.Host, smtp.Port)
	}
}

// mailedEnv has a mail server.
func mailedEnv(t *testing.T) (*harness.Env, *mailtest.Server) {
	t.Helper()
	smtp := mailtest.Start(t)
	return harness.Start(t, unlimited, mailed(smtp)), smtp
}

// arrive does what is to be done and returns the mails that have come of it.
func arrive(t *testing.T, e *harness.Env, smtp *mailtest.Server) (received []mailtest.Received, read []mailtest.Read) {
	t.Helper()
	e.Clock.Advance(time.Second) // commands have a clock of their own
	if _, err := e.Server.RunJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	received = smtp.Mails()
	for _, r := range received {
		m, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, m)
	}
	return received, read
}

// expectMails wants one mail of each subject to alice, in this order, and
// returns them.
func expectMails(t *testing.T, e *harness.Env, smtp *mailtest.Server, subjects ...string) []mailtest.Read {
	t.Helper()
	received, read := arrive(t, e, smtp)
	var got []string
	for i, m := range read {
		got = append(got, m.Subject)
		if to := received[i].To; len(to) != 1 || to[0] != "alice@example.org" {
			t.Errorf("%q went to %q", m.Subject, to)
		}
	}
	if strings.Join(got, "\n") != strings.Join(subjects, "\n") {
		t.Fatalf("the mails are %q, want %q", got, subjects)
	}
	return read
}

// expectSays wants both bodies of a mail to say something.
func expectSays(t *testing.T, m mailtest.Read, says ...string) {
	t.Helper()
	for _, s := range says {
		if !strings.Contains(m.Plain, s) || !strings.Contains(m.HTML, strings.ReplaceAll(s, "&", "&amp;")) {
			t.Errorf("%q does not say %q:\n%s", m.Subject, s, m.Plain)
		}
	}
}

const (
	mailSignIn   = "New sign-in to your account at example.org"
	mailApproved = "A reset of your encryption was allowed"
	mailReplaced = "Your encryption was reset"
	mailLinked   = "Another account now leads to yours"
	mailUnlinked = "An account no longer leads to yours"
	mailClosed   = "Your account at example.org is closed"
)

func TestNoticeOfASignIn(t *testing.T) {
	e, smtp := mailedEnv(t)
	id, _ := e.Register(harness.WebClient)
	request := func(device string) harness.Request {
		r := e.NewRequest(id, harness.ScopeStable+device)
		r.Values.Set("idp_id", e.IDP.ClientID)
		return r
	}
	b := e.NewBrowser()
	login := func(device string) {
		t.Helper()
		r := request(device)
		if a := e.Exchange(r, b.Approve(r, "alice").Get("code")); a.Status != http.StatusOK {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
	}
	login("PHONE")
	at := e.Clock.Now().UTC().Format("2006-01-02 15:04 UTC")
	m := expectMails(t, e, smtp, mailSignIn)[0]
	link := e.Issuer + accountPath + "?action=activity"
	expectSays(t, m, "@alice:example.org", "My App", "example.com", "Demo", "IP address", link, at)
	if strings.Count(m.Plain, "://") != 1 || strings.Count(m.HTML, "://") != 1 {
		t.Errorf("there is another link than %s in\n%s", link, m.Plain)
	}
	if from := m.Header.Get("From"); !strings.Contains(from, "<chat@example.org>") || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("it is from %q, Auto-Submitted %q", from, m.Header.Get("Auto-Submitted"))
	}
	expectMails(t, e, smtp)

	login("TABLET") // the same app in the same browser
	expectMails(t, e, smtp)
	b = e.NewBrowser()
	login("LAPTOP")
	expectMails(t, e, smtp, mailSignIn)
	e.LogInLegacy("alice", "OLD")
	expectMails(t, e, smtp, mailSignIn)

	approvedDevice(e, "alice") // nobody has asked for the tokens yet
	expectMails(t, e, smtp)
	if strings.Contains(e.Log.String(), "alice@example.org") {
		t.Error("the address is in the log")
	}
}

// A person who approves another device in a browser that is known signs in to
// what may be somebody else's.
func TestNoticeOfADeviceThatWasLetIn(t *testing.T) {
	e, smtp := mailedEnv(t)
	d := approvedDevice(e, "alice")
	if a := d.poll(e); a.Status != http.StatusOK {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	expectMails(t, e, smtp, mailSignIn)
}

func TestNoticeIsInTheLanguageOfThePages(t *testing.T) {
	e, smtp := mailedEnv(t)
	id, _ := e.Register(harness.WebClient)
	r := e.NewRequest(id, harness.ScopeStable+"PHONE")
	r.Values.Set("idp_id", e.IDP.ClientID)
	r.Values.Set("ui_locales", "de")
	e.LogInWith(r, "alice")
	m := expectMails(t, e, smtp, "Neue Anmeldung bei deinem Konto auf example.org")[0]
	if m.Header.Get("Content-Language") != "de" || !strings.Contains(m.HTML, `<html lang="de"`) {
		t.Errorf("it is in %q", m.Header.Get("Content-Language"))
	}
}

func TestNobodyIsMailedWhoseAddressIsNotVerified(t *testing.T) {
	e, smtp := mailedEnv(t)
	logInAt(e, e.IDP.ClientID, "bob", "PHONE")
	if received, _ := arrive(t, e, smtp); len(received) != 0 {
		t.Errorf("%d mails went to %q", len(received), received[0].To)
	}
}

// As of whom the homeserver had before.
func TestWhoHadNoAddressIsMailedFromTheNextSignInOn(t *testing.T) {
	e, smtp := mailedEnv(t)
	logInAt(e, e.IDP.ClientID, "alice", "PHONE")
	expectMails(t, e, smtp, mailSignIn)
	execute(e, "UPDATE users SET email = ''")
	logInAt(e, e.IDP.ClientID, "alice", "TABLET")
	expectMails(t, e, smtp, mailSignIn)
}

func TestNoticeOfAReset(t *testing.T) {
	e, smtp := mailedEnv(t)
	r := newReplacing(e, e.IDP.ClientID, "alice", "PHONE")
	expectMails(t, e, smtp, mailSignIn)
	t.Run("J-23: the person is told that a reset is approved, and that it is done, and nothing is revoked", func(t *testing.T) {
		e := e.For(t)
		page, _ := at(r.replace(e, nil), "params", "m.oauth", "url").(string)
		r.approve(t, e, page)
		m := expectMails(t, e, smtp, mailApproved)[0]
		expectSays(t, m, "@alice:example.org", "My App", "example.com", "IP address", e.Issuer+accountPath+"?action=activity")
		harness.ExpectJSON(t, r.replace(e, nil), http.StatusOK)
		m = expectMails(t, e, smtp, mailReplaced)[0]
		expectSays(t, m, "@alice:example.org", "My App", "Demo", "No session was signed out")
		expectAlive(t, e, r.tokens.Access)
	})
	t.Run("J-23: the person is told of an approval by an administrator", func(t *testing.T) {
		e := e.For(t)
		r.other = e2ekeystest.NewIdentity(t, aliceID)
		expectStages(t, r.replace(e, nil), "m.oauth", resetStage, "m.login.sso")
		admin(e, "user", "allow-reset", "alice", "--yes")
		expectSays(t, expectMails(t, e, smtp, mailApproved)[0], "My App")
		harness.ExpectJSON(t, r.replace(e, nil), http.StatusOK)
		expectMails(t, e, smtp, mailReplaced)
	})
	t.Run("J-23: the first keys and an upload that is refused are no reset", func(t *testing.T) {
		e := e.For(t)
		r.other = e2ekeystest.NewIdentity(t, aliceID)
		expectStages(t, r.replace(e, nil), "m.oauth", resetStage, "m.login.sso")
		expectMails(t, e, smtp)
	})
}

func TestNoticeOfLinks(t *testing.T) {
	smtp := mailtest.Start(t)
	e := twoProviders(t, "[global.smtp]\nhost = \"127.0.0.1\"\nport = "+fmt.Sprint(smtp.Port)+"\nsecurity = \"none\"\nfrom = \"chat@example.org\"\n")
	b, _ := signedInAt(e, e.IDP.ClientID, "alice")
	b.Decide(proveAs(t, b, linkOther(t, b, "bob"), e.IDP.ClientID, "alice"), "approve")
	m := expectMails(t, e, smtp, mailLinked)[0]
	expectSays(t, m, "Second", "@alice:example.org", "IP address", e.Issuer+accountPath+"?action=activity")
	if strings.Contains(m.Plain, "bob") {
		t.Errorf("it says whose account that is:\n%s", m.Plain)
	}
	admin(e, "user", "unlink", "alice", "--provider", "second", "--yes")
	m = expectMails(t, e, smtp, mailUnlinked)[0]
	expectSays(t, m, "Second")
	if strings.Contains(m.Plain, "IP address") {
		t.Errorf("it has an address of whoever administers:\n%s", m.Plain)
	}
}

func TestNoticeOfAClosedAccount(t *testing.T) {
	e, smtp := mailedEnv(t)
	t.Run("H-07: with erase it goes to the address of before, and nothing remains of that", func(t *testing.T) {
		e := e.For(t)
		b, _ := signedInAt(e, e.IDP.ClientID, "alice")
		p := proveAs(t, b, b.Visit(accountPath+"?action=org.matrix.account_deactivate"), e.IDP.ClientID, "alice")
		action, values := b.Fields(p)
		values.Set("decision", "approve")
		values.Set("erase", "yes")
		expectPage(t, b.Post(p, action, values), http.StatusOK, "Your account is closed")
		if user := must(e.Server.Store().User(t.Context(), "alice")); user.Email != "" || user.Language != "" {
			t.Errorf("the user is %+v", user)
		}
		m := expectMails(t, e, smtp, mailClosed)[0]
		expectSays(t, m, "@alice:example.org")
		if strings.Contains(m.Plain+m.HTML, "://") {
			t.Errorf("it leads to pages that nobody can open:\n%s", m.Plain)
		}
		var kept int
		if err := database(e).QueryRowContext(t.Context(), "SELECT count(*) FROM jobs WHERE secret_sealed IS NOT NULL").Scan(&kept); err != nil || kept != 0 {
			t.Errorf("%d addresses are kept, error %v", kept, err)
		}
	})
}

// The command has no key to seal anything with; the server finds the address.
func TestNoticeOfAnAccountThatAnAdministratorCloses(t *testing.T) {
	e, smtp := mailedEnv(t)
	logInAt(e, e.IDP.ClientID, "alice", "PHONE")
	expectMails(t, e, smtp, mailSignIn)
	admin(e, "user", "deactivate", "alice", "--yes")
	expectMails(t, e, smtp, mailClosed)
	admin(e, "user", "deactivate", "alice", "--yes")
	expectMails(t, e, smtp)
}

func TestNoticesWaitForTheMailServer(t *testing.T) {
	e, smtp := mailedEnv(t)
	smtp.Change(func(o *mailtest.Options) {
		o.Recipient = func(string) error { return mailtest.Refuse(451, [3]int{4, 7, 1}, "later") }
	})
	tokens := logInAt(e, e.IDP.ClientID, "alice", "PHONE")
	expectAlive(t, e, tokens.Access)
	expectMails(t, e, smtp)
	e.Restart() // nothing of it is in memory
	for range 30 {
		e.Clock.Advance(time.Hour)
		expectMails(t, e, smtp)
	}
	if failed := must(e.Server.Store().Jobs(t.Context(), []store.JobState{store.JobFailed}, 9)); len(failed) != 0 {
		t.Fatalf("it is given up: %+v", failed)
	}
	smtp.Change(func(o *mailtest.Options) { o.Recipient = nil })
	e.Clock.Advance(time.Hour)
	expectMails(t, e, smtp, mailSignIn)
}

func TestNoticesWithoutAMailServer(t *testing.T) {
	e := harness.Start(t)
	e.LogIn("alice", "PHONE")
	user := must(e.Server.Store().User(t.Context(), "alice"))
	if jobs := must(e.Server.Store().Jobs(t.Context(), []store.JobState{store.JobWaiting, store.JobDone, store.JobFailed}, 9)); len(jobs) != 0 || user.Language != "" {
		t.Errorf("jobs %+v, language %q", jobs, user.Language)
	}
}

// What a client calls itself ends no header and no element of a mail.
func TestNoticeOfAClientWithAHostileName(t *testing.T) {
	e, smtp := mailedEnv(t)
	metadata := strings.Replace(harness.WebClient, `"My App"`, `"Bank\u202e https://evil.example/ <script>alert(1)</script> eve@evil.example"`, 1)
	id, _ := e.Register(metadata)
	r := e.NewRequest(id, harness.ScopeStable+"PHONE")
	r.Values.Set("idp_id", e.IDP.ClientID)
	e.LogInWith(r, "alice")
	m := expectMails(t, e, smtp, mailSignIn)[0]
	for _, s := range []string{"https://evil", "eve@evil", "\u202e"} {
		if strings.Contains(m.Plain, s) || strings.Contains(m.HTML, s) {
			t.Errorf("%q is in\n%s", s, m.Plain)
		}
	}
	if strings.Contains(m.HTML, "<script") || !strings.Contains(m.Plain, "Bank") || len(m.Header) > 12 {
		t.Errorf("headers %v\n%s", m.Header, m.HTML)
	}
}
