package registration

import (
	"fmt"
	"strings"
	"unicode"
)

// Bounds of the free text that a client registers, in characters and entries.
const (
	maxName     = 100 // what Synapse takes as the display name of a device
	maxText     = 256
	maxContacts = 10
)

// texts reads the members of free text (B-13, B-16).
func (r *reader) texts() error {
	name, err := r.doc.text("client_name")
	if err != nil {
		return err
	}
	r.m.ClientName = displayName(name)
	if r.policy.Configured && r.m.ClientName != name {
		return refuse("client_name", name, fmt.Sprintf("it must have at most %d characters, all of them visible, and no space around it", maxName))
	}
	if r.m.SoftwareID, err = r.shortText("software_id"); err != nil {
		return err
	}
	if r.m.SoftwareVersion, err = r.shortText("software_version"); err != nil {
		return err
	}
	return r.contacts()
}

func (r *reader) contacts() error {
	contacts, err := r.doc.list("contacts")
	if err != nil {
		return err
	}
	if len(contacts) > maxContacts {
		return invalid(fmt.Sprintf("contacts has more than %d entries", maxContacts)).of("contacts")
	}
	seen := map[string]bool{"": true}
	for _, c := range contacts {
		text, err := short("contacts", c)
		if err != nil {
			return err
		}
		if !seen[text] {
			seen[text] = true
			r.m.Contacts = append(r.m.Contacts, text)
		}
	}
	return nil
}

// shortText returns a member of free text that is an identifier to somebody, so
// that it is refused rather than cut when it is too long.
func (r *reader) shortText(member string) (string, error) {
	raw, err := r.doc.text(member)
	if err != nil {
		return "", err
	}
	return short(member, raw)
}

func short(member, raw string) (string, error) {
	text := visible(raw)
	if len([]rune(text)) > maxText {
		return "", refuse(member, raw, fmt.Sprintf("it is longer than %d characters", maxText))
	}
	return text, nil
}

// displayName returns a name as it may be shown: visible, and cut to 100
// characters.
func displayName(raw string) string {
	name := []rune(visible(raw))
	if len(name) > maxName {
		name = name[:maxName]
	}
	return strings.TrimSpace(string(name))
}

// visible drops the characters that cannot be seen or that change how others
// are displayed (control, bidirectional, zero-width, fillers), turns every run
// of white space into one space, and trims.
func visible(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
