package handlers

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"keymaker/provider"
	"keymaker/provider/redirect"
	"keymaker/store"
	"keymaker/templates"
)

const (
	endSessionPath        = oidc + "/end_session"
	endSessionConfirmPath = oidc + "/end_session/confirm"
)

// endSession is the logout endpoint (OpenID Connect RP-Initiated Logout §2). It
// asks the person, unless the request proves that it comes from where they
// signed in with what this browser has.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) {
	form, err := s.requestForm(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if err := s.limitAddress(r); err != nil {
		s.trouble(w, r, err)
		return
	}
	l, err := s.readLogout(r, form)
	switch {
	case err != nil:
		s.refuseLogout(w, r, err)
	case l.Nothing():
		s.show(w, r, http.StatusOK, templates.Notice{Kind: templates.NoticeSignedOut})
	case l.Proven:
		s.signOut(w, r, l)
	default:
		s.askLogout(w, r, l)
	}
}

// readLogout validates a request and tells what it means in this browser.
func (s *Server) readLogout(r *http.Request, form url.Values) (*provider.Logout, error) {
	request, err := s.Provider.ParseLogout(r.Context(), form)
	if err != nil {
		return nil, err
	}
	return s.Provider.PlanLogout(r.Context(), request, s.cookies.session(r))
}

// askLogout shows what would end, and a form to agree to it. The form carries
// the request, which is validated again with the answer.
func (s *Server) askLogout(w http.ResponseWriter, r *http.Request, l *provider.Logout) {
	page := templates.SignOut{RedirectURI: l.RedirectURI, Session: l.Session != nil}
	if l.Client != nil {
		m, err := provider.ClientMetadata(l.Client)
		if err != nil {
			s.trouble(w, r, err)
			return
		}
		page.ClientName, page.ClientURI = cmp.Or(m.Name(s.languages(r)...), m.ClientHost(), l.Client.ID), m.ClientURI
	}
	if l.Login != nil {
		page.UserID = s.userID(*l.Login)
	}
	if l.Session != nil {
		page.DeviceID = l.Session.DeviceID
	}
	id := l.Query()
	page.Form = templates.Form{Action: endSessionConfirmPath, RequestID: id, CSRFToken: s.formToken(s.cookies.browser(w, r), id, loginOf(l))}
	w.Header().Set("Referrer-Policy", "same-origin") // or the form would come from nowhere
	w.Header().Set("Content-Security-Policy", logoutPolicy(l))
	s.show(w, r, http.StatusOK, page)
}

// loginOf is who is signed in; the zero value for nobody.
func loginOf(l *provider.Logout) store.Login {
	if l.Login == nil {
		return store.Login{}
	}
	return *l.Login
}

// logoutPolicy lets the answer of the form lead to where the client wants the
// person.
func logoutPolicy(l *provider.Logout) string {
	if l.RedirectURI == "" {
		return templates.Policy()
	}
	return templates.Policy(redirect.Origin(l.RedirectURI))
}

// answerLogout takes the person's answer.
func (s *Server) answerLogout(w http.ResponseWriter, r *http.Request) {
	d, err := s.readDecision(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	form, err := parseValues(d.id)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	l, err := s.readLogout(r, form)
	switch {
	case err != nil:
		s.refuseLogout(w, r, err)
	case !s.authentic(d, loginOf(l)):
		s.forged(w, r)
	case d.approved:
		s.signOut(w, r, l)
	default:
		s.show(w, r, http.StatusOK, templates.Notice{Kind: templates.NoticeNotSignedOut})
	}
}

// signOut ends what is to end, and sends the person to where the client wants
// them, or says that it is done. An application on the device is opened by a
// link, as after an authorization (conformance C-27).
func (s *Server) signOut(w http.ResponseWriter, r *http.Request, l *provider.Logout) {
	if err := s.Provider.EndLogin(r.Context(), l); err != nil {
		s.trouble(w, r, err)
		return
	}
	if s.cookies.session(r) != "" {
		s.forgetBrowserSession(w)
	}
	if l.RedirectURI == "" || l.OpensApp() {
		page := templates.Notice{Kind: templates.NoticeSignedOut}
		if l.RedirectURI != "" {
			page.Actions = []templates.Action{{Kind: templates.ActionReturn, URL: l.Target()}}
		}
		s.show(w, r, http.StatusOK, page)
		return
	}
	w.Header().Set("Content-Security-Policy", logoutPolicy(l))
	seeOther(w, l.Target())
}

// refuseLogout shows why a request signs nobody out. It never redirects: who
// asks, or where to, is not to be trusted.
func (s *Server) refuseLogout(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *provider.Refusal
	var malformed *provider.Error
	page := templates.ErrorPage{Reason: templates.ReasonMalformed}
	switch {
	case errors.As(err, &refusal) && refusal.Reason == provider.UnknownClient:
		page.Reason = templates.ReasonUnknownClient
	case errors.As(err, &refusal) && refusal.Reason == provider.UnregisteredRedirect:
		page.Reason = templates.ReasonRedirectURI
	case errors.As(err, &refusal):
		page.Parameter = "id_token_hint"
	case errors.As(err, &malformed):
	default:
		s.trouble(w, r, err)
		return
	}
	s.fail(w, r, page, err)
}
