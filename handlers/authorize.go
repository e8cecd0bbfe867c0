package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

// authorize is the authorization endpoint (RFC 6749 §3.1). It validates the
// request, keeps it for this browser, and sends the person to an identity
// provider; the way back ends at consent.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	form, err := s.authorizationForm(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if s.limited(w, r) {
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonTooManyRequests}, nil)
		return
	}
	a, err := s.Provider.ParseAuthorization(r.Context(), form)
	if err != nil {
		s.refuseAuthorization(w, r, err)
		return
	}
	if slices.Contains(a.Prompt, "none") {
		s.answerSilently(w, r, a)
		return
	}
	id, err := s.Provider.Begin(r.Context(), s.cookies.browser(w, r), a)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.toProvider(w, r, id, a)
}

// authorizationForm reads the parameters of a GET or a POST.
func (s *Server) authorizationForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		return readQuery(r)
	}
	err := readForm(w, r)
	return r.PostForm, err
}

// toProvider sends the person to the one provider, to the one that the client
// asks for, or to a page to choose.
func (s *Server) toProvider(w http.ResponseWriter, r *http.Request, id string, a *provider.Authorization) {
	if p := s.providerByID(a.ProviderID); p != nil {
		seeOther(w, startURL(p.ID(), id))
		return
	}
	if len(s.Upstreams) == 1 {
		seeOther(w, startURL(s.Upstreams[0].ID(), id))
		return
	}
	m, err := provider.ClientMetadata(a.Client)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, s.chooser(m.Name(s.language(r)), id))
}

// chooser lists the providers for a request.
func (s *Server) chooser(app, id string) templates.ChooseProvider {
	page := templates.ChooseProvider{App: app}
	for _, p := range s.Config.IdentityProviders {
		page.Providers = append(page.Providers, templates.Provider{Name: p.Name, URL: startURL(p.ClientID, id)})
	}
	return page
}

// refuseAuthorization shows why a request cannot go on. Everybody can register
// a client, so an error is a page first, with a button that leads back: as a
// redirect at once it would lend our name to a link to anywhere (conformance
// C-2A).
func (s *Server) refuseAuthorization(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *provider.Refusal
	var back *provider.RedirectError
	switch {
	case errors.As(err, &refusal):
		reason := templates.ReasonUnknownClient
		if refusal.Reason == provider.UnregisteredRedirect {
			reason = templates.ReasonRedirectURI
		}
		s.fail(w, r, templates.ErrorPage{Reason: reason}, err)
	case errors.As(err, &back):
		s.fail(w, r, templates.ErrorPage{
			Reason:  templates.ReasonMalformed,
			Actions: []templates.Action{returnTo(w, back.To)},
		}, err)
	default:
		s.trouble(w, r, err)
	}
}

// answerSilently answers prompt=none, which may show nothing: the person must
// sign in, or must consent. It redirects only for a client that somebody uses
// already (conformance C-2A, C-41).
func (s *Server) answerSilently(w http.ResponseWriter, r *http.Request, a *provider.Authorization) {
	known, err := s.Logins.HasSessions(r.Context(), a.Client.ID)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	code, why := "consent_required", "The person must approve the request."
	_, err = s.Logins.BrowserSession(r.Context(), s.cookies.session(r))
	if errors.Is(err, store.ErrNotFound) {
		code, why = "login_required", "The person must sign in."
	} else if err != nil {
		s.trouble(w, r, err)
		return
	}
	refused := a.Refuse(s.Provider, code, why)
	if !known {
		s.refuseAuthorization(w, r, refused)
		return
	}
	s.redirect(w, r, refused.To)
}
