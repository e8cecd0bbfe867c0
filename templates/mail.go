package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	plain "text/template"
	"time"

	"golang.org/x/text/language"

	"keymaker/templates/palette"
)

// A MailKind is what a mail is about.
type MailKind string

// The kinds of mails.
const (
	MailTest          MailKind = "test"    // an administrator tries the mail server
	MailSignIn        MailKind = "sign_in" // where nobody has signed in before
	MailResetApproved MailKind = "reset_approved"
	MailKeysReplaced  MailKind = "keys_replaced" // by a reset
	MailLinked        MailKind = "linked"
	MailUnlinked      MailKind = "unlinked"
	MailDeactivated   MailKind = "deactivated"
)

// mailKinds are all of them.
var mailKinds = []MailKind{MailTest, MailSignIn, MailResetApproved, MailKeysReplaced, MailLinked, MailUnlinked, MailDeactivated}

// Mail tells a person what happened to their account. What is "" is not shown.
type Mail struct {
	Kind     MailKind
	UserID   string
	At       time.Time
	App      string // the application, as it calls itself
	Host     string // to which the application belongs
	Provider string // the identity provider
	Address  string // the IP address from which it was done
	URL      string // where the person can do something about it
}

// A Letter is a mail in one language: the same words as text and as HTML, which
// load nothing.
type Letter struct {
	Lang          language.Tag
	Subject       string // one line
	Plain, Markup string
}

// A Fact is one thing that is known of what happened.
type Fact struct {
	Key   string // the message that names it
	Value string
}

// mailView is what mail.html and mail.txt are executed with.
type mailView struct {
	Mail
	Lang, Dir, Subject string
	What, Act          []part
	Facts              []Fact
	Light, Dark        palette.Palette
}

// The files of mails.
const (
	mailMarkup = "mail.html"
	mailPlain  = "mail.txt"
)

// Mail writes a mail in the language of lang, or in the nearest one there is.
func (r *Renderer) Mail(lang language.Tag, m Mail) (Letter, error) {
	tag := r.catalogue.nearest(lang)
	letter, err := r.letter(tag, m)
	if err != nil {
		return Letter{}, fmt.Errorf("templates: write the %s mail in %s: %w", m.Kind, tag, err)
	}
	return letter, nil
}

func (r *Renderer) letter(tag language.Tag, m Mail) (l Letter, err error) {
	view := mailView{Mail: m, Lang: tag.String(), Dir: direction(tag), Facts: m.facts(), Light: r.light, Dark: r.dark}
	l.Lang = tag
	if l.Subject, err = r.catalogue.text(tag, m.message("subject"), "Server", r.server); err != nil {
		return l, err
	}
	view.Subject = l.Subject
	if view.What, err = r.catalogue.parts(tag, m.message("what"), "Server", r.server, "Provider", CleanName(m.Provider)); err != nil {
		return l, err
	}
	if m.Kind != MailTest {
		if view.Act, err = r.catalogue.parts(tag, m.message("act"), "Server", r.server); err != nil {
			return l, err
		}
	}
	var markup, text bytes.Buffer
	page, err := r.markup(tag)
	if err == nil {
		err = page.Execute(&markup, view)
	}
	if err != nil {
		return l, err
	}
	letter, err := r.plain(tag)
	if err == nil {
		err = letter.Execute(&text, view)
	}
	l.Markup, l.Plain = markup.String(), strings.TrimSpace(text.String())+"\n"
	return l, err
}

// message is the key of one of the kind's messages.
func (m Mail) message(what string) string { return "mail." + string(m.Kind) + "." + what }

// markup parses the HTML of a mail. Mails are few, so none is kept.
func (r *Renderer) markup(tag language.Tag) (*template.Template, error) {
	from, shared := r.sources[mailMarkup], r.sources["parts.html"]
	t, err := template.New(from.path).Funcs(r.functions(&stencil{lang: tag})).Parse(from.text)
	if err == nil {
		_, err = t.New(shared.path).Parse(shared.text)
	}
	return t, err
}

// plain parses the text of a mail.
func (r *Renderer) plain(tag language.Tag) (*plain.Template, error) {
	from := r.sources[mailPlain]
	functions := plain.FuncMap{
		"say": func(parts []part) string { return say(tag, parts) },
	}
	for name, function := range r.functions(&stencil{lang: tag}) {
		functions[name] = function
	}
	return plain.New(from.path).Funcs(functions).Parse(from.text)
}

// facts are what is known, in the order in which people want to know it.
func (m Mail) facts() []Fact {
	provider := m.Provider
	if m.Kind == MailLinked || m.Kind == MailUnlinked { // the mail itself says which it is about
		provider = ""
	}
	var known []Fact
	for _, f := range []Fact{
		{"account.title", CleanText(m.UserID)}, {"device.time", moment(m.At)}, {"account.app", unlinked(CleanName(m.App))}, {"sessions.host", CleanText(m.Host)},
		{"sessions.provider", CleanName(provider)}, {"device.address", CleanText(m.Address)},
	} {
		if f.Value != "" {
			known = append(known, f)
		}
	}
	return known
}

// unlinked is a name that others have chosen so that no mail program makes a
// link of it: a word joiner, which nobody sees, stands behind whatever holds an
// address together.
func unlinked(name string) string {
	const joiner = "\u2060"
	return strings.NewReplacer(".", "."+joiner, ":", ":"+joiner, "/", "/"+joiner, "@", "@"+joiner).Replace(name)
}
