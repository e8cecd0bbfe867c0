package config_test

import (
	netmail "net/mail"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/mail"
)

// smtp begins a table that is whole.
const smtp = good + "[global.well_known]\nclient = \"https://matrix.example.com\"\n[global.smtp]\nhost = \"mail.example.com\"\nfrom = \"Example Chat <chat@example.com>\"\n"

func TestMailServer(t *testing.T) {
	from := netmail.Address{Name: "Example Chat", Address: "chat@example.com"}
	tests := []struct {
		name, text string
		want       mail.Options
	}{
		{"without the table there is no mail", good, mail.Options{Security: mail.StartTLS, Timeout: 15 * time.Second}},
		{"host and sender are enough", smtp, mail.Options{Host: "mail.example.com", Port: 587, Security: mail.StartTLS, From: from, Timeout: 15 * time.Second}},
		{"tls has another port", smtp + `security = "tls"`, mail.Options{Host: "mail.example.com", Port: 465, Security: mail.TLS, From: from, Timeout: 15 * time.Second}},
		{"a port is a port", smtp + "security = \"tls\"\nport = 2525", mail.Options{Host: "mail.example.com", Port: 2525, Security: mail.TLS, From: from, Timeout: 15 * time.Second}},
		{"everything can be set", smtp + "username = \"u\"\npassword = \"p\"\ntimeout = 25", mail.Options{Host: "mail.example.com", Port: 587, Security: mail.StartTLS,
			Username: "u", Password: "p", From: from, Timeout: 25 * time.Second}},
		{"none is for this machine", good + "[global.smtp]\nhost = \"::1\"\nfrom = \"chat@example.com\"\nsecurity = \"none\"",
			mail.Options{Host: "::1", Port: 25, Security: mail.None, From: netmail.Address{Address: "chat@example.com"}, Timeout: 15 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustParse(t, tt.text)
			if diff := cmp.Diff(tt.want, c.SMTP); diff != "" || c.SMTP.Enabled() != (tt.want.Host != "") || c.SMTP.Password.Reveal() != tt.want.Password.Reveal() {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	t.Run("the password can stand in a file", func(t *testing.T) {
		t.Chdir(t.TempDir())
		write(t, "password", " hunter2\n")
		c, err := parseHere(smtp + "username = \"u\"\npassword_file = \"password\"")
		if err != nil || c.SMTP.Password.Reveal() != "hunter2" {
			t.Errorf("error %v, or another password", err)
		}
	})
	t.Run("and everything in the environment", func(t *testing.T) {
		c, err := parse(t, good, "KEYMAKER_GLOBAL__SMTP__HOST=mail.example.com", "KEYMAKER_GLOBAL__SMTP__FROM=chat@example.com",
			"KEYMAKER_GLOBAL__SMTP__USERNAME=u", "KEYMAKER_GLOBAL__SMTP__PASSWORD=p", "KEYMAKER_GLOBAL__SMTP__PORT=25")
		if err != nil || c.SMTP.Host != "mail.example.com" || c.SMTP.Port != 25 || c.SMTP.From.Address != "chat@example.com" || c.SMTP.Password.Reveal() != "p" {
			t.Errorf("%+v, error %v", c, err)
		}
	})
	t.Run("without an issuer the administrator is warned", func(t *testing.T) {
		c := mustParse(t, good+"[global.smtp]\nhost = \"localhost\"\nfrom = \"chat@example.com\"")
		if want := []string{"k.toml:3: global.smtp: has no well_known.client beside it: the mails cannot lead to the account pages"}; !cmp.Equal(c.Warnings, want) {
			t.Errorf("warned of %q", c.Warnings)
		}
	})
}

func TestImpossibleMailServers(t *testing.T) {
	const onlyHere = `k.toml:8: global.smtp.security: is "none", which only a loopback host may have: localhost, 127.0.0.1 or ::1 (did you mean "starttls"?)`
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a table with nothing in it", good + "[global.smtp]", []string{`k.toml:3: global.smtp.host: is missing`, `k.toml:3: global.smtp.from: is missing`}},
		{"a misspelt key", smtp + `sender = "x"`, []string{`k.toml:8: global.smtp.sender: unknown key`}},
		{"a key with another ending", smtp + `pasword = "x"`, []string{`k.toml:8: global.smtp.pasword: unknown key (did you mean "password"?)`}},
		{"the open network", smtp + `security = "none"`, []string{onlyHere}},
		{"the open network to an address", good + "[global.smtp]\nhost = \"192.0.2.1\"\nfrom = \"chat@example.com\"\n\n\nsecurity = \"none\"", []string{onlyHere}},
		{"another kind of protection", smtp + `security = "ssl"`, []string{`k.toml:8: global.smtp.security: "ssl" is not one of starttls, tls, none`}},
		{"a host with a port", good + "[global.smtp]\nhost = \"mail.example.com:25\"\nfrom = \"a@example.com\"", []string{
			`k.toml:4: global.smtp.host: "mail.example.com:25" is neither an IP address nor a host name; the port has a key of its own`}},
		{"a sender that is none", good + "[global.smtp]\nhost = \"localhost\"\nfrom = \"Example Chat\"", []string{
			`k.toml:5: global.smtp.from: "Example Chat" is no sender: write it like Example Chat <chat@example.com>, or the address alone`}},
		{"a password for nobody", smtp + `password = "hunter2"`, []string{`k.toml:5: global.smtp.username: is missing: there is a password`}},
		{"nothing that proves who it is", smtp + `username = "u"`, []string{`k.toml:5: global.smtp.password: is missing: there is a username`}},
		{"a delivery for ever", smtp + `timeout = 26`, []string{`k.toml:8: global.smtp.timeout: 26 is not between 1 and 25`}},
		{"a delivery in no time", smtp + `timeout = 0`, []string{`k.toml:8: global.smtp.timeout: 0 is not between 1 and 25`}},
		{"a list of tables", good + "[[global.smtp]]", []string{`k.toml:3: global.smtp: must be a table, [global.smtp], and not a list`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			wantProblems(t, err, c.want...)
		})
	}
}
