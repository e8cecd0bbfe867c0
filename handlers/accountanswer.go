package handlers

import (
	"errors"
	"net/http"
	"net/url"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

// What the forms of the account pages are about. It is in their FieldRequest,
// and authenticated by their token.
const (
	fieldDo    = "do"
	fieldUntil = "until" // Unix milliseconds

	doKnow      = "know"
	doChoose    = "choose"
	doRename    = "rename"
	doEnd       = "end"
	doEndOthers = "end_others"
	doProfile   = "profile"
	// doPicture is sent to another address, with a file.
	doPicture       = "picture"
	doRemovePicture = "remove_picture"
	doTakePicture   = "take_picture"
	doSignOut       = "sign_out"
	doUnlink        = "unlink"
	doDeactivate    = "deactivate"
)

// accountAnswers are what the forms do.
func (s *Server) accountAnswers() map[string]func(http.ResponseWriter, *http.Request, visit, url.Values) {
	answers := map[string]func(http.ResponseWriter, *http.Request, visit, url.Values){
		doKnow: s.know, doChoose: s.chooseSessions, doRename: s.rename, doEnd: s.end, doEndOthers: s.endOthers, doProfile: s.changeProfile, doRemovePicture: s.removePicture, doTakePicture: s.takePicture, doSignOut: s.leave, doUnlink: s.unlink, doDeactivate: s.deactivate,
	}
	if s.Pictures == nil { // a page from before may still have the forms
		delete(answers, doRemovePicture)
		delete(answers, doTakePicture)
	}
	return answers
}

// answerAccount takes a form of an account page (conformance H-04). What is
// forged, or was shown to somebody else, changes nothing; who was signed out
// meanwhile has to look at the page again.
func (s *Server) answerAccount(w http.ResponseWriter, r *http.Request) {
	d, err := s.readDecision(w, r, templates.FieldPlace)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	login, ok := s.formLogin(w, r)
	if !ok {
		return
	}
	if !s.authentic(d, login) {
		s.forged(w, r)
		return
	}
	about, err := parseValues(d.id)
	do := s.accountAnswers()[about.Get(fieldDo)]
	switch {
	case err != nil, do == nil:
		s.trouble(w, r, errMalformed)
	case !d.approved:
		s.withdraw(w, r, visit{login: login, browser: d.browser}, about)
	case s.mayApprove(w, r, login):
	default:
		do(w, r, visit{login: login, browser: d.browser}, about)
	}
}

// formLogin is who sends a form of an account page. If that is nobody, or not
// known, it answers and returns false.
func (s *Server) formLogin(w http.ResponseWriter, r *http.Request) (login store.Login, ok bool) {
	login, err := s.Logins.BrowserSession(r.Context(), s.cookies.session(r))
	switch {
	case err == nil:
		return login, true
	case errors.Is(err, store.ErrNotFound):
		s.forged(w, r)
	default:
		s.trouble(w, r, err)
	}
	return login, false
}

// withdraw leaves everything as it is. A proof that was given for what the person
// does not want after all is worth nothing any more.
func (s *Server) withdraw(w http.ResponseWriter, r *http.Request, v visit, about url.Values) {
	back, demand := provider.ActionDevicesList, proofDemand{}
	switch about.Get(fieldDo) {
	case doUnlink:
		back, demand = actionLinks, s.accountDemand(v, purposeUnlink, about.Get(fieldLink), "")
	case doDeactivate:
		back, demand = "", s.accountDemand(v, purposeDeactivate, "", "")
	}
	if err := s.forgetProof(r, demand); err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, accountURL(back))
}

// forgetProof uses a proof up for nothing, if there is one.
func (s *Server) forgetProof(r *http.Request, d proofDemand) error {
	if d.Purpose == "" {
		return nil
	}
	if _, err := s.Account.TakeProof(r.Context(), s.proofKey(r, d.ProofDemand)); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// accountTrouble shows the list to a person whose form is about what is not
// there any more.
func (s *Server) accountTrouble(w http.ResponseWriter, r *http.Request, v visit, err error) {
	if errors.Is(err, store.ErrNotFound) {
		s.listSessions(w, r, v, http.StatusNotFound)
		return
	}
	s.trouble(w, r, err)
}
