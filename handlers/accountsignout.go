package handlers

import (
	"net/http"
	"net/url"
	"time"

	"keymaker/provider"
	"keymaker/templates"
)

// leave signs this browser out, and shows the way to do the same at the identity
// provider: without it the next sign-in may need no password.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, v visit, _ url.Values) {
	l, err := s.Provider.PlanLogout(r.Context(), &provider.LogoutRequest{}, s.cookies.session(r))
	if err == nil {
		err = s.Provider.EndLogin(r.Context(), l)
	}
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.forgetBrowserSession(w)
	page := templates.Notice{Kind: templates.NoticeSignedOut}
	if p := s.providerByID(v.login.ProviderID); p != nil {
		// A provider that does not answer is no reason to stay signed in here.
		if there, err := p.EndSessionURL(r.Context()); err == nil && there != "" {
			page.Actions = []templates.Action{{Kind: templates.ActionSignOut, URL: there}}
		}
	}
	s.show(w, r, http.StatusOK, page)
}

// forgetBrowserSession takes the session's cookie back.
func (s *Server) forgetBrowserSession(w http.ResponseWriter) {
	s.cookies.set(w, s.cookies.sessionName(), "", -time.Second)
}
