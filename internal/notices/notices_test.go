package notices_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/jobs"
	"keymaker/internal/mail"
	"keymaker/internal/mail/mailtest"
	"keymaker/internal/notices"
	"keymaker/store"
	"keymaker/store/storetest"
	"keymaker/templates"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// fixture is a database, a mail server, and what is between them.
type fixture struct {
	*store.Store
	t       *testing.T
	clock   *clock.Manual
	options store.Options
	smtp    *mailtest.Server
	sender  mail.Sender
}

func each(t *testing.T, test func(*fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		f := &fixture{t: t, clock: clock.NewManual(storetest.Start), options: storetest.Options(t, d.URL(t)), smtp: mailtest.Start(t)}
		f.options.Clock, f.options.Notices = f.clock, true
		f.Store = storetest.Open(t, f.options)
		f.sender = mail.Sender{Options: mail.Options{Host: f.smtp.Host, Port: f.smtp.Port, Security: mail.None, Timeout: 10 * time.Second,
			From: netmail.Address{Address: "chat@example.org"}}}
		test(f)
	})
}

// must fails the test for an error.
func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// signIn makes a user with an address and lets them sign in.
func (f *fixture) signIn(localpart, email string) {
	f.t.Helper()
	l := store.Login{Localpart: localpart, ProviderID: "idp", UpstreamIssuer: "https://idp.example", UpstreamSubject: localpart, AuthTime: f.clock.Now()}
	_, err := f.Link(f.t.Context(), store.NewLink{ProviderID: "idp", Issuer: l.UpstreamIssuer, Subject: localpart, Localpart: localpart, CreateUser: true, Email: email})
	f.must(err)
	f.must(f.StartSession(store.WithAddress(f.t.Context(), "192.0.2.1"), store.NewSession{Session: store.Session{ID: "session of " + localpart, Kind: store.OAuth,
		DeviceID: "PHONE", ClientID: "c1", Scope: "openid", Login: l}}))
}

func pages(t *testing.T) *templates.Renderer {
	t.Helper()
	r, err := templates.New(templates.Options{ServerName: storetest.ServerName})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f *fixture) mailer(s *store.Store) *notices.Mailer {
	f.t.Helper()
	return notices.New(notices.Options{Accounts: s, Sender: f.sender, Pages: pages(f.t), URL: "https://matrix.example.org/account?action=activity",
		Providers: map[string]string{"idp": "University"}, Clock: f.clock, Logger: slog.New(slog.DiscardHandler)})
}

func (f *fixture) runner(s *store.Store) *jobs.Runner {
	f.t.Helper()
	return jobs.New(jobs.Options{Store: s, Clock: f.clock, Logger: slog.New(slog.DiscardHandler), Handlers: f.mailer(s).Jobs()})
}

// run does what is due, and returns the newest job.
func (f *fixture) run() store.Job {
	f.t.Helper()
	_, err := f.runner(f.Store).RunDue(f.t.Context())
	f.must(err)
	all, err := f.Jobs(f.t.Context(), []store.JobState{store.JobWaiting, store.JobDone, store.JobFailed}, 1)
	f.must(err)
	return all[0]
}

func TestWhatBecomesOfAMail(t *testing.T) {
	refuse := func(code int, enhanced [3]int) func(string) error {
		return func(address string) error { return mailtest.Refuse(code, enhanced, "not "+address) }
	}
	tests := []struct {
		name   string
		spoil  func(f *fixture)
		email  string
		state  store.JobState
		count  int // attempts
		says   string
		arrive int
	}{
		{name: "the mail server takes it", state: store.JobDone, count: 1, arrive: 1},
		{name: "nobody has the address", spoil: func(f *fixture) {
			f.smtp.Change(func(o *mailtest.Options) { o.Recipient = refuse(550, [3]int{5, 1, 1}) })
		},
			state: store.JobFailed, count: 1, says: "recipient: the mail server answered 550 5.1.1: given up"},
		{name: "the address is none", email: "alice@@home.example", state: store.JobFailed, count: 1, says: "the address is none that mail can be sent to: given up"},
		{name: "there is no room for it now", spoil: func(f *fixture) {
			f.smtp.Change(func(o *mailtest.Options) { o.Recipient = refuse(452, [3]int{4, 2, 2}) })
		},
			state: store.JobWaiting, count: 1, says: "recipient: the mail server answered 452 4.2.2"},
		{name: "the mail server does not let us send", spoil: func(f *fixture) { f.smtp.Change(func(o *mailtest.Options) { o.Sender = refuse(550, [3]int{5, 7, 1}) }) },
			state: store.JobWaiting, count: 1, says: "sender: the mail server answered 550 5.7.1"},
		{name: "the connection breaks when it may have been taken", spoil: func(f *fixture) { f.smtp.Change(func(o *mailtest.Options) { o.Drop = true }) },
			state: store.JobWaiting, count: 1, says: "message: "},
		{name: "there is no mail server", spoil: func(f *fixture) { f.sender.Port = 1 }, state: store.JobWaiting, count: 0, says: "connect: "},
		{name: "it is three days old", spoil: func(f *fixture) { f.clock.Advance(notices.MaxAge + time.Millisecond) },
			state: store.JobFailed, count: 1, says: "the mail is older than 72h0m0s: given up"},
		{name: "it is nearly that", spoil: func(f *fixture) { f.clock.Advance(notices.MaxAge) }, state: store.JobDone, count: 1, arrive: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				if tt.email == "" {
					tt.email = "alice@home.example"
				}
				f.signIn("alice", tt.email)
				if tt.spoil != nil {
					tt.spoil(f)
				}
				j := f.run()
				if j.State != tt.state || j.Attempts != tt.count || !strings.Contains(j.LastError, tt.says) || strings.Contains(j.LastError, "home.example") {
					f.t.Errorf("it is %s after %d attempts, %q", j.State, j.Attempts, j.LastError)
				}
				got := f.smtp.Mails()
				if len(got) != tt.arrive {
					f.t.Fatalf("%d mails arrived", len(got))
				}
				for _, m := range got {
					if !strings.Contains(string(m.Text), "Message-ID: <"+j.ID+"@example.org>") || m.To[0] != tt.email {
						f.t.Errorf("it went to %q:\n%s", m.To, m.Text)
					}
				}
			})
		})
	}
}

func TestMailWaitsUntilThereIsAMailServer(t *testing.T) {
	each(t, func(f *fixture) {
		f.signIn("alice", "alice@home.example")
		port := f.sender.Port
		f.sender.Port = 1
		for range 20 {
			if j := f.run(); j.State != store.JobWaiting || j.NextAttempt.After(f.clock.Now().Add(time.Minute)) {
				t.Fatalf("it is %+v", j)
			}
			f.clock.Advance(3 * time.Hour)
		}
		f.sender.Port = port
		if j := f.run(); j.State != store.JobDone || len(f.smtp.Mails()) != 1 {
			t.Errorf("it is %+v", j)
		}
	})
}

func TestMailThatIsForNobody(t *testing.T) {
	each(t, func(f *fixture) {
		_, err := f.AddJob(t.Context(), store.NewJob{Kind: store.JobNotice, Lane: "a", Payload: store.Notice{Kind: store.NoticeDeactivated, Localpart: "nobody"}})
		f.must(err)
		if j := f.run(); j.State != store.JobDone {
			f.t.Errorf("it is %+v", j)
		}
		_, err = f.AddJob(t.Context(), store.NewJob{Kind: store.JobNotice, Lane: "a", Payload: []string{"no notice"}})
		f.must(err)
		if j := f.run(); j.State != store.JobFailed || !strings.HasPrefix(j.LastError, "read the payload") {
			f.t.Errorf("it is %+v", j)
		}
	})
}

// A server that ends between the mail and its note is followed by another that
// sends the same mail.
func TestMailOfAServerThatIsGone(t *testing.T) {
	each(t, func(f *fixture) {
		f.signIn("alice", "alice@home.example")
		j, err := f.TakeJob(t.Context(), []string{store.JobNotice}, jobs.Lease)
		f.must(err)
		f.must(f.mailer(f.Store).Jobs()[store.JobNotice](t.Context(), j))
		f.run()
		if n := len(f.smtp.Mails()); n != 1 {
			t.Fatalf("%d mails while the first server has the job", n)
		}
		f.clock.Advance(jobs.Lease)
		f.run()
		got := f.smtp.Mails()
		if len(got) != 1 || !strings.Contains(string(got[0].Text), "Message-ID: <"+j.ID+"@") || !strings.Contains(string(got[0].Text), "Date: Wed, 02 Jan 2030 03:04:05 +0000") {
			t.Errorf("then %d mails arrived: %+v", len(got), got)
		}
	})
}

func TestTwoServersSendEachMailOnce(t *testing.T) {
	const people = 12
	each(t, func(f *fixture) {
		for i := range people {
			name := fmt.Sprintf("person%d", i)
			f.signIn(name, name+"@home.example")
		}
		other := storetest.Open(t, f.options)
		var done sync.WaitGroup
		for _, s := range []*store.Store{f.Store, other, f.Store, other} {
			done.Go(func() {
				if _, err := f.runner(s).RunDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		seen := map[string]int{}
		for _, m := range f.smtp.Mails() {
			seen[m.To[0]]++
		}
		for address, n := range seen {
			if n != 1 {
				t.Errorf("%s got %d", address, n)
			}
		}
		if len(seen) != people {
			t.Errorf("%d people got one", len(seen))
		}
	})
}

// accounts know one person.
type accounts struct {
	notice    store.Notice
	recipient store.Recipient
	client    *store.Client
	device    string
}

func (a accounts) ReadNotice(context.Context, store.Job) (store.Notice, store.Recipient, error) {
	return a.notice, a.recipient, nil
}

func (a accounts) Client(context.Context, string) (*store.Client, error) {
	if a.client == nil {
		return nil, store.ErrNotFound
	}
	return a.client, nil
}

func (a accounts) Device(context.Context, string, string) (store.Device, error) {
	if a.device == "" {
		return store.Device{}, store.ErrNotFound
	}
	return store.Device{DisplayName: a.device}, nil
}

func (accounts) UserID(localpart string) string { return "@" + localpart + ":example.org" }

// box keeps mails, or fails.
type box struct {
	got []mail.Message
	err error
}

func (b *box) Send(_ context.Context, m mail.Message) error {
	b.got = append(b.got, m)
	return b.err
}

func deliverer(t *testing.T, a accounts, b *box) func() error {
	t.Helper()
	m := notices.New(notices.Options{Accounts: a, Sender: b, Pages: pages(t), URL: "https://matrix.example.org/account", Providers: map[string]string{"idp": "University"},
		Clock: clock.NewManual(storetest.Start), Logger: slog.New(slog.DiscardHandler)})
	return func() error {
		return m.Jobs()[store.JobNotice](t.Context(), store.Job{ID: "J1", CreatedAt: storetest.Start})
	}
}

func TestWhatAMailSays(t *testing.T) {
	to := store.Recipient{Email: "alice@home.example", Address: "192.0.2.1"}
	app := &store.Client{ID: "c1", Metadata: []byte(`{"client_name":"App","client_name#de":"Anwendung","client_uri":"https://app.example/"}`)}
	tests := []struct {
		name     string
		accounts accounts
		subject  string
		says     []string
		not      []string
	}{
		{"the app of a sign-in", accounts{notice: store.Notice{Kind: store.NoticeSignIn, ClientID: "c1", DeviceID: "PHONE", ProviderID: "idp"}, client: app, device: "Phone"},
			"New sign-in to your account at example.org",
			[]string{"App: App", "Belongs to: app.example", "Signed in with: University", "IP address: 192.0.2.1", "Time: 2030-01-02 03:04 UTC", "@alice:example.org", "https://matrix.example.org/account\n"}, []string{"Phone"}},
		{"an app that is gone", accounts{notice: store.Notice{Kind: store.NoticeSignIn, ClientID: "c1"}}, "New sign-in to your account at example.org", []string{"App: c1"}, []string{"Belongs to"}},
		{"the device of an older sign-in", accounts{notice: store.Notice{Kind: store.NoticeSignIn, DeviceID: "PHONE"}, device: "Old app"}, "New sign-in to your account at example.org", []string{"App: Old app"}, nil},
		{"a device that is gone", accounts{notice: store.Notice{Kind: store.NoticeSignIn, DeviceID: "PHONE"}}, "New sign-in to your account at example.org", nil, []string{"App:"}},
		{"a provider that is gone", accounts{notice: store.Notice{Kind: store.NoticeUnlinked, ProviderID: "old"}}, "An account no longer leads to yours", []string{"at old was unlinked"}, []string{"Signed in with"}},
		{"a link", accounts{notice: store.Notice{Kind: store.NoticeLinked, ProviderID: "idp"}}, "Another account now leads to yours", []string{"at University"}, []string{"Signed in with"}},
		{"an approved reset", accounts{notice: store.Notice{Kind: store.NoticeResetApproved, ClientID: "c1"}, client: app}, "A reset of your encryption was allowed", []string{"App: App"}, nil},
		{"a reset", accounts{notice: store.Notice{Kind: store.NoticeKeysReplaced, ClientID: "c1"}, client: app}, "Your encryption was reset", []string{"App: App"}, nil},
		{"a closed account, which has no pages", accounts{notice: store.Notice{Kind: store.NoticeDeactivated}}, "Your account at example.org is closed", nil, []string{"https:", "Open your account"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b box
			tt.accounts.notice.Localpart, tt.accounts.recipient = "alice", to
			if err := deliverer(t, tt.accounts, &b)(); err != nil {
				t.Fatal(err)
			}
			m := b.got[0]
			if m.ID != "J1" || m.To != to.Email || !m.Date.Equal(storetest.Start) || m.Subject != tt.subject || m.Lang.String() != "en" {
				t.Errorf("the mail is %+v", m)
			}
			for _, s := range tt.says {
				if !strings.Contains(m.Text, s) {
					t.Errorf("it does not say %q:\n%s", s, m.Text)
				}
			}
			for _, s := range tt.not {
				if strings.Contains(m.Text, s) {
					t.Errorf("it says %q:\n%s", s, m.Text)
				}
			}
		})
	}
	for lang, want := range map[string]string{"de": "de", "de-AT": "de", "": "en", "tlh": "en", "\r\nBcc: x": "en"} {
		t.Run("in the nearest language to "+fmt.Sprintf("%q", lang), func(t *testing.T) {
			var b box
			to.Language = lang
			err := deliverer(t, accounts{notice: store.Notice{Kind: store.NoticeSignIn, Localpart: "alice", ClientID: "c1"}, client: app, recipient: to}, &b)()
			if err != nil || b.got[0].Lang.String() != want || strings.Contains(b.got[0].Text, "Anwendung: Anwendung") != (want == "de") {
				t.Errorf("error %v, in %s:\n%s", err, b.got[0].Lang, b.got[0].Text)
			}
		})
	}
}

// While the mail server is lost, no worker waits for it, and no mail counts an
// attempt.
func TestALostMailServerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := box{err: &mail.Error{Step: mail.StepSignIn, Code: 535}}
		send := deliverer(t, accounts{notice: store.Notice{Kind: store.NoticeLinked, Localpart: "alice", ProviderID: "idp"}, recipient: store.Recipient{Email: "alice@home.example"}}, &b)
		for range 3 {
			if err := send(); !errors.Is(err, jobs.ErrPatience) {
				t.Fatalf("error %v", err)
			}
		}
		for range 5 {
			if err := send(); !errors.Is(err, jobs.ErrAway) || len(b.got) != 3 {
				t.Fatalf("tried %d times, error %v", len(b.got), err)
			}
		}
		time.Sleep(notices.Pause + time.Millisecond)
		b.err = nil
		for range 2 {
			if err := send(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// One address that is refused says nothing of the mail server.
func TestAnAddressThatIsRefusedHoldsUpNobody(t *testing.T) {
	b := box{err: &mail.Error{Step: mail.StepRecipient, Code: 550}}
	send := deliverer(t, accounts{notice: store.Notice{Kind: store.NoticeLinked, Localpart: "alice", ProviderID: "idp"}, recipient: store.Recipient{Email: "alice@home.example"}}, &b)
	for range 10 {
		if err := send(); !errors.Is(err, jobs.ErrFinal) {
			t.Fatalf("error %v", err)
		}
	}
	if len(b.got) != 10 {
		t.Errorf("tried %d times", len(b.got))
	}
}
