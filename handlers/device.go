package handlers

import (
	"cmp"
	"errors"
	"net/http"

	"keymaker/internal/secret"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

const (
	deviceConsentPath = oidc + "/device/consent"
	devicePath        = oidc + "/device"
)

// deviceEntry asks for the code that a device shows (RFC 8628 §3.3). A code
// that comes with the link is filled in, and nothing else: the person still has
// to confirm it (§3.3.1).
func (s *Server) deviceEntry(w http.ResponseWriter, r *http.Request) {
	query, err := readQuery(r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.showEntry(w, r, http.StatusOK, templates.DeviceEntry{UserCode: query.Get(templates.FieldUserCode)})
}

func (s *Server) showEntry(w http.ResponseWriter, r *http.Request, status int, page templates.DeviceEntry) {
	page.Form = templates.Form{Action: devicePath, CSRFToken: s.formToken(s.cookies.browser(w, r), devicePath, store.Login{})}
	s.show(w, r, status, page)
}

// enterCode keeps the code and lets the person sign in. Whether a device waits
// for it is told afterwards (conformance G-13). The way on is a link: browsers
// would not let the answer of a form lead to an identity provider.
func (s *Server) enterCode(w http.ResponseWriter, r *http.Request) {
	if err := readSingle(w, r); err != nil {
		s.trouble(w, r, err)
		return
	}
	browser := s.cookies.knownBrowser(r)
	if !secret.Equal(r.PostForm.Get(templates.FieldCSRF), s.formToken(browser, devicePath, store.Login{})) {
		s.forged(w, r)
		return
	}
	typed := r.PostForm.Get(templates.FieldUserCode)
	id, err := s.beginDevice(r, browser, typed)
	if err != nil {
		s.deviceTrouble(w, r, typed, err)
		return
	}
	s.show(w, r, http.StatusOK, s.chooser(r, "", id))
}

// beginDevice keeps a code for the browser, unless too many were tried.
func (s *Server) beginDevice(r *http.Request, browser, typed string) (id string, err error) {
	if err := s.takeByAddress(s.limits.codeAddress, r); err != nil {
		return "", err
	}
	code, err := provider.ParseUserCode(typed)
	if err != nil {
		return "", err
	}
	if err := s.takeOf(s.limits.code, code); err != nil {
		return "", err
	}
	return s.Provider.BeginDevice(r.Context(), browser, code)
}

// pendingDevice is the grant that somebody who has signed in has the code of.
// Each look is a try by that account, from wherever it comes (conformance G-11).
func (s *Server) pendingDevice(r *http.Request, browser, id string) (*provider.PendingDevice, error) {
	waiting, err := s.Logins.Request(r.Context(), browser, id)
	if err == nil && waiting.Login != nil {
		err = s.takeOf(s.limits.codeAccount, waiting.Login.Localpart)
	}
	if err != nil {
		return nil, err
	}
	return s.Provider.PendingDevice(r.Context(), browser, id)
}

// deviceTrouble asks for another code when the one that was entered is none.
func (s *Server) deviceTrouble(w http.ResponseWriter, r *http.Request, typed string, err error) {
	if !errors.Is(err, provider.ErrUserCode) {
		s.trouble(w, r, err)
		return
	}
	s.logFailure(r, http.StatusBadRequest, err)
	s.showEntry(w, r, http.StatusBadRequest, templates.DeviceEntry{UserCode: typed, Failed: true})
}

// deviceConsent asks the person who has signed in whether the device may have
// what it asks for (conformance G-10).
func (s *Server) deviceConsent(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get(templates.FieldRequest)
	browser := s.cookies.knownBrowser(r)
	pending, err := s.pendingDevice(r, browser, id)
	switch {
	case err != nil:
		s.deviceTrouble(w, r, "", err)
		return
	case pending.Login == nil:
		s.show(w, r, http.StatusOK, s.chooser(r, "", id))
		return
	}
	m, err := provider.ClientMetadata(pending.Client)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	lang := s.languages(r)
	page := templates.DeviceConsent{
		Form:       templates.Form{Action: deviceConsentPath, CSRFToken: s.formToken(browser, id, *pending.Login), RequestID: id},
		ClientName: cmp.Or(m.Name(lang...), m.ClientHost(), pending.ClientID), ClientURI: m.ClientURI, Configured: pending.Client.Configured(),
		UserCode: pending.UserCode,
		Address:  pending.Requester.Address, Agent: pending.Requester.Agent, RequestedAt: pending.RequestedAt,
		UserID: s.userID(*pending.Login), SwitchURL: asAnother(startURL(pending.Login.ProviderID, id)),
		Permissions: permissions(pending.Scope), Device: templates.Device{ID: pending.Scope.Device(), Name: m.Name(lang...)},
	}
	if pending.Device != nil {
		page.Device.Name, page.Device.Exists = pending.Device.DisplayName, true
	}
	s.show(w, r, http.StatusOK, page)
}

// answerDevice takes the person's answer, once. The device learns of it at its
// next poll.
func (s *Server) answerDevice(w http.ResponseWriter, r *http.Request) {
	d, err := s.readDecision(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	pending, err := s.pendingDevice(r, d.browser, d.id)
	if err == nil && pending.Login == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		s.deviceTrouble(w, r, "", err)
		return
	}
	if !s.authentic(d, *pending.Login) {
		s.forged(w, r)
		return
	}
	if d.approved && r.PostForm.Get(templates.FieldOwnDevice) != templates.OwnDevice {
		s.trouble(w, r, errMalformed)
		return
	}
	if d.approved && s.mayApprove(w, r, *pending.Login) {
		return
	}
	if err := s.Provider.AnswerDevice(r.Context(), d.browser, d.id, pending, d.approved); err != nil {
		s.trouble(w, r, err)
		return
	}
	page := templates.Notice{Kind: templates.NoticeCancelled}
	if d.approved {
		page.Kind = templates.NoticeDeviceDone
	}
	s.show(w, r, http.StatusOK, page)
}
