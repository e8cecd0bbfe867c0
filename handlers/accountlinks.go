package handlers

import (
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

const (
	// Actions of ours: MSC4191 has none for it.
	actionLinks  = "links"
	actionUnlink = "unlink"

	// fieldLink names, in a link to the list, the provider at which an account is
	// to be linked, and in one to the page that unlinks the account itself.
	fieldLink = "link"

	// What a proof of the account pages permits.
	purposeLink       = "link"
	purposeUnlink     = "unlink"
	purposeDeactivate = "deactivate"
)

// linkKey names a linked account in a URL without telling who it is.
func linkKey(providerID, issuer, subject string) string {
	return hex.EncodeToString(secret.Hash(providerID + "\x00" + issuer + "\x00" + subject))
}

// showLinks lists the accounts with which the person signs in, or sends them to
// a provider where they want to link another.
func (s *Server) showLinks(w http.ResponseWriter, r *http.Request, v visit) {
	proving, err := s.provingProviders(r.Context(), v.login.Localpart)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if p := s.providerByID(v.query.Get(fieldLink)); p != nil && len(proving) > 0 {
		s.start(w, r, v.browser, p.ID(), store.UpstreamLogin{LinkTo: v.login.Localpart, Return: accountURL(actionLinks)}, upstream.Request{Prompt: []string{"select_account"}})
		return
	}
	links, err := s.Account.UpstreamLinks(r.Context(), v.login.Localpart)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	page, offered := templates.AccountLinks{AccountFrame: s.frame(v, templates.SectionLinks)}, s.Upstreams
	if len(proving) == 0 {
		page.CannotProve, offered = true, nil
	}
	for _, l := range links {
		shown := s.link(v, l)
		if len(links) > 1 && !page.CannotProve {
			shown.UnlinkURL = accountURL(actionUnlink, fieldLink, linkKey(l.ProviderID, l.Issuer, l.Subject))
		}
		page.Links = append(page.Links, shown)
	}
	for _, p := range offered {
		page.Others = append(page.Others, s.choice(r, p.Config(), accountURL(actionLinks, fieldLink, p.ID())))
	}
	s.show(w, r, http.StatusOK, page)
}

// link is a linked account as a page shows it.
func (s *Server) link(v visit, l store.UpstreamLink) templates.Link {
	return templates.Link{Provider: s.providerName(l.ProviderID), Account: l.AccountName, LinkedAt: l.CreatedAt,
		Here: l.ProviderID == v.login.ProviderID && l.Issuer == v.login.UpstreamIssuer && l.Subject == v.login.UpstreamSubject}
}

// linkOf finds a linked account of the person by its key, or returns
// store.ErrNotFound. The only one there is cannot be taken away.
func (s *Server) linkOf(r *http.Request, v visit, key string) (store.UpstreamLink, error) {
	links, err := s.Account.UpstreamLinks(r.Context(), v.login.Localpart)
	if err != nil {
		return store.UpstreamLink{}, err
	}
	for _, l := range links {
		if len(links) > 1 && linkKey(l.ProviderID, l.Issuer, l.Subject) == key {
			return l, nil
		}
	}
	return store.UpstreamLink{}, store.ErrNotFound
}

// askUnlink asks whether a linked account is to be taken away, after a proof of
// who the person is.
func (s *Server) askUnlink(w http.ResponseWriter, r *http.Request, v visit) {
	key := v.query.Get(fieldLink)
	l, err := s.linkOf(r, v, key)
	if errors.Is(err, store.ErrNotFound) {
		s.showLinks(w, r, visit{login: v.login, browser: v.browser, query: url.Values{}})
		return
	}
	page := templates.UnlinkAccount{AccountFrame: s.frame(v, templates.SectionLinks), Link: s.link(v, l),
		Form: s.accountForm(v, url.Values{fieldDo: {doUnlink}, fieldLink: {key}})}
	demand := s.accountDemand(v, purposeUnlink, key, accountURL(actionUnlink, fieldLink, key))
	if err == nil {
		var stop bool
		if page.Proved, page.Ways, stop, err = s.proving(w, r, demand); stop {
			return
		}
	}
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, page)
}

// unlink takes a linked account away.
func (s *Server) unlink(w http.ResponseWriter, r *http.Request, v visit, about url.Values) {
	key := about.Get(fieldLink)
	l, err := s.linkOf(r, v, key)
	if err == nil {
		err = s.Account.UnlinkProven(r.Context(), s.proofKey(r, s.accountDemand(v, purposeUnlink, key, "").ProofDemand), l)
	}
	// What is gone, or is the only one by now, is seen on the list.
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrLastLink) {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, accountURL(actionLinks))
}

// accountDemand is the proof that a change of the person's account needs.
func (s *Server) accountDemand(v visit, purpose, detail, back string) proofDemand {
	return proofDemand{ProofDemand: store.ProofDemand{Localpart: v.login.Localpart, Purpose: purpose, Detail: detail}, Return: back}
}

// proving tells whether the person has proved what is demanded, and how they can
// otherwise. stop says that they are on the way to do so: they have chosen where.
func (s *Server) proving(w http.ResponseWriter, r *http.Request, d proofDemand) (proved bool, ways []templates.Provider, stop bool, err error) {
	err = s.proven(r, d)
	switch {
	case err == nil:
		return true, nil, false, nil
	case !errors.Is(err, store.ErrNotFound):
		return false, nil, false, err
	case r.URL.Query().Get(fieldProvider) != "":
		s.prove(w, r, d)
		return false, nil, true, nil
	}
	linked, err := s.provingProviders(r.Context(), d.Localpart)
	return false, s.proofWays(r, d, linked), false, err
}
