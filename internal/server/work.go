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
func (s *Server) work(pages *templates.Renderer) map[string]jobs.Handler {
	work := map[string]jobs.Handler{}
	maps.Copy(work, s.provider.Jobs())
	if s.config.SMTP.Enabled() {
		maps.Copy(work, s.mailer(pages).Jobs())
	}
	return work
}

// mailer sends the mails that tell people of their accounts.
func (s *Server) mailer(pages *templates.Renderer) *notices.Mailer {
	o := notices.Options{Accounts: s.store, Sender: mail.Sender{Options: s.config.SMTP}, Pages: pages, Providers: map[string]string{}, Clock: s.clock, Logger: s.log}
	if s.provider.Issuer() != "" {
		o.URL = handlers.ActivityURL(s.provider.AccountURL())
	}
	for _, p := range s.config.IdentityProviders {
		o.Providers[p.ClientID] = p.Name
	}
	return notices.New(o)
}
