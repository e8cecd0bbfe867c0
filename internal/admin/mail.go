package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"keymaker/internal/mail"
	"keymaker/store"
	"keymaker/templates"
)

// MailTest is a mail that was sent to see whether mails are.
type MailTest struct {
	To     string `json:"to"`
	From   string `json:"from"`
	Server string `json:"server"`
}

// TestMail sends a mail to an address. It needs no database. The error says at
// which step it failed, with what the mail server said: the address is the
// administrator's own question.
var TestMail = operation("test-mail", (*Service).testMail)

func (s *Service) testMail(ctx context.Context, to string) (MailTest, error) {
	o := s.Config.SMTP
	if !o.Enabled() {
		return MailTest{}, refused("no mail is ever sent: the configuration has no [global.smtp]")
	}
	pages, err := templates.New(templates.Options{ServerName: s.Config.ServerName, Branding: s.Config.Branding})
	if err != nil {
		return MailTest{}, err
	}
	letter, err := pages.Mail(language.English, templates.Mail{Kind: templates.MailTest, At: s.Clock.Now()})
	if err != nil {
		return MailTest{}, err
	}
	err = mail.Sender{Options: o}.Send(ctx, mail.Message{ID: store.NewID(s.Clock.Now()), To: to, Date: s.Clock.Now(), Lang: letter.Lang,
		Subject: letter.Subject, Text: letter.Plain, HTML: letter.Markup})
	tested := MailTest{To: to, From: o.From.String(), Server: net.JoinHostPort(o.Host, strconv.Itoa(o.Port))}
	var failed *mail.Error
	switch {
	case errors.Is(err, mail.ErrAddress):
		return MailTest{}, wrong("%s is no address that %s can send mail to", Printable(to), tested.Server)
	case errors.As(err, &failed):
		return MailTest{}, refused("the mail was not sent by %s. It failed at the step %s", tested.Server, why(failed))
	}
	return tested, err
}

// why is what failed, with the server's own words.
func why(e *mail.Error) string {
	if e.Code == 0 {
		return e.Error()
	}
	return fmt.Sprintf("%s: the mail server answered %d: %s", e.Step, e.Code, Printable(strings.ReplaceAll(e.Said, "\n", " ")))
}
