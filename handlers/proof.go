package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// Proofs is what is kept of people who prove who they are.
type Proofs interface {
	LinkedUser(ctx context.Context, providerID, issuer, subject string) (string, error)
	UpstreamLinks(ctx context.Context, localpart string) ([]store.UpstreamLink, error)
	AddProof(ctx context.Context, k store.ProofKey, l store.Login) error
	Proof(ctx context.Context, k store.ProofKey) (store.Login, error)
}

// proofDemand is a fresh sign-in that a page asks for before it lets a person
// change something.
type proofDemand struct {
	store.ProofDemand
	// ProviderID is where to sign in. With "" any provider will do at which an
	// account is linked to the localpart, and that proves anything.
	ProviderID string
	// Return is the page that needs the proof: a path of this server that is
	// opened by GET. It looks for the proof, and asks for it again without one;
	// of the query, idp_id is the choice of the provider.
	Return string
}

// prove sends a person to an identity provider to sign in afresh (prompt=login,
// max_age=0). Who comes back as the account that is demanded, having signed in
// just then, has a proof in this browser, and goes on to the page; anybody else
// has nothing, and stays whoever they were signed in as.
func (s *Server) prove(w http.ResponseWriter, r *http.Request, d proofDemand) {
	if err := s.limitAddress(r); err != nil {
		s.trouble(w, r, err)
		return
	}
	if d.ProviderID == "" {
		linked, err := s.provingProviders(r.Context(), d.Localpart)
		if err != nil {
			s.trouble(w, r, err)
			return
		}
		d.ProviderID = r.URL.Query().Get(fieldProvider)
		if len(linked) == 1 {
			d.ProviderID = linked[0].ID()
		}
		if !slices.ContainsFunc(linked, func(p *upstream.Provider) bool { return p.ID() == d.ProviderID }) {
			s.chooseProof(w, r, d, linked)
			return
		}
	}
	switch p := s.providerByID(d.ProviderID); {
	case p == nil:
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonUnknownProvider}, nil)
		return
	case !p.Config().Proves():
		s.cannotProve(w, r, p.Config().Name)
		return
	}
	var now int64
	login := store.UpstreamLogin{Return: d.Return, Proof: &d.ProofDemand, Fresh: true, MaxAge: &now}
	s.start(w, r, s.cookies.browser(w, r), d.ProviderID, login, upstream.Request{})
}

// cannotProve tells a person that a sign-in at their provider would prove nothing,
// instead of sending them there.
func (s *Server) cannotProve(w http.ResponseWriter, r *http.Request, providerName string) {
	s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonCannotProve, Provider: providerName}, nil)
}

// provingProviders are the configured providers at which an account is linked to
// the localpart, and a new sign-in proves that it is the person's.
func (s *Server) provingProviders(ctx context.Context, localpart string) ([]*upstream.Provider, error) {
	links, err := s.Proofs.UpstreamLinks(ctx, localpart)
	if err != nil {
		return nil, err
	}
	var linked []*upstream.Provider
	for _, p := range s.Upstreams {
		if p.Config().Proves() && slices.ContainsFunc(links, func(l store.UpstreamLink) bool { return l.ProviderID == p.ID() }) {
			linked = append(linked, p)
		}
	}
	return linked, nil
}

// chooseProof lets a person choose at which of their providers to sign in.
func (s *Server) chooseProof(w http.ResponseWriter, r *http.Request, d proofDemand, linked []*upstream.Provider) {
	if len(linked) == 0 {
		name := ""
		if p := s.providerByID(d.ProviderID); p != nil {
			name = p.Config().Name
		}
		s.cannotProve(w, r, name)
		return
	}
	s.show(w, r, http.StatusOK, templates.ChooseProvider{Providers: s.proofWays(r, d, linked)})
}

// proofWays are the providers at which a person can prove what is demanded.
func (s *Server) proofWays(r *http.Request, d proofDemand, linked []*upstream.Provider) []templates.Provider {
	var ways []templates.Provider
	for _, p := range linked {
		ways = append(ways, s.choice(r, p.Config(), also(d.Return, fieldProvider, p.ID())))
	}
	return ways
}

// finishProof keeps the proof of a person who has come back from the provider.
// A sign-in by any other account than the one that is demanded changes nothing:
// no account is made or linked, and the browser's session stays as it is.
func (s *Server) finishProof(w http.ResponseWriter, r *http.Request, p *upstream.Provider, waiting store.UpstreamLogin, who *upstream.Identity) {
	localpart, err := s.Proofs.LinkedUser(r.Context(), p.ID(), who.Issuer, who.Subject)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.trouble(w, r, err)
		return
	}
	login := store.Login{Localpart: localpart, ProviderID: p.ID(), UpstreamIssuer: who.Issuer, UpstreamSubject: who.Subject, AuthTime: s.signedInAt(who.AuthTime)}
	if !waiting.Proof.Met(login) {
		s.unproven(w, r, p, waiting, templates.ReasonOtherAccount, nil)
		return
	}
	if stop := s.mayApprove(w, r, login); stop {
		return
	}
	if err := s.Proofs.AddProof(r.Context(), s.proofKey(r, *waiting.Proof), login); err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, waiting.Return)
}

// unproven tells a person why their sign-in proves nothing, and offers another.
func (s *Server) unproven(w http.ResponseWriter, r *http.Request, p *upstream.Provider, waiting store.UpstreamLogin, why templates.Reason, err error) {
	s.fail(w, r, templates.ErrorPage{Reason: why, Provider: p.Config().Name, UserID: s.userID(store.Login{Localpart: waiting.Proof.Localpart}),
		Actions: []templates.Action{{Kind: templates.ActionRetry, URL: waiting.Return}}}, err)
}

// proofKey is under which a proof of this browser is kept.
func (s *Server) proofKey(r *http.Request, d store.ProofDemand) store.ProofKey {
	return store.ProofKey{Browser: s.cookies.knownBrowser(r), Localpart: d.Localpart, Purpose: d.Purpose, Detail: d.Detail}
}

// proven is nil when what is demanded has been proved in this browser, and
// store.ErrNotFound when it was not, or not by the account that is demanded.
func (s *Server) proven(r *http.Request, d proofDemand) error {
	login, err := s.Proofs.Proof(r.Context(), s.proofKey(r, d.ProofDemand))
	if err == nil && (!d.Met(login) || d.ProviderID != "" && d.ProviderID != login.ProviderID) {
		return store.ErrNotFound
	}
	return err
}
