package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

// authorize is the authorization endpoint (RFC 6749 §3.1). It validates the
// request, keeps it for this browser, and sends the person to an identity
// provider; the way back ends at consent.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	form, err := s.requestForm(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	about(r).locales = form.Get("ui_locales")
	if err := s.limitAddress(r); err != nil {
		s.trouble(w, r, err)
		return
	}
	waiting, err := s.begin(w, r, form)
	if err != nil {
		s.refuseAuthorization(w, r, err)
		return
	}
	about(r).locales = waiting.UILocales
	s.answer(w, r, waiting)
}

// waiting is a request that is kept for a browser.
type waiting struct {
	browser, id string
	*provider.Authorization
}

// begin validates a request and keeps it for this browser: the one in the
// parameters, or the one that its client has pushed (RFC 9126 §4).
func (s *Server) begin(w http.ResponseWriter, r *http.Request, form url.Values) (waiting, error) {
	if provider.IsPushed(form) {
		browser := s.cookies.browser(w, r)
		id, a, err := s.Provider.Pushed(r.Context(), browser, form)
		return waiting{browser, id, a}, err
	}
	a, err := s.Provider.ParseAuthorization(r.Context(), form)
	if err != nil {
		return waiting{}, err
	}
	browser := s.cookies.browser(w, r)
	id, err := s.Provider.Begin(r.Context(), browser, a)
	return waiting{browser, id, a}, err
}

// answer sends the person to an identity provider, or answers at once where
// nothing is left to ask: the browser is signed in, and the approval remembered.
// With prompt=none it answers at once whatever the answer is (conformance C-41).
func (s *Server) answer(w http.ResponseWriter, r *http.Request, x waiting) {
	login, err := s.signedIn(r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	due, err := s.Provider.Interaction(r.Context(), x.Authorization, login)
	switch {
	case err != nil:
		s.trouble(w, r, err)
	case due == nil:
		s.answerAtOnce(w, r, x, *login)
	case slices.Contains(x.Prompt, "none"):
		s.refuseSilently(w, r, x.Refuse(s.Provider, due.Code, due.Description), x.Client.ID)
	default:
		s.toProvider(w, r, x.id, x.Authorization)
	}
}

// signedIn is who is signed in at our pages; nil for nobody.
func (s *Server) signedIn(r *http.Request) (*store.Login, error) {
	cookie := s.cookies.session(r)
	if cookie == "" {
		return nil, nil
	}
	login, err := s.Logins.BrowserSession(r.Context(), cookie)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &login, err
}

// answerAtOnce answers a request for who is signed in at our pages.
func (s *Server) answerAtOnce(w http.ResponseWriter, r *http.Request, x waiting, login store.Login) {
	if err := s.Logins.SignedIn(r.Context(), x.browser, x.id, login); err != nil {
		s.trouble(w, r, err)
		return
	}
	s.approveAgain(w, r, x.browser, x.id, &provider.Pending{Authorization: x.Authorization, Login: &login})
}

// approveAgain answers a request by an approval that is remembered.
func (s *Server) approveAgain(w http.ResponseWriter, r *http.Request, browser, id string, pending *provider.Pending) {
	response, err := s.Provider.ApproveAgain(r.Context(), browser, id, pending)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if slices.Contains(pending.Prompt, "none") {
		s.redirect(w, r, response) // for nobody is there to follow a link
		return
	}
	s.respond(w, r, response)
}

// requestForm reads the parameters of a GET or a POST.
func (s *Server) requestForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
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
	s.show(w, r, http.StatusOK, s.chooser(r, m.Name(s.languages(r)...), id))
}

// chooser lists the providers for a request, the one that this browser used last
// before the others.
func (s *Server) chooser(r *http.Request, app, id string) templates.ChooseProvider {
	page := templates.ChooseProvider{App: app}
	for _, p := range s.Config.IdentityProviders {
		page.Providers = append(page.Providers, s.choice(r, p, startURL(p.ClientID, id)))
	}
	lastFirst(page.Providers)
	return page
}

// choice is one provider of a page to choose from.
func (s *Server) choice(r *http.Request, p config.IdentityProvider, to string) templates.Provider {
	return templates.Provider{Name: p.Name, Brand: p.Brand, URL: to, Last: p.ClientID == value(r, s.cookies.providerName())}
}

// lastFirst puts the provider that was used last before the others.
func lastFirst(all []templates.Provider) {
	slices.SortStableFunc(all, func(a, b templates.Provider) int {
		switch {
		case a.Last == b.Last:
			return 0
		case a.Last:
			return -1
		}
		return 1
	})
}

// refuseAuthorization shows why a request cannot go on. Everybody can register
// a client, so an error is a page first, with a button that leads back: as a
// redirect at once it would lend our name to a link to anywhere. A client that
// the administrator has configured is told at once (conformance C-2A).
func (s *Server) refuseAuthorization(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *provider.Refusal
	var back *provider.RedirectError
	switch {
	case errors.As(err, &refusal):
		reason := map[provider.RefusalReason]templates.Reason{
			provider.UnknownClient: templates.ReasonUnknownClient, provider.UnregisteredRedirect: templates.ReasonRedirectURI,
			provider.UnusableRequestURI: templates.ReasonExpired,
		}[refusal.Reason]
		s.fail(w, r, templates.ErrorPage{Reason: reason}, err)
	case errors.As(err, &back) && back.Trusted:
		s.logFailure(r, back.OAuth.Status, back)
		s.redirect(w, r, back.To)
	case errors.As(err, &back):
		s.fail(w, r, templates.ErrorPage{
			Reason:  templates.ReasonMalformed,
			Actions: []templates.Action{returnTo(w, back.To)},
		}, err)
	default:
		s.trouble(w, r, err)
	}
}

// refuseSilently answers prompt=none with what would have to be asked. It
// redirects only for a client that somebody uses already (conformance C-2A,
// C-41).
func (s *Server) refuseSilently(w http.ResponseWriter, r *http.Request, refused *provider.RedirectError, clientID string) {
	known, err := s.Logins.HasGrants(r.Context(), clientID)
	switch {
	case err != nil:
		s.trouble(w, r, err)
	case known:
		s.redirect(w, r, refused.To)
	default:
		s.refuseAuthorization(w, r, refused)
	}
}
