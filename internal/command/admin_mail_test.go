package command_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"keymaker/internal/mail/mailtest"
	"keymaker/internal/porttest"
)

// mailConfiguration has a mail server on this machine.
func mailConfiguration(s *mailtest.Server) string {
	return fmt.Sprintf("[global]\nserver_name = \"example.com\"\n[global.smtp]\nhost = %q\nport = %d\nsecurity = \"none\"\nfrom = \"Example Chat <chat@example.com>\"\n", s.Host, s.Port)
}

func TestAdminMailTest(t *testing.T) {
	tests := []struct {
		name, address, more string
		server              func(*mailtest.Options)
		status              int
		says                string
	}{
		{"a mail that arrives", "bob@example.org", "", nil, 0, "has taken a mail for bob@example.org.\n"},
		{"an address that is none", "bob", "", nil, 2, "bob is no address that 127.0.0.1:"},
		{"an address with an end of a line", "bob@example.org\nx", "", nil, 2, `"bob@example.org\nx" is no address`},
		{"a name that nobody knows", "bob@example.org", "KEYMAKER_GLOBAL__SMTP__HOST=mail.invalid KEYMAKER_GLOBAL__SMTP__SECURITY=tls", nil, 1, "It failed at the step look up: "},
		{"a server that is not there", "bob@example.org", fmt.Sprintf("KEYMAKER_GLOBAL__SMTP__PORT=%d", porttest.Free(t)), nil, 1, "It failed at the step connect: dial tcp 127.0.0.1:"},
		{"no encryption", "bob@example.org", "KEYMAKER_GLOBAL__SMTP__SECURITY=starttls", func(o *mailtest.Options) { o.NoTLS = true }, 1, "It failed at the step TLS: the mail server offers no STARTTLS"},
		{"a certificate that nobody knows", "bob@example.org", "KEYMAKER_GLOBAL__SMTP__SECURITY=starttls", nil, 1, "It failed at the step TLS: tls: failed to verify certificate"},
		{"a wrong password", "bob@example.org", "KEYMAKER_GLOBAL__SMTP__USERNAME=keymaker KEYMAKER_GLOBAL__SMTP__PASSWORD=wrong", func(o *mailtest.Options) { o.Mechanisms = []string{"PLAIN"} }, 1,
			"It failed at the step sign in: the mail server answered 535: 5.7.8 Authentication failed"},
		{"a recipient who is refused", "bob@example.org", "", func(o *mailtest.Options) {
			o.Recipient = func(to string) error { return mailtest.Refuse(550, [3]int{5, 1, 1}, "nobody is called "+to+"\x1b[2J") }
		}, 1, `It failed at the step recipient: the mail server answered 550: "5.1.1 nobody is called bob@example.org\x1b[2J"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inFolder(t)
			if tt.server == nil {
				tt.server = func(*mailtest.Options) {}
			}
			s := mailtest.Start(t, tt.server)
			write(t, "keymaker.toml", mailConfiguration(s))
			status, out, errs := administerWith(strings.Fields(tt.more), "mail", "test", tt.address)
			if status != tt.status || !strings.Contains(out+errs, tt.says) || strings.Contains(out+errs, "\x1b") {
				t.Errorf("exit status %d: %s%s", status, out, errs)
			}
			got := s.Mails()
			if len(got) > 0 != (tt.status == 0) {
				t.Fatalf("%d mails have arrived", len(got))
			}
			if len(got) > 0 {
				if read, err := got[0].Read(); err != nil || read.Subject != "Test mail from example.com" || got[0].To[0] != tt.address {
					t.Errorf("to %q: %+v, error %v", got[0].To, read, err)
				}
			}
		})
	}
	t.Run("JSON says the same", func(t *testing.T) {
		inFolder(t)
		s := mailtest.Start(t)
		write(t, "keymaker.toml", mailConfiguration(s))
		var sent map[string]string
		status, out, errs := administer("", "mail", "test", "bob@example.org", "--json")
		if err := json.Unmarshal([]byte(out), &sent); status != 0 || err != nil || sent["to"] != "bob@example.org" || sent["from"] != `"Example Chat" <chat@example.com>` ||
			sent["server"] != fmt.Sprintf("127.0.0.1:%d", s.Port) {
			t.Errorf("exit status %d: %s%s", status, out, errs)
		}
	})
	t.Run("without a mail server nothing can be tested", func(t *testing.T) {
		inFolder(t)
		write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n")
		if status, _, errs := administer("", "mail", "test", "bob@example.org"); status != 1 || !strings.Contains(errs, "the configuration has no [global.smtp]") {
			t.Errorf("exit status %d: %s", status, errs)
		}
	})
}
