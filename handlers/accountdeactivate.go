package handlers

import (
	"errors"
	"net/http"
	"net/url"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

// askDeactivate says what becomes of an account that is closed, and asks whether
// it is to be, after a proof of who the person is (conformance H-04, H-07).
func (s *Server) askDeactivate(w http.ResponseWriter, r *http.Request, v visit) {
	page := templates.Deactivate{AccountFrame: s.frame(v, templates.SectionHome), Form: s.accountForm(v, url.Values{fieldDo: {doDeactivate}})}
	var stop bool
	var err error
	if page.Proved, page.Ways, stop, err = s.proving(w, r, s.accountDemand(v, purposeDeactivate, "", accountURL(provider.ActionDeactivate))); stop {
		return
	}
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, page)
}

// deactivate closes the account for ever.
func (s *Server) deactivate(w http.ResponseWriter, r *http.Request, v visit, _ url.Values) {
	erase := r.PostForm.Get(templates.FieldErase) != ""
	err := s.Account.CloseAccount(r.Context(), s.proofKey(r, s.accountDemand(v, purposeDeactivate, "", "").ProofDemand), erase)
	switch {
	case errors.Is(err, store.ErrNotFound):
		seeOther(w, accountURL(provider.ActionDeactivate)) // where the proof is asked for again
		return
	case err != nil:
		s.trouble(w, r, err)
		return
	}
	s.forgetBrowserSession(w)
	s.show(w, r, http.StatusOK, templates.Notice{Kind: templates.NoticeDeactivated})
}
