// Package notices writes the mails that tell people what happened to their
// accounts, and hands them to the mail server. What happened is a job that the
// store has left behind (store.JobNotice): a mail is sent at least once, and
// under the same id each time.
package notices

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/text/language"

	"keymaker/internal/clock"
	"keymaker/internal/jobs"
	"keymaker/internal/mail"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

// MaxAge is for how long it is tried to send a mail. An older one would alarm a
// person about what is long over.
const MaxAge = 72 * time.Hour

// Accounts is what is known of whom a mail is for. *store.Store implements it.
type Accounts interface {
	ReadNotice(ctx context.Context, j store.Job) (store.Notice, store.Recipient, error)
	Client(ctx context.Context, id string) (*store.Client, error)
	Device(ctx context.Context, localpart, deviceID string) (store.Device, error)
	UserID(localpart string) string
}

// Sender hands a mail to the mail server. mail.Sender implements it.
type Sender interface {
	Send(ctx context.Context, m mail.Message) error
}

// Options are what a Mailer is made of.
type Options struct {
	Accounts Accounts
	Sender   Sender
	Pages    *templates.Renderer
	// URL is where a person sees what happened to their account; "" for nowhere.
	URL string
	// Providers are what the administrator calls the identity providers, by id.
	Providers map[string]string
	Clock     clock.Clock
	Logger    *slog.Logger
}

// Mailer sends notices. It is safe for concurrent use.
type Mailer struct {
	Options
	breaker *gobreaker.CircuitBreaker[struct{}]
}

// New returns a Mailer that has sent nothing yet.
func New(o Options) *Mailer { return &Mailer{Options: o, breaker: newBreaker(o.Logger)} }

// Jobs are the jobs that this package does, by kind.
func (m *Mailer) Jobs() map[string]jobs.Handler {
	return map[string]jobs.Handler{store.JobNotice: m.deliver}
}

// deliver sends the mail of a job. Its errors name nobody.
func (m *Mailer) deliver(ctx context.Context, j store.Job) error {
	n, to, err := m.Accounts.ReadNotice(ctx, j)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", err, jobs.ErrFinal)
	case to.Email == "": // it has been removed since
		return nil
	case m.Clock.Now().Sub(j.CreatedAt) > MaxAge:
		return fmt.Errorf("the mail is older than %s: %w", MaxAge, jobs.ErrFinal)
	}
	letter, err := m.letter(ctx, n, to, j.CreatedAt)
	if err != nil {
		return err
	}
	return m.send(ctx, mail.Message{ID: j.ID, To: to.Email, Date: j.CreatedAt, Lang: letter.Lang, Subject: letter.Subject, Text: letter.Plain, HTML: letter.Markup})
}

// letter writes a notice in the language of its person.
func (m *Mailer) letter(ctx context.Context, n store.Notice, to store.Recipient, at time.Time) (templates.Letter, error) {
	lang := language.Make(to.Language)
	about := templates.Mail{Kind: templates.MailKind(n.Kind), UserID: m.Accounts.UserID(n.Localpart), At: at, Address: to.Address, URL: m.URL,
		Provider: cmp.Or(m.Providers[n.ProviderID], n.ProviderID)}
	if n.Kind == store.NoticeDeactivated {
		about.URL = "" // which nobody can open any more
	}
	var err error
	if about.App, about.Host, err = m.app(ctx, n, lang); err != nil {
		return templates.Letter{}, err
	}
	return m.Pages.Mail(lang, about)
}

// app is what the app of a notice is called, and where it belongs. What came by
// the older sign-in has no client, and is called what its device is.
func (m *Mailer) app(ctx context.Context, n store.Notice, lang language.Tag) (name, host string, err error) {
	if n.ClientID != "" {
		client, err := m.Accounts.Client(ctx, n.ClientID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return n.ClientID, "", nil
		case err != nil:
			return "", "", err
		}
		about, err := provider.ClientMetadata(client)
		if err != nil {
			return "", "", err
		}
		return cmp.Or(about.Name(lang), about.ClientHost(), n.ClientID), about.ClientHost(), nil
	}
	if n.DeviceID == "" {
		return "", "", nil
	}
	device, err := m.Accounts.Device(ctx, n.Localpart, n.DeviceID)
	if errors.Is(err, store.ErrNotFound) {
		return "", "", nil
	}
	return device.DisplayName, "", err
}
