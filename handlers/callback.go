package handlers

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"time"

	"keymaker/internal/secret"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// callback is where an identity provider sends people back to.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	id, err := variable(r, "provider")
	if err != nil || s.providerByID(id) == nil {
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonUnknownProvider}, err)
		return
	}
	if purpose := s.finishLogin(w, r, id); purpose != "" {
		s.countLogin(r, id, purpose)
	}
}

// What somebody is sent to an identity provider for, in the metrics.
const (
	visitBegins = "begin" // being sent there, for whatever it is
	visitSignIn = "sign_in"
	visitProof  = "prove"
	visitLink   = "link"
)

// countLogin counts what became of a person at an identity provider.
func (s *Server) countLogin(r *http.Request, providerID, purpose string) {
	s.Metrics.Login(providerID, purpose, cmp.Or(about(r).outcome, "ok"))
}

// finishLogin verifies what the provider says, finds the Matrix user it means,
// signs the browser in, and goes on with the request that was waiting. It returns
// what the person was sent there for; "" if they are sent once more.
func (s *Server) finishLogin(w http.ResponseWriter, r *http.Request, providerID string) (purpose string) {
	p := s.providerByID(providerID)
	browser := s.cookies.knownBrowser(r)
	waiting, err := s.Logins.TakeUpstream(r.Context(), browser, p.ID(), r.URL.Query().Get("state"))
	if err != nil {
		s.trouble(w, r, err)
		return visitSignIn
	}
	purpose = purposeOf(waiting)
	about(r).again = retryURL(waiting)
	if waiting.Proof != nil && waiting.Proof.Purpose == purposeReset {
		keepOpener(w)
	}
	query, err := readQuery(r)
	if err != nil {
		s.providerFailure(w, r, p, retryURL(waiting), err)
		return purpose
	}
	identity, err := s.verify(r, p, waiting, query)
	if err != nil && !waiting.WithoutPKCE && p.RejectsPKCE(r.Context(), err) {
		again := store.UpstreamLogin{RequestID: waiting.RequestID, Return: waiting.Return, Proof: waiting.Proof, LinkTo: waiting.LinkTo, MaxAge: waiting.MaxAge, Fresh: waiting.Fresh, WithoutPKCE: true}
		s.start(w, r, browser, p.ID(), again, upstream.Request{})
		return ""
	}
	if waiting.Proof != nil && errors.Is(err, upstream.ErrStale) {
		s.unproven(w, r, p, waiting, templates.ReasonNotFresh, err)
		return purpose
	}
	if err != nil {
		s.speak(r, waiting)
		s.providerFailure(w, r, p, retryURL(waiting), err)
		return purpose
	}
	s.welcome(w, r, p, waiting, identity)
	return purpose
}

// purposeOf is what somebody was sent to an identity provider for.
func purposeOf(l store.UpstreamLogin) string {
	switch {
	case l.Proof != nil:
		return visitProof
	case l.LinkTo != "":
		return visitLink
	}
	return visitSignIn
}

// welcome does what somebody was sent to the provider for: they prove who they
// are, link their account there, or sign in.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request, p *upstream.Provider, waiting store.UpstreamLogin, identity *upstream.Identity) {
	browser := s.cookies.knownBrowser(r)
	switch {
	case waiting.Proof != nil:
		s.finishProof(w, r, p, waiting, identity)
		return
	case waiting.LinkTo != "":
		s.offerLink(w, r, browser, waiting, identity)
		return
	case s.offerTaken(w, r, browser, p, waiting, identity):
		about(r).outcome = cmp.Or(about(r).outcome, string(templates.ReasonNameTaken))
		return
	}
	localpart, err := s.Accounts.Resolve(r.Context(), p.Config(), identity)
	if err != nil {
		s.unresolved(w, r, p, waiting, identity, err)
		return
	}
	login := store.Login{Localpart: localpart, ProviderID: p.ID(), UpstreamIssuer: identity.Issuer, UpstreamSubject: identity.Subject, AuthTime: s.signedInAt(identity.AuthTime),
		BrowserHash: browserHash(browser)}
	if waiting.RequestID == "" {
		s.signInHere(w, r, waiting.Return, login)
		return
	}
	s.signIn(w, r, browser, waiting.RequestID, login)
}

// verify exchanges the provider's code and checks whom it is about.
func (s *Server) verify(r *http.Request, p *upstream.Provider, waiting store.UpstreamLogin, query url.Values) (*upstream.Identity, error) {
	code, err := p.Callback(r.Context(), query)
	if err != nil {
		return nil, err
	}
	return p.Finish(r.Context(), upstream.Response{Code: code, Verifier: waiting.Verifier, Nonce: waiting.Nonce,
		MaxAge: maxAge(waiting), StartedAt: waiting.StartedAt, WithoutAuthTime: waiting.Proof != nil && p.Config().ProveWithoutAuthTime})
}

// signedInAt is when a person signed in, who has just come back from a provider:
// now, where it does not say and has not to.
func (s *Server) signedInAt(said time.Time) time.Time {
	if said.IsZero() {
		return s.Clock.Now()
	}
	return said
}

// maxAge is how long ago the person may have signed in at the provider; nil =
// whenever.
func maxAge(l store.UpstreamLogin) *time.Duration {
	if l.MaxAge == nil {
		return nil
	}
	age := time.Duration(*l.MaxAge) * time.Second
	return &age
}

// signIn gives the browser a session of its own, under a new cookie, and notes
// the sign-in on the request that waited for it.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, browser, id string, login store.Login) {
	row, err := s.Logins.Request(r.Context(), browser, id)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	var back []provider.AuthorizationResponse
	if pending, err := s.pending(r, browser, id); err == nil {
		back = append(back, s.denial(pending))
	}
	if stop := s.mayApprove(w, r, login, back...); stop {
		return
	}
	if err := s.Logins.SignedIn(r.Context(), browser, id, login); err != nil {
		s.trouble(w, r, err)
		return
	}
	if err := s.beginBrowserSession(w, r, login); err != nil {
		s.trouble(w, r, err)
		return
	}
	next := map[store.RequestKind]string{store.RequestOAuth: completePath, store.RequestSSO: confirmPath, store.RequestDevice: deviceConsentPath}[row.Kind]
	seeOther(w, next+"?"+url.Values{templates.FieldRequest: {id}}.Encode())
}

// signInHere is signIn for a person who goes on to a page of this server.
func (s *Server) signInHere(w http.ResponseWriter, r *http.Request, to string, login store.Login) {
	if stop := s.mayApprove(w, r, login); stop {
		return
	}
	if err := s.beginBrowserSession(w, r, login); err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, to)
}

// beginBrowserSession gives the browser a new session cookie at each sign-in
// (conformance L-22).
func (s *Server) beginBrowserSession(w http.ResponseWriter, r *http.Request, login store.Login) error {
	cookie := secret.Token()
	if err := s.Logins.SignInBrowser(r.Context(), cookie, login, s.Clock.Now().Add(browserSessionTTL)); err != nil {
		return err
	}
	if err := s.Logins.KeepLanguage(r.Context(), login.Localpart, s.language(r).String()); err != nil {
		return err
	}
	s.cookies.set(w, s.cookies.sessionName(), cookie, browserSessionTTL)
	// What tells this browser from others lasts as long, so that the person can
	// tell their sessions from others.
	s.cookies.set(w, s.cookies.browserName(), s.cookies.browser(w, r), browserSessionTTL)
	s.cookies.set(w, s.cookies.providerName(), login.ProviderID, lastProviderTTL)
	return nil
}

// retryURL is where the sign-in of a person on the way can begin once more.
func retryURL(l store.UpstreamLogin) string {
	if l.RequestID == "" {
		return l.Return
	}
	return startURL(l.ProviderID, l.RequestID)
}

// speak answers in a language that the request asks for which waited for a
// sign-in.
func (s *Server) speak(r *http.Request, l store.UpstreamLogin) {
	if d, err := s.Provider.Demands(r.Context(), s.cookies.knownBrowser(r), l.RequestID); err == nil {
		about(r).locales = d.UILocales
	}
}

// unresolved tells a person that no Matrix user could be found or made.
func (s *Server) unresolved(w http.ResponseWriter, r *http.Request, p *upstream.Provider, waiting store.UpstreamLogin, who *upstream.Identity, err error) {
	retry := templates.Action{Kind: templates.ActionRetry, URL: asAnother(retryURL(waiting))}
	s.speak(r, waiting)
	page := templates.ErrorPage{Provider: p.Config().Name, Actions: []templates.Action{retry}}
	switch {
	case errors.Is(err, upstream.ErrNameTaken):
		page.Reason = templates.ReasonNameTaken
		page.UserID = s.userID(store.Login{Localpart: upstream.Localpart(p.Config(), s.Config.ServerName, who.Claims)})
	case errors.Is(err, upstream.ErrRegistrationDisabled):
		page.Reason = templates.ReasonRegistrationDisabled
	case errors.Is(err, upstream.ErrNoName):
		page.Reason = templates.ReasonNoUsableName
	default:
		s.trouble(w, r, err)
		return
	}
	s.fail(w, r, page, err)
}
