package mail

import (
	"errors"
	netmail "net/mail"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// ErrAddress is returned for what is no address of somebody to write to: it is
// misspelt, or none that the mail server can write to.
var ErrAddress = errors.New("the address is none that mail can be sent to")

// maxAddress is the longest path that a server must take, in bytes (RFC 5321
// §4.5.3.1.3), without its brackets.
const maxAddress = 254

// address is an address that can be written to.
type address struct {
	text string // with the domain in ASCII
	// international: what is before the @ is not all ASCII (RFC 6531).
	international bool
}

// CheckAddress returns ErrAddress for what nobody can be written to at: it must
// be an address alone, without a name, a comment or quotes.
func CheckAddress(s string) error {
	_, err := parseAddress(s)
	return err
}

// parseAddress reads an address, and nothing beside it: no name, no second one,
// no end of a line.
func parseAddress(s string) (address, error) {
	if !alone(s) {
		return address{}, ErrAddress
	}
	at := strings.LastIndexByte(s, '@')
	domain, err := toASCII(s[at+1:])
	a := address{text: s[:at+1] + domain, international: strings.ContainsFunc(s[:at], func(r rune) bool { return r > unicode.MaxASCII })}
	if err != nil || len(a.text) > maxAddress || !alone(a.text) {
		return address{}, ErrAddress
	}
	return a, nil
}

// toASCII is a domain in ASCII. One whose ASCII is none itself is refused: nobody
// can be reached there.
func toASCII(domain string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", err
	}
	if again, err := idna.Lookup.ToASCII(ascii); err != nil || again != ascii {
		return "", ErrAddress
	}
	return ascii, nil
}

// alone tells whether a text is an address and nothing else.
func alone(s string) bool {
	parsed, err := netmail.ParseAddress(s)
	return err == nil && parsed.Name == "" && parsed.Address == s && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// ParseSender reads whom mails are from: an address, or a name and an address in
// angle brackets. The error is ErrAddress.
func ParseSender(s string) (netmail.Address, error) {
	parsed, err := netmail.ParseAddress(s)
	if err != nil || strings.ContainsFunc(parsed.Name, unicode.IsControl) {
		return netmail.Address{}, ErrAddress
	}
	a, err := parseAddress(parsed.Address)
	if err != nil || a.international {
		return netmail.Address{}, ErrAddress
	}
	return netmail.Address{Name: parsed.Name, Address: a.text}, nil
}

// domain is the domain that mails are from.
func (o Options) domain() string {
	return o.From.Address[strings.LastIndexByte(o.From.Address, '@')+1:]
}
