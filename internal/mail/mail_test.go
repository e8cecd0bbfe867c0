package mail_test

import (
	"context"
	"errors"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"keymaker/internal/mail"
	"keymaker/internal/mail/mailtest"
)

// bob is whom every mail of the tests is to, and nothing that is printed may
// name.
const bob = "bob.the.builder@example.org"

// senderTo sends by a server as an administrator would have it.
func senderTo(s *mailtest.Server, change ...func(*mail.Sender)) mail.Sender {
	out := mail.Sender{Roots: s.Roots, Options: mail.Options{Host: s.Host, Port: s.Port, Security: mail.StartTLS,
		From: netmail.Address{Name: "Example Chat", Address: "chat@example.com"}, Timeout: 10 * time.Second}}
	for _, c := range change {
		c(&out)
	}
	return out
}

func withPassword(s *mail.Sender) { s.Username, s.Password = mailtest.Username, mailtest.Password }

func message(change ...func(*mail.Message)) mail.Message {
	m := mail.Message{ID: "01JD3QH8Z0", To: bob, Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)), Lang: language.German,
		Subject: "Grüße von Example", Text: "Guten Tag\n.\nEnde\n", HTML: "<p>Guten Tag</p>"}
	for _, c := range change {
		c(&m)
	}
	return m
}

// one is the one mail that the server has taken.
func one(t *testing.T, s *mailtest.Server) (mailtest.Received, mailtest.Read) {
	t.Helper()
	got := s.Mails()
	if len(got) != 1 {
		t.Fatalf("%d mails have arrived", len(got))
	}
	read, err := got[0].Read()
	if err != nil {
		t.Fatalf("%v in\n%s", err, got[0].Text)
	}
	return got[0], read
}

func TestAMailArrivesAsItWasWritten(t *testing.T) {
	s := mailtest.Start(t)
	if err := senderTo(s).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	envelope, got := one(t, s)
	if envelope.From != "chat@example.com" || len(envelope.To) != 1 || envelope.To[0] != bob || envelope.Hello != "example.com" {
		t.Errorf("the envelope is %+v", envelope)
	}
	if got.Plain != "Guten Tag\r\n.\r\nEnde\r\n" || strings.TrimSpace(got.HTML) != "<p>Guten Tag</p>" || got.Subject != "Grüße von Example" {
		t.Errorf("it says %q, %q, %q", got.Subject, got.Plain, got.HTML)
	}
	for name, want := range map[string]string{
		"From": `"Example Chat" <chat@example.com>`, "To": "<" + bob + ">", "Date": "Fri, 02 Jan 2026 02:04:05 +0000", "Message-ID": "<01JD3QH8Z0@example.com>",
		"Auto-Submitted": "auto-generated", "Content-Language": "de", "MIME-Version": "1.0", "User-Agent": "", "X-Mailer": "",
	} {
		if text := strings.Join(got.Header[textproto.CanonicalMIMEHeaderKey(name)], "|"); text != want {
			t.Errorf("%s is %q, want %q", name, text, want)
		}
	}
	for line := range strings.Lines(string(envelope.Text)) {
		if len(line) > 1000 || strings.ContainsFunc(line, func(r rune) bool { return r > 127 }) {
			t.Errorf("a line is not one that every server takes: %q", line)
		}
	}
}

func TestTheWayToTheServer(t *testing.T) {
	tests := []struct {
		name      string
		server    func(*mailtest.Options)
		sender    func(*mail.Sender)
		encrypted bool
	}{
		{"starttls encrypts before anything is said", func(*mailtest.Options) {}, func(*mail.Sender) {}, true},
		{"tls is encrypted from the first byte", func(o *mailtest.Options) { o.TLS = true }, func(s *mail.Sender) { s.Security = mail.TLS }, true},
		{"none is open", func(o *mailtest.Options) { o.NoTLS = true }, func(s *mail.Sender) { s.Security = mail.None }, false},
		{"a password is sent by PLAIN", func(o *mailtest.Options) { o.Mechanisms = []string{"LOGIN", "PLAIN"} }, withPassword, true},
		{"or by LOGIN", func(o *mailtest.Options) { o.Mechanisms = []string{"LOGIN"} }, withPassword, true},
		{"or on this machine in the open", func(o *mailtest.Options) { o.NoTLS, o.Mechanisms = true, []string{"PLAIN"} },
			func(s *mail.Sender) { withPassword(s); s.Security = mail.None }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mailtest.Start(t, tt.server)
			sender := senderTo(s, tt.sender)
			if err := sender.Send(t.Context(), message()); err != nil {
				t.Fatal(err)
			}
			if got, _ := one(t, s); got.Encrypted != tt.encrypted || got.SignedIn != (sender.Username != "") {
				t.Errorf("encrypted %v, signed in %v", got.Encrypted, got.SignedIn)
			}
		})
	}
}

func TestWhatFails(t *testing.T) {
	refuse := func(code int, enhanced [3]int) func(string) error {
		return func(to string) error { return mailtest.Refuse(code, enhanced, "nothing for "+to) }
	}
	unreachable := listen(t)
	if err := unreachable.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		server  func(*mailtest.Options)
		sender  func(*mail.Sender)
		want    string // how the error begins
		refused bool
	}{
		{"a server of which nobody knows the address", nil, func(s *mail.Sender) { s.Host = "mail.invalid" }, "look up: ", false},
		{"a server that does not listen", nil, func(s *mail.Sender) { s.Port = port(t, unreachable) }, "connect: ", false},
		{"a server without STARTTLS", func(o *mailtest.Options) { o.NoTLS = true }, nil, "TLS: the mail server offers no STARTTLS", false},
		{"a certificate for another name", func(o *mailtest.Options) { o.Name = "elsewhere.example.com" }, nil, "TLS: tls: failed to verify certificate: x509: ", false},
		{"a certificate for another name, from the first byte", func(o *mailtest.Options) { o.Name, o.TLS = "elsewhere.example.com", true },
			func(s *mail.Sender) { s.Security = mail.TLS }, "TLS: tls: failed to verify certificate: x509: ", false},
		{"a certificate that nobody has signed", nil, func(s *mail.Sender) { s.Roots = nil }, "TLS: tls: failed to verify certificate: x509: ", false},
		{"a server that is encrypted later", nil, func(s *mail.Sender) { s.Security = mail.TLS }, "TLS: tls: first record does not look like a TLS handshake", false},
		{"a wrong password", func(o *mailtest.Options) { o.Mechanisms = []string{"PLAIN"} }, func(s *mail.Sender) { withPassword(s); s.Password = "wrong" }, "sign in: the mail server answered 535 5.7.8", false},
		{"a server that knows no password", nil, withPassword, "sign in: the mail server offers neither PLAIN nor LOGIN", false},
		{"a password that is missing", func(o *mailtest.Options) { o.Mechanisms = []string{"PLAIN"} }, nil, "sender: the mail server answered 502 5.7.0", false},
		{"a sender that is refused", func(o *mailtest.Options) { o.Sender = refuse(550, [3]int{5, 7, 1}) }, nil, "sender: the mail server answered 550 5.7.1", false},
		{"a recipient who is refused", func(o *mailtest.Options) { o.Recipient = refuse(550, [3]int{5, 1, 1}) }, nil, "recipient: the mail server answered 550 5.1.1", true},
		{"a recipient for whom there is no room now", func(o *mailtest.Options) { o.Recipient = refuse(452, [3]int{4, 2, 2}) }, nil, "recipient: the mail server answered 452 4.2.2", false},
		{"a mail that is refused", func(o *mailtest.Options) { o.Message = refuse(554, [3]int{5, 6, 0}) }, nil, "message: the mail server answered 554 5.6.0", false},
		{"a connection that ends in the middle", func(o *mailtest.Options) { o.Drop = true }, nil, "message: ", false},
		{"a server that hangs", func(o *mailtest.Options) { o.Hang = true }, func(s *mail.Sender) { s.Timeout = 300 * time.Millisecond }, "recipient: no answer in time", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.server == nil {
				tt.server = func(*mailtest.Options) {}
			}
			if tt.sender == nil {
				tt.sender = func(*mail.Sender) {}
			}
			s := mailtest.Start(t, tt.server)
			err := senderTo(s, tt.sender).Send(t.Context(), message())
			var failed *mail.Error
			if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), tt.want) || failed.Refused() != tt.refused {
				t.Errorf("got %v, want %s…", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "bob") || strings.Contains(err.Error(), "nothing for") || strings.Contains(err.Error(), mailtest.Password)) {
				t.Errorf("the error names somebody: %v", err)
			}
			if got := s.Mails(); len(got) != 0 {
				t.Errorf("%d mails have arrived", len(got))
			}
		})
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func port(t *testing.T, l net.Listener) int {
	t.Helper()
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return int(at.Port())
}

// answers is a server that says what it is told to, line by line.
func answers(t *testing.T, lines ...string) mail.Sender {
	t.Helper()
	l := listen(t)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		for _, line := range lines {
			if _, err := c.Write([]byte(line + "\r\n")); err != nil {
				return
			}
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				return
			}
		}
	}()
	return mail.Sender{Options: mail.Options{Host: "127.0.0.1", Port: port(t, l), Security: mail.None,
		From: netmail.Address{Address: "chat@example.com"}, Timeout: 5 * time.Second}}
}

func TestNonsenseOfAServerIsNotRepeated(t *testing.T) {
	for name, lines := range map[string][]string{
		"no SMTP":             {"bob.the.builder@example.org says hello"},
		"a code of its own":   {"999 bob.the.builder@example.org"},
		"an end in a line":    {"220 bob.the.builder"},
		"a long answer":       {"220 x", "250 x", "550-" + strings.Repeat("bob", 5000) + "\r\n550 bob"},
		"an enhanced imitate": {"220 x", "250 x", "550 5.1.1bob <bob.the.builder@example.org>"},
	} {
		t.Run(name, func(t *testing.T) {
			err := answers(t, lines...).Send(t.Context(), message())
			if err == nil || strings.Contains(err.Error(), "bob") || len(err.Error()) > 100 {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatTheServerSaidIsForWhoeverAsks(t *testing.T) {
	s := mailtest.Start(t, func(o *mailtest.Options) {
		o.Recipient = func(to string) error { return mailtest.Refuse(550, [3]int{5, 1, 1}, "nobody is called "+to) }
	})
	err := senderTo(s).Send(t.Context(), message())
	var failed *mail.Error
	if !errors.As(err, &failed) || failed.Code != 550 || failed.Enhanced != "5.1.1" || failed.Said != "5.1.1 nobody is called "+bob {
		t.Errorf("got %+v", failed)
	}
}

func TestASendingEndsWithItsContext(t *testing.T) {
	s := mailtest.Start(t, func(o *mailtest.Options) { o.Hang = true })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- senderTo(s).Send(ctx, message()) }()
	<-s.Arrived()
	cancel()
	if err := <-done; err == nil || !strings.HasPrefix(err.Error(), "recipient: ") {
		t.Errorf("got %v", err)
	}
}

// What is put into a mail ends no header and begins no other.
func TestNoHeaderIsInjected(t *testing.T) {
	const more = "\r\nBcc: eve@example.org\r\n\r\nHello"
	for name, change := range map[string]func(*mail.Message){
		"by the subject":             func(m *mail.Message) { m.Subject += more },
		"by the subject, with LF":    func(m *mail.Message) { m.Subject += "\nBcc: eve@example.org" },
		"by the id":                  func(m *mail.Message) { m.ID += ">" + more },
		"by the address":             func(m *mail.Message) { m.To += more },
		"by the address, folded":     func(m *mail.Message) { m.To = "bob\r\n @example.org" },
		"by a name and an address":   func(m *mail.Message) { m.To = "Bob <bob@example.org>" },
		"by two addresses":           func(m *mail.Message) { m.To = "bob@example.org, eve@example.org" },
		"by a comment":               func(m *mail.Message) { m.To = "bob@example.org (x)" },
		"by an argument of RCPT":     func(m *mail.Message) { m.To = `"bob> NOTIFY=NEVER <x"@example.org` },
		"by an address without host": func(m *mail.Message) { m.To = "bob" },
		"by no address":              func(m *mail.Message) { m.To = "" },
		"by a host of another kind":  func(m *mail.Message) { m.To = "bob@[127.0.0.1]" },
		"by a long address":          func(m *mail.Message) { m.To = strings.Repeat("b", 250) + "@example.org" },
	} {
		t.Run(name, func(t *testing.T) {
			s := mailtest.Start(t)
			err := senderTo(s).Send(t.Context(), message(change))
			if err == nil || strings.Contains(err.Error(), "eve") || strings.Contains(err.Error(), "bob") {
				t.Errorf("got %v", err)
			}
			if got := s.Mails(); len(got) != 0 {
				t.Errorf("it has arrived:\n%s", got[0].Text)
			}
		})
	}
	t.Run("bodies may say what they like", func(t *testing.T) {
		s := mailtest.Start(t)
		if err := senderTo(s).Send(t.Context(), message(func(m *mail.Message) { m.Text, m.HTML = ".\r\nQUIT\r\n"+more, more })); err != nil {
			t.Fatal(err)
		}
		if envelope, got := one(t, s); len(envelope.To) != 1 || got.Header.Get("Bcc") != "" || !strings.HasPrefix(got.Plain, ".\r\nQUIT\r\n\r\nBcc: eve") {
			t.Errorf("it arrived as\n%s", envelope.Text)
		}
	})
}

func TestInternationalAddresses(t *testing.T) {
	t.Run("a host in other letters is written as DNS has it", func(t *testing.T) {
		s := mailtest.Start(t)
		if err := senderTo(s).Send(t.Context(), message(func(m *mail.Message) { m.To = "bob@bücher.example" })); err != nil {
			t.Fatal(err)
		}
		if got, read := one(t, s); got.To[0] != "bob@xn--bcher-kva.example" || read.Header.Get("To") != "<bob@xn--bcher-kva.example>" {
			t.Errorf("the mail went to %q, %q", got.To, read.Header.Get("To"))
		}
	})
	const person = "jürgen@example.org"
	t.Run("a person in other letters needs a server that knows them", func(t *testing.T) {
		s := mailtest.Start(t, func(o *mailtest.Options) { o.UTF8 = true })
		if err := senderTo(s).Send(t.Context(), message(func(m *mail.Message) { m.To = person })); err != nil {
			t.Fatal(err)
		}
		if got, _ := one(t, s); got.To[0] != person || got.From != "chat@example.com SMTPUTF8" {
			t.Errorf("the mail went from %q to %q", got.From, got.To)
		}
	})
	t.Run("and cannot be written to by another", func(t *testing.T) {
		s := mailtest.Start(t)
		if err := senderTo(s).Send(t.Context(), message(func(m *mail.Message) { m.To = person })); !errors.Is(err, mail.ErrAddress) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody else needs it", func(t *testing.T) {
		s := mailtest.Start(t, func(o *mailtest.Options) { o.UTF8 = true })
		if err := senderTo(s).Send(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
		if got, _ := one(t, s); got.From != "chat@example.com" {
			t.Errorf("the mail is from %q", got.From)
		}
	})
}

func TestSenders(t *testing.T) {
	for text, want := range map[string]netmail.Address{
		"chat@example.com":                      {Address: "chat@example.com"},
		"Example Chat <chat@example.com>":       {Name: "Example Chat", Address: "chat@example.com"},
		`"Chat, of Example" <chat@example.com>`: {Name: "Chat, of Example", Address: "chat@example.com"},
		"Grüße <chat@bücher.example>":           {Name: "Grüße", Address: "chat@xn--bcher-kva.example"},
	} {
		if got, err := mail.ParseSender(text); got != want || err != nil {
			t.Errorf("%s is %v, error %v", text, got, err)
		}
	}
	for _, text := range []string{"", "Example Chat", "chat@", "a@example.com, b@example.com", "Chat <jürgen@example.com>", "Chat <chat@[127.0.0.1]>", "=?utf-8?q?a=0D=0Ab?= <chat@example.com>"} {
		if got, err := mail.ParseSender(text); !errors.Is(err, mail.ErrAddress) {
			t.Errorf("%q is %v, error %v", text, got, err)
		}
	}
}
