package mail

import (
	"bytes"
	"errors"
	netmail "net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/text/language"
)

// Message is a mail to one person.
type Message struct {
	// ID tells a mail from every other one; it is the same when the same mail is
	// sent once more, so that whoever gets both can tell. Letters and digits.
	ID string
	// To is the address of the person, alone.
	To   string
	Date time.Time
	// Lang is what the texts are written in.
	Lang language.Tag
	// Subject is one line.
	Subject, Text, HTML string
}

// compose writes a mail as it is sent: text and HTML of the same content, and
// the headers that keep other programs from answering it (RFC 3834).
func (s Sender) compose(m Message, to address) ([]byte, error) {
	for _, header := range []string{m.ID, m.Subject, m.Lang.String()} {
		if header == "" || strings.ContainsFunc(header, unicode.IsControl) {
			return nil, errors.New("a header would not be one line")
		}
	}
	g := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from := s.From
	g.FromMailAddress(&from)
	g.ToMailAddress(&netmail.Address{Address: to.text})
	g.Subject(m.Subject)
	g.SetDateWithValue(m.Date.UTC())
	g.SetMessageIDWithValue(m.ID + "@" + s.domain())
	g.SetGenHeader("Content-Language", m.Lang.String())
	g.SetGenHeader("Auto-Submitted", "auto-generated")
	g.SetBodyString(gomail.TypeTextPlain, m.Text)
	g.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var b bytes.Buffer
	_, err := g.WriteTo(&b)
	return b.Bytes(), err
}

// offers tells whether a list of mechanisms has one.
func offers(list, mechanism string) bool { return slices.Contains(strings.Fields(list), mechanism) }
