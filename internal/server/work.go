package server

import (
	"maps"

	"keymaker/handlers"
	"keymaker/internal/jobs"
	"keymaker/internal/mail"
	"keymaker/internal/notices"
	"keymaker/templates"
)

// work are the jobs that this server does, by kind. Mails are among them where
// there is somebody to hand them to.
func (a *assembly) work(pages *templates.Renderer) map[string]jobs.Handler {
	work := map[string]jobs.Handler{}
	maps.Copy(work, a.provider.Jobs())
	if a.config.SMTP.Enabled() {
		maps.Copy(work, a.mailer(pages).Jobs())
	}
	return work
}

// mailer sends the mails that tell people of their accounts.
func (a *assembly) mailer(pages *templates.Renderer) *notices.Mailer {
	o := notices.Options{Accounts: a.server.store, Sender: mail.Sender{Options: a.config.SMTP}, Pages: pages, Providers: map[string]string{}, Clock: a.server.clock, Logger: a.server.log}
	if a.provider.Issuer() != "" {
		o.URL = handlers.ActivityURL(a.provider.AccountURL())
	}
	for _, p := range a.config.IdentityProviders {
		o.Providers[p.ClientID] = p.Name
	}
	return notices.New(o)
}
