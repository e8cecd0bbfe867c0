package templates

import (
	"testing"
	"time"

	"golang.org/x/text/language"
)

// mailSamples are one mail of each kind.
func mailSamples() []Mail {
	var all []Mail
	for _, kind := range mailKinds {
		m := Mail{Kind: kind, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		if kind != MailTest {
			m.UserID, m.Address, m.URL = "@alice:example.org", "2001:db8::7", "https://matrix.example.org/_tuwunel/oidc/account?action=activity"
		}
		switch kind {
		case MailTest:
		case MailDeactivated:
			m.URL = "" // which nobody could open
		case MailLinked, MailUnlinked:
			m.Provider = "University of Example"
		default:
			m.App, m.Host, m.Provider = "Chat at Example", "app.example.com", "University of Example"
		}
		all = append(all, m)
	}
	return all
}

// letterOf writes a mail.
func letterOf(t *testing.T, r *Renderer, lang language.Tag, m Mail) Letter {
	t.Helper()
	l, err := r.Mail(lang, m)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
