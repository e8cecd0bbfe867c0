package config

import (
	"time"

	"keymaker/internal/mail"
	"keymaker/internal/secret"
)

// longestDelivery is how long a mail may take at most: the servers share the
// work and give up whoever is longer at it.
const longestDelivery = 25 // seconds

// smtpOptions are the keys of [global.smtp]. Those without which there is no
// mail are asked for by checkSMTP, for only the table as a whole can be left out.
var smtpOptions = []option{
	{
		key: "host", sample: "mail.example.com",
		takes: text(func(d *draft) *string { return &d.config.SMTP.Host }, checkAddress),
		doc:   "The mail server that takes the mails: its name, which its certificate must have, or its address. Required in this table.",
	},
	{
		key: "port", sample: int64(587),
		takes: number(1, 65535, func(d *draft) *int { return &d.config.SMTP.Port }),
		doc:   "Its port. By default 587; with security = \"tls\" it is 465, and with \"none\" 25.",
	},
	{
		key: "security", fallback: string(mail.StartTLS),
		takes: oneOf(func(d *draft) *string { return (*string)(&d.config.SMTP.Security) }, string(mail.StartTLS), string(mail.TLS), string(mail.None)),
		doc: "How the way to it is protected: starttls (it must offer STARTTLS), tls (encrypted from the first byte), or none, for a mail server " +
			"on a loopback host alone. Certificates are always verified.",
	},
	{
		key: "username", sample: "keymaker",
		takes: text(func(d *draft) *string { return &d.config.SMTP.Username }, anything),
		doc:   "What this server calls itself there. Without one it does not sign in.",
	},
	{
		key: "password", sample: "a long random text",
		takes: secretText(func(d *draft) *secret.Text { return &d.config.SMTP.Password }, anything),
		doc:   "The password for it.",
	},
	{
		key: "password_file", inline: "password", sample: "/etc/keymaker/smtp_password",
		takes: secretFile(func(d *draft) *secret.Text { return &d.config.SMTP.Password }, anything),
		doc:   "The same, read from a file at the start.",
	},
	{
		key: "from", sample: "Example Chat <chat@example.com>",
		takes: take(aText, func(d *draft, v string) (err error) {
			d.config.SMTP.From, err = mail.ParseSender(v)
			if err != nil {
				return refuse("%s is no sender: write it like Example Chat <chat@example.com>, or the address alone", quote(v))
			}
			return nil
		}),
		doc: "Whom the mails are from: an address, or a name and an address. Required in this table.",
	},
	{
		key: "timeout", fallback: int64(15),
		takes: secondsUpTo(longestDelivery, func(d *draft) *time.Duration { return &d.config.SMTP.Timeout }),
		doc:   "How long the delivery of one mail may take, 1 to 25. What takes longer is tried again.",
	},
}

// mailPorts are the defaults of port.
var mailPorts = map[mail.Security]int{mail.StartTLS: 587, mail.TLS: 465, mail.None: 25}

// checkSMTP looks at the table as a whole; nil is one that is not there.
func checkSMTP(r *reader, n *node, path string) {
	if n == nil || n.table() == nil {
		return
	}
	o := &r.draft.config.SMTP
	if !n.has("port") {
		o.Port = mailPorts[o.Security]
	}
	for _, key := range []string{"host", "from"} {
		if !n.has(key) {
			r.problem(n.place, join(path, key), refuse("is missing"))
		}
	}
	if password := n.has("password") || n.has("password_file"); password != n.has("username") {
		missing, other := "username", "password"
		if !password {
			missing, other = other, missing
		}
		r.problem(n.place, join(path, missing), refuse("is missing: there is a %s", other))
	}
	if o.Security == mail.None && o.Host != "" && !isLoopback(o.Host) {
		r.problem(n.at("security"), join(path, "security"), refusal{`is "none", which only a loopback host may have: localhost, 127.0.0.1 or ::1`, string(mail.StartTLS)})
	}
	if r.draft.config.WellKnown.Client == "" {
		r.warn(n.place, path, "has no well_known.client beside it: the mails cannot lead to the account pages")
	}
}
