package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

const (
	// resetPath is where a person approves that the cross-signing keys are
	// replaced.
	resetPath = oidc + "/reset"

	// purposeReset is what a person proves who they are for.
	purposeReset = "reset"
)

// resetURL is the page for a client that waits for an approval.
func resetURL(id string) string { return resetPath + "?" + url.Values{fieldUIA: {id}}.Encode() }

// accountReset lets a person choose the device that may replace the keys: an
// OIDC device of theirs that is signed in (conformance J-20).
func (s *Server) accountReset(w http.ResponseWriter, r *http.Request, v visit) {
	places, err := s.places(r, v)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	page := templates.ResetDevices{AccountFrame: s.frame(v, templates.SectionReset)}
	for _, p := range places {
		if !p.OIDC || p.session == "" {
			continue
		}
		if slices.Contains(v.query[fieldDevice], p.DeviceID) {
			s.resetWith(w, r, v, p)
			return
		}
		if at := s.providerByID(p.providerID); at != nil && !at.Config().Proves() {
			if name := at.Config().Name; !slices.Contains(page.Unprovable, name) {
				page.Unprovable = append(page.Unprovable, name)
			}
			continue
		}
		p.URL = accountURL(provider.ActionCrossSigningReset, fieldDevice, p.DeviceID)
		page.Places = append(page.Places, p.Place)
	}
	s.show(w, r, http.StatusOK, page)
}

// resetWith goes on with the device that the person has chosen.
func (s *Server) resetWith(w http.ResponseWriter, r *http.Request, v visit, p place) {
	id, err := s.Resets.BeginUIA(r.Context(), v.login.Localpart, p.session)
	if err != nil {
		s.accountTrouble(w, r, v, err)
		return
	}
	seeOther(w, resetURL(id))
}

// resetLink follows a link of the account pages to a client that waits for an
// approval. One of a legacy client is no OAuth session, and has its own way
// (conformance J-05).
func (s *Server) resetLink(w http.ResponseWriter, r *http.Request, id string) {
	keepOpener(w)
	x, err := s.Resets.UIASession(r.Context(), id)
	if err == nil && x.Kind != store.OAuth {
		err = store.ErrNotFound
	}
	if err != nil {
		s.noUIA(w, r, err)
		return
	}
	seeOther(w, resetURL(id))
}

// resetDemand is what has to be proved for a client: a fresh sign-in at the
// provider, and as the account there, that authenticated its device.
func resetDemand(id string, x store.UIASession) proofDemand {
	return proofDemand{ProviderID: x.Login.ProviderID, Return: resetURL(id), ProofDemand: store.ProofDemand{
		Localpart: x.Login.Localpart, Purpose: purposeReset, Detail: x.SessionID, Issuer: x.Login.UpstreamIssuer, Subject: x.Login.UpstreamSubject}}
}

// reset has a person sign in afresh, and then asks whether the keys may be
// replaced. It changes nothing (conformance J-20).
func (s *Server) reset(w http.ResponseWriter, r *http.Request) {
	keepOpener(w)
	query, err := readQuery(r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	id := query.Get(fieldUIA)
	x, err := s.Resets.UIASession(r.Context(), id)
	if err != nil {
		s.noUIA(w, r, err)
		return
	}
	demand := resetDemand(id, x)
	err = s.proven(r, demand)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.resetAgain(w, r, id, x)
	case err != nil:
		s.trouble(w, r, err)
	default:
		s.askReset(w, r, id, x)
	}
}

// askReset says what is lost, and by which device.
func (s *Server) askReset(w http.ResponseWriter, r *http.Request, id string, x store.UIASession) {
	if stop := s.mayApprove(w, r, x.Login); stop {
		return
	}
	browser := s.cookies.knownBrowser(r)
	places, err := s.places(r, visit{login: x.Login, browser: browser})
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	page := templates.Reset{UserID: s.userID(x.Login), Form: templates.Form{Action: resetPath, CSRFToken: s.formToken(browser, id, x.Login), RequestID: id}}
	for _, p := range places {
		if p.session == x.SessionID {
			page.Place = p.Place
		}
	}
	s.show(w, r, http.StatusOK, page)
}

// answerReset takes the person's answer. A second press of the button finds the
// approval there, and changes nothing.
func (s *Server) answerReset(w http.ResponseWriter, r *http.Request) {
	keepOpener(w)
	d, err := s.readDecision(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	x, err := s.Resets.UIASession(r.Context(), d.id)
	if err != nil {
		s.noUIA(w, r, err)
		return
	}
	if !s.authentic(d, x.Login) {
		s.forged(w, r)
		return
	}
	if stop := s.mayApprove(w, r, x.Login); stop {
		return
	}
	key := s.proofKey(r, resetDemand(d.id, x).ProofDemand)
	if !d.approved {
		if _, err := s.Resets.TakeProof(r.Context(), key); err != nil && !errors.Is(err, store.ErrNotFound) {
			s.trouble(w, r, err)
			return
		}
		s.show(w, r, http.StatusOK, templates.Notice{Kind: templates.NoticeKept})
		return
	}
	if err := s.approveReset(r, key, x); err != nil {
		s.trouble(w, r, err)
		return
	}
	s.endReset(w, r, d.id, x)
}

// resetAgain has a person sign in, unless they have approved, and come back to
// see whether the homeserver has been told.
func (s *Server) resetAgain(w http.ResponseWriter, r *http.Request, id string, x store.UIASession) {
	if s.Tell != nil {
		approved, err := s.Resets.ResetApproved(r.Context(), x.Login.Localpart, x.SessionID)
		switch {
		case err != nil:
			s.trouble(w, r, err)
			return
		case approved:
			s.endReset(w, r, id, x)
			return
		}
	}
	s.prove(w, r, resetDemand(id, x))
}

// endReset tells the window that asked. It goes on at once, so a homeserver that
// is another program has to know by then.
func (s *Server) endReset(w http.ResponseWriter, r *http.Request, id string, x store.UIASession) {
	if s.Tell != nil {
		if err := s.Tell(r.Context(), x.Login.Localpart); err != nil {
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
			s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonHomeserverAway, Actions: []templates.Action{{Kind: templates.ActionRetry, URL: resetURL(id)}}}, err)
			return
		}
	}
	w.Header().Set("Content-Security-Policy", templates.Policy()+"; script-src 'self'")
	s.show(w, r, http.StatusOK, templates.AuthDone{})
}

func (s *Server) approveReset(r *http.Request, key store.ProofKey, x store.UIASession) error {
	err := s.Resets.ApproveReset(r.Context(), key, x)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if approved, failed := s.Resets.ResetApproved(r.Context(), key.Localpart, x.SessionID); approved || failed != nil {
		return failed
	}
	return err
}
