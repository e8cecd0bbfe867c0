package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

const (
	linkPath = accountPath + "/link"

	// pendingLinkTTL is how long a person may take to prove that a user is theirs.
	pendingLinkTTL = 15 * time.Minute

	doLink    = "link"
	doNewName = "new_name"
)

// offerLink keeps the account with which a person has come back from a provider,
// and asks whether to link it to the user who sent them there. One that is
// linked already is left as it is.
func (s *Server) offerLink(w http.ResponseWriter, r *http.Request, browser string, waiting store.UpstreamLogin, who *upstream.Identity) {
	linked, err := s.Proofs.LinkedUser(r.Context(), who.ProviderID, who.Issuer, who.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.keepLink(w, r, browser, store.PendingLink{NewLink: upstream.NewLink(who, waiting.LinkTo), AuthTime: who.AuthTime, Return: waiting.Return})
	case err != nil:
		s.trouble(w, r, err)
	case linked == waiting.LinkTo:
		seeOther(w, waiting.Return)
	default:
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonLinkedElsewhere, Provider: s.providerName(who.ProviderID),
			Actions: []templates.Action{{Kind: templates.ActionRetry, URL: waiting.Return}}}, nil)
	}
}

// offerTaken is true when it asks a person, at their first sign-in, whether the
// user is theirs who has their name: one who can still sign in can be proved.
func (s *Server) offerTaken(w http.ResponseWriter, r *http.Request, browser string, p *upstream.Provider, waiting store.UpstreamLogin, who *upstream.Identity) (stop bool) {
	n, taken, err := s.Accounts.Taken(r.Context(), p.Config(), who)
	if err == nil && taken {
		taken, err = s.provable(r, n.Localpart)
	}
	if err != nil {
		s.trouble(w, r, err)
		return true
	}
	if taken {
		s.keepLink(w, r, browser, store.PendingLink{NewLink: n, AuthTime: who.AuthTime, Taken: true, RequestID: waiting.RequestID, Return: waiting.Return})
	}
	return taken
}

// provable tells whether somebody could prove that a user is theirs.
func (s *Server) provable(r *http.Request, localpart string) (bool, error) {
	user, err := s.Logins.User(r.Context(), localpart)
	if err != nil || user.Account.Deactivated {
		return false, err
	}
	linked, err := s.provingProviders(r.Context(), localpart)
	return len(linked) > 0, err
}

func (s *Server) keepLink(w http.ResponseWriter, r *http.Request, browser string, p store.PendingLink) {
	p.AuthTime = s.signedInAt(p.AuthTime)
	id, err := s.Account.BeginLink(r.Context(), browser, p, s.Clock.Now().Add(pendingLinkTTL))
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, linkURL(id))
}

func linkURL(id string) string {
	return linkPath + "?" + url.Values{templates.FieldRequest: {id}}.Encode()
}

// linkDemand is the proof that an account may be linked.
func linkDemand(id string, p store.PendingLink) proofDemand {
	return proofDemand{ProofDemand: store.ProofDemand{Localpart: p.Localpart, Purpose: purposeLink, Detail: linkKey(p.ProviderID, p.Issuer, p.Subject)},
		Return: linkURL(id)}
}

// showLink asks whether an account at a provider is to be linked to a user: it
// says of what, has the person prove that the user is theirs, and offers another
// name to who is somebody else.
func (s *Server) showLink(w http.ResponseWriter, r *http.Request) {
	query, err := readQuery(r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	browser, id := s.cookies.knownBrowser(r), query.Get(templates.FieldRequest)
	p, err := s.Account.PendingLink(r.Context(), browser, id)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	page := templates.LinkAccount{Provider: s.providerName(p.ProviderID), Account: p.AccountName, UserID: s.userID(store.Login{Localpart: p.Localpart}),
		Taken: p.Taken, Form: s.linkForm(browser, id, doLink, p)}
	if s.mayTakeAnotherName(p) {
		form := s.linkForm(browser, id, doNewName, p)
		page.NewName = &form
	}
	if p.Taken {
		page.OtherURL = asAnother(retryURL(store.UpstreamLogin{ProviderID: p.ProviderID, RequestID: p.RequestID, Return: p.Return}))
	}
	var stop bool
	if page.Proved, page.Ways, stop, err = s.proving(w, r, linkDemand(id, p)); stop {
		return
	}
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, page)
}

// mayTakeAnotherName tells whether a person whose name is taken may have a
// generated one.
func (s *Server) mayTakeAnotherName(p store.PendingLink) bool {
	at := s.providerByID(p.ProviderID)
	return p.Taken && at != nil && at.Config().Registration && at.Config().UniqueIDFallbacks
}

func (s *Server) linkForm(browser, id, do string, p store.PendingLink) templates.Form {
	about := url.Values{fieldDo: {do}, templates.FieldRequest: {id}}.Encode()
	return templates.Form{Action: linkPath, RequestID: about, CSRFToken: s.formToken(browser, about, store.Login{Localpart: p.Localpart})}
}

// answerLink takes the person's answer, once.
func (s *Server) answerLink(w http.ResponseWriter, r *http.Request) {
	d, err := s.readDecision(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	about, err := parseValues(d.id)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	id := about.Get(templates.FieldRequest)
	p, err := s.Account.PendingLink(r.Context(), d.browser, id)
	switch {
	case err != nil:
		s.trouble(w, r, err)
	case !s.authentic(d, store.Login{Localpart: p.Localpart}):
		s.forged(w, r)
	case !d.approved:
		s.dropLink(w, r, d, id, p)
	case about.Get(fieldDo) == doNewName && s.mayTakeAnotherName(p):
		s.takeAnotherName(w, r, d, id, p)
	case about.Get(fieldDo) == doLink:
		s.linkProven(w, r, d, id, p)
	default:
		s.trouble(w, r, errMalformed)
	}
}

func (s *Server) dropLink(w http.ResponseWriter, r *http.Request, d decision, id string, p store.PendingLink) {
	err := s.Account.EndLink(r.Context(), d.browser, id)
	if err == nil {
		err = s.forgetProof(r, linkDemand(id, p))
	}
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if p.Taken {
		s.show(w, r, http.StatusOK, templates.Notice{Kind: templates.NoticeCancelled})
		return
	}
	seeOther(w, accountURL(actionLinks))
}

// linkProven links the account, and goes on with the sign-in that waits for it.
func (s *Server) linkProven(w http.ResponseWriter, r *http.Request, d decision, id string, p store.PendingLink) {
	err := s.Account.LinkProven(r.Context(), s.proofKey(r, linkDemand(id, p).ProofDemand), id, p)
	switch {
	case errors.Is(err, store.ErrExists):
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonLinkedElsewhere, Provider: s.providerName(p.ProviderID)}, err)
	case errors.Is(err, store.ErrNotFound):
		seeOther(w, linkURL(id)) // where the proof is asked for again
	case err != nil:
		s.trouble(w, r, err)
	case p.Taken:
		s.goOn(w, r, d.browser, p, p.Localpart)
	default:
		seeOther(w, accountURL(actionLinks))
	}
}

// takeAnotherName makes a user of a generated name.
func (s *Server) takeAnotherName(w http.ResponseWriter, r *http.Request, d decision, id string, p store.PendingLink) {
	if err := s.Account.EndLink(r.Context(), d.browser, id); err != nil {
		s.trouble(w, r, err)
		return
	}
	localpart, err := s.Accounts.Generate(r.Context(), p.NewLink)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.goOn(w, r, d.browser, p, localpart)
}

// goOn signs the person in, as the identity provider did before their name had
// to be settled.
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, browser string, p store.PendingLink, localpart string) {
	login := store.Login{Localpart: localpart, ProviderID: p.ProviderID, UpstreamIssuer: p.Issuer, UpstreamSubject: p.Subject, AuthTime: p.AuthTime,
		BrowserHash: browserHash(browser)}
	if p.RequestID == "" {
		s.signInHere(w, r, p.Return, login)
		return
	}
	s.signIn(w, r, browser, p.RequestID, login)
}
