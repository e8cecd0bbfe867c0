// Package mailtest is a mail server for tests: a real one, on the loopback
// interface, that keeps what it gets and fails as it is told to.
package mailtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"keymaker/internal/certtest"
)

// Username and Password are what the server asks for when it asks.
const (
	Username = "keymaker"
	Password = "what the mail server wants: 5f27c1"
)

// Options are how the server is, and how it fails.
type Options struct {
	// TLS encrypts from the first byte; otherwise STARTTLS is offered, unless
	// NoTLS is set.
	TLS, NoTLS bool
	// Name is what the certificate is for; "" is 127.0.0.1.
	Name string
	// Mechanisms are those of AUTH, out of PLAIN and LOGIN; nil asks nobody who
	// they are.
	Mechanisms []string
	// UTF8 offers SMTPUTF8.
	UTF8 bool

	// Sender, Recipient and Message answer MAIL FROM, RCPT TO and the end of
	// DATA; nil takes everything. Refuse makes such an answer.
	Sender, Recipient, Message func(address string) error
	// Hang keeps everybody waiting who has named a recipient.
	Hang bool
	// Drop ends the connection in the middle of each mail.
	Drop bool
}

// Refuse is an answer with a code and an enhanced one.
func Refuse(code int, enhanced [3]int, said string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: said}
}

// Server is a mail server that runs until its test ends.
type Server struct {
	Host string
	Port int
	// Roots believe its certificate.
	Roots *x509.CertPool

	mu      sync.Mutex
	options Options
	got     []Received
	arrived chan struct{}
	ended   chan struct{}
}

// Start runs a server.
func Start(t testing.TB, configure ...func(*Options)) *Server {
	t.Helper()
	var o Options
	for _, c := range configure {
		c(&o)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Host: "127.0.0.1", options: o, arrived: make(chan struct{}, 1000), ended: make(chan struct{})}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s.Port, _ = strconv.Atoi(port)
	certificate := s.certificate(t)
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	server.Domain, server.AllowInsecureAuth, server.EnableSMTPUTF8 = "mail.example.com", true, o.UTF8
	server.ErrorLog = quiet{}
	if !o.NoTLS && !o.TLS {
		server.TLSConfig = certificate
	}
	if o.TLS {
		listener = tls.NewListener(listener, certificate)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { close(s.ended); _ = listener.Close(); _ = server.Close(); <-done })
	return s
}

// certificate makes one, and the roots that believe it.
func (s *Server) certificate(t testing.TB) *tls.Config {
	t.Helper()
	host := s.options.Name
	if host == "" {
		host = "127.0.0.1"
	}
	authority := certtest.New(t)
	s.Roots = authority.Pool()
	return authority.Server(time.Now().Add(time.Hour), host)
}

// Change changes how the server fails from now on.
func (s *Server) Change(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

func (s *Server) now() Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

// Mails are those that the server has taken since it was asked last, in the
// order in which they came.
func (s *Server) Mails() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// Arrived has a value for each mail that the server has taken, and for each
// that it keeps waiting.
func (s *Server) Arrived() <-chan struct{} { return s.arrived }

// session is one connection.
type session struct {
	server   *Server
	conn     *smtp.Conn
	signedIn bool
	from     string
	to       []string
}

// AuthMechanisms implements smtp.AuthSession.
func (x *session) AuthMechanisms() []string { return x.server.now().Mechanisms }

// Auth implements smtp.AuthSession.
func (x *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(_, username, password string) error {
		if username != Username || password != Password {
			return smtp.ErrAuthFailed
		}
		x.signedIn = true
		return nil
	}
	if mechanism == "LOGIN" {
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(check), nil
}

// Mail implements smtp.Session.
func (x *session) Mail(from string, o *smtp.MailOptions) error {
	now := x.server.now()
	if len(now.Mechanisms) > 0 && !x.signedIn {
		return smtp.ErrAuthRequired
	}
	x.from = from
	if o != nil && o.UTF8 {
		x.from += " SMTPUTF8"
	}
	return answer(now.Sender, from)
}

// Rcpt implements smtp.Session.
func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	now := x.server.now()
	if now.Hang {
		x.server.arrived <- struct{}{}
		<-x.server.ended
	}
	x.to = append(x.to, to)
	return answer(now.Recipient, to)
}

// Data implements smtp.Session.
func (x *session) Data(r io.Reader) error {
	now := x.server.now()
	if now.Drop {
		_, _ = io.ReadFull(r, make([]byte, 100))
		_ = x.conn.Conn().Close()
		return errors.New("dropped")
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := answer(now.Message, x.from); err != nil {
		return err
	}
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	_, encrypted := x.conn.TLSConnectionState()
	x.server.got = append(x.server.got, Received{From: x.from, To: x.to, Text: text, Encrypted: encrypted, SignedIn: x.signedIn, Hello: x.conn.Hostname()})
	x.server.arrived <- struct{}{}
	return nil
}

func answer(how func(string) error, address string) error {
	if how == nil {
		return nil
	}
	return how(address)
}

// Reset implements smtp.Session.
func (x *session) Reset() { x.from, x.to = "", nil }

// Logout implements smtp.Session.
func (*session) Logout() error { return nil }

// login is the server's side of AUTH LOGIN.
type login struct {
	check    func(identity, username, password string) error
	username *string
}

// Next implements sasl.Server.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case l.username == nil:
		name := string(response)
		l.username = &name
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check("", *l.username, string(response))
}

// quiet drops what the server says of connections that end early.
type quiet struct{}

// Printf implements smtp.Logger.
func (quiet) Printf(string, ...any) {}

// Println implements smtp.Logger.
func (quiet) Println(...any) {}
