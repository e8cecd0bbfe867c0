// Package mail hands mails to the one mail server that the administrator named.
// What goes wrong is told by the step at which it did, and never with an
// address or with what the server said: both can name a person.
package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	netmail "net/mail"
	"strconv"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"keymaker/internal/secret"
)

// Security is how the way to the mail server is protected.
type Security string

// The ways to the mail server. With either of the first two its certificate is
// verified, and nothing is said before.
const (
	StartTLS Security = "starttls" // begins in the open and is encrypted before anything is said
	TLS      Security = "tls"      // encrypted from the first byte
	None     Security = "none"     // on this machine alone
)

// Options name the mail server and whom mails are from.
type Options struct {
	Host     string // "" = no mail is sent
	Port     int
	Security Security
	Username string      // "" = the server asks nobody who they are
	Password secret.Text // of the username
	From     netmail.Address
	// Timeout is how long the delivery of one mail may take in all.
	Timeout time.Duration
}

// Enabled tells whether mails are sent at all.
func (o Options) Enabled() bool { return o.Host != "" }

// Sender sends mails. It is safe for concurrent use, and opens a connection for
// each mail.
type Sender struct {
	Options
	// Roots are whose certificates are believed; nil are those of the machine.
	Roots *x509.CertPool
}

// Send hands a mail to the mail server. ErrAddress: nobody can be written to at
// that address; otherwise the error is an *Error. Once it returns nil the server
// has the mail; it may have it too when the connection broke at StepMessage.
func (s Sender) Send(ctx context.Context, m Message) error {
	to, err := parseAddress(m.To)
	if err != nil {
		return err
	}
	text, err := s.compose(m, to)
	if err != nil {
		return &Error{Step: StepMessage, cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	// Whatever waits for the other side waits no longer than ctx lasts.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	c, err := s.open(conn)
	if err != nil {
		return err
	}
	return s.deliver(c, to, text)
}

// dial connects to the server.
func (s Sender) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return nil, &Error{Step: StepLookUp, cause: err}
	case err != nil && silent(err):
		return nil, &Error{Step: StepConnect, cause: errSilent}
	case err != nil:
		return nil, &Error{Step: StepConnect, cause: err}
	}
	if s.Security != TLS {
		return conn, nil
	}
	encrypted := tls.Client(conn, s.tls())
	if err := encrypted.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, failed(StepTLS, err)
	}
	return encrypted, nil
}

func (s Sender) tls() *tls.Config {
	return &tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
}

// open comes to where mails can be handed over.
func (s Sender) open(conn net.Conn) (*smtp.Client, error) {
	c, err := smtp.NewClient(conn, s.Host)
	if err == nil {
		err = c.Hello(s.domain())
	}
	if err != nil {
		return nil, failed(StepGreeting, err)
	}
	if s.Security == StartTLS {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return nil, &Error{Step: StepTLS, cause: errors.New("the mail server offers no STARTTLS")}
		}
		if err := c.StartTLS(s.tls()); err != nil {
			return nil, failed(StepTLS, err)
		}
	}
	return c, s.signIn(c)
}

// signIn proves who we are, in one of the two ways that every server has.
func (s Sender) signIn(c *smtp.Client) error {
	if s.Username == "" {
		return nil
	}
	_, offered := c.Extension("AUTH")
	open := s.Security == None // which is to this machine
	var err error
	switch {
	case offers(offered, "PLAIN"):
		err = c.Auth(smtp.PlainAuth("", s.Username, s.Password.Reveal(), s.Host, open))
	case offers(offered, "LOGIN"):
		err = c.Auth(smtp.LoginAuth(s.Username, s.Password.Reveal(), s.Host, open))
	default:
		return &Error{Step: StepSignIn, cause: errors.New("the mail server offers neither PLAIN nor LOGIN")}
	}
	if err != nil {
		return failed(StepSignIn, err)
	}
	return nil
}

// deliver hands one mail over. Once the server has taken it, nothing can fail.
func (s Sender) deliver(c *smtp.Client, to address, text []byte) error {
	if offered, _ := c.Extension("SMTPUTF8"); to.international && !offered {
		return ErrAddress
	}
	c.SkipSMTPUTF8(!to.international) // not every server behind this one knows it
	if err := c.Mail("<" + s.From.Address + ">"); err != nil {
		return failed(StepSender, err)
	}
	if err := c.Rcpt("<" + to.text + ">"); err != nil {
		return failed(StepRecipient, err)
	}
	w, err := c.Data()
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return failed(StepMessage, err)
	}
	_ = c.Quit()
	return nil
}
