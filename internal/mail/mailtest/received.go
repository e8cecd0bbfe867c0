package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
)

// Received is a mail that the server has taken.
type Received struct {
	From string // of the envelope; SMTPUTF8 behind it where that was asked for
	To   []string
	Text []byte // headers and all
	// Encrypted and SignedIn say how it came, Hello who said to bring it.
	Encrypted, SignedIn bool
	Hello               string
}

// Read is a mail as a person's program reads it.
type Read struct {
	Header      mail.Header
	Subject     string // decoded
	Plain, HTML string
}

// Read takes a mail apart. It must be a multipart/alternative of a text and an
// HTML part.
func (r Received) Read() (Read, error) {
	m, err := mail.ReadMessage(bytes.NewReader(r.Text))
	if err != nil {
		return Read{}, fmt.Errorf("read the mail: %w", err)
	}
	out := Read{Header: m.Header}
	if out.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return out, fmt.Errorf("read the subject: %w", err)
	}
	media, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || media != "multipart/alternative" {
		return out, fmt.Errorf("the mail is %q, error %w", media, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, into := range []struct {
		media string
		text  *string
	}{{"text/plain", &out.Plain}, {"text/html", &out.HTML}} {
		if *into.text, err = part(parts, into.media); err != nil {
			return out, err
		}
	}
	if _, err := parts.NextRawPart(); !errors.Is(err, io.EOF) {
		return out, fmt.Errorf("there are more parts, error %w", err)
	}
	return out, nil
}

// part reads the next part, which must be UTF-8 of a type.
func part(parts *multipart.Reader, want string) (string, error) {
	p, err := parts.NextRawPart()
	if err != nil {
		return "", fmt.Errorf("find the part %s: %w", want, err)
	}
	media, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if err != nil || media != want || params["charset"] != "UTF-8" {
		return "", fmt.Errorf("a part is %q %v instead of %s, error %w", media, params, want, err)
	}
	if encoding := p.Header.Get("Content-Transfer-Encoding"); encoding != "quoted-printable" {
		return "", fmt.Errorf("a part is encoded as %q", encoding)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(p))
	return string(text), err
}
