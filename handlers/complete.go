package handlers

import (
	"net/http"
	"net/url"

	"keymaker/internal/secret"
	"keymaker/provider"
	"keymaker/provider/redirect"
	"keymaker/provider/scope"
	"keymaker/store"
	"keymaker/templates"
)

const completePath = oidc + "/_complete"

// consent asks the person who came back from the identity provider whether the
// client may have what it asks for (conformance C-60).
func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get(templates.FieldRequest)
	browser := s.cookies.knownBrowser(r)
	pending, err := s.Provider.Pending(r.Context(), browser, id)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if pending.Login == nil {
		s.toProvider(w, r, id, pending.Authorization)
		return
	}
	page, err := s.consentPage(r, browser, id, pending)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	// Browsers apply form-action to where the answer of a form redirects.
	w.Header().Set("Content-Security-Policy", policy(redirect.Origin(pending.RedirectURI)))
	s.show(w, r, http.StatusOK, page)
}

func (s *Server) consentPage(r *http.Request, browser, id string, p *provider.Pending) (templates.Consent, error) {
	m, err := provider.ClientMetadata(p.Client)
	if err != nil {
		return templates.Consent{}, err
	}
	lang := s.language(r)
	page := templates.Consent{
		Form:       templates.Form{Action: completePath, CSRFToken: s.formToken(browser, id), RequestID: id},
		ClientName: m.Name(lang), ClientURI: m.ClientURI, RedirectURI: p.RedirectURI, TOSURI: m.TOS(lang), PolicyURI: m.Policy(lang),
		UserID: s.userID(*p.Login), SwitchURL: startURL(p.Login.ProviderID, id) + "&switch=1",
		Device: templates.Device{ID: p.Scope.Device(), Name: m.Name(lang)},
	}
	if p.Device != nil {
		page.Device.Name, page.Device.Exists = p.Device.DisplayName, true
	}
	words := []struct {
		token      string
		permission templates.Permission
	}{
		{scope.API, templates.PermissionMatrix}, {scope.OpenID, templates.PermissionIdentity}, {scope.Profile, templates.PermissionProfile},
		{scope.Email, templates.PermissionEmail}, {scope.OfflineAccess, templates.PermissionOffline},
	}
	for _, w := range words {
		if p.Scope.Has(w.token) {
			page.Permissions = append(page.Permissions, w.permission)
		}
	}
	return page, nil
}

// answerConsent takes the person's answer, once, and sends the browser back to
// the client.
func (s *Server) answerConsent(w http.ResponseWriter, r *http.Request) {
	browser, id, approved, err := s.readDecision(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if id == "" {
		s.forged(w, r)
		return
	}
	pending, err := s.Provider.Pending(r.Context(), browser, id)
	if err == nil && pending.Login == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	answer := s.Provider.Deny
	if approved {
		answer = s.Provider.Approve
		if stop := s.mayApprove(w, r, *pending.Login); stop {
			return
		}
	}
	response, err := answer(r.Context(), browser, id, pending)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	w.Header().Set("Content-Security-Policy", policy(redirect.Origin(pending.RedirectURI)))
	seeOther(w, response.URL())
}

// mayApprove shows a page and is true when the account was locked or
// deactivated since the sign-in (conformance C-67).
func (s *Server) mayApprove(w http.ResponseWriter, r *http.Request, l store.Login) (stop bool) {
	user, err := s.Logins.User(r.Context(), l.Localpart)
	if err != nil {
		s.trouble(w, r, err)
		return true
	}
	if page := accountPage(s.userID(l), user.Account); page != nil {
		s.fail(w, r, *page, nil)
		return true
	}
	return false
}

// readDecision reads an approval form. Its id is empty when the form's token is
// not of this browser and this request.
func (s *Server) readDecision(w http.ResponseWriter, r *http.Request) (browser, id string, approved bool, err error) {
	if err := readSingle(w, r); err != nil {
		return "", "", false, err
	}
	browser, id = s.cookies.knownBrowser(r), r.PostForm.Get(templates.FieldRequest)
	if browser == "" || !secret.Equal(r.PostForm.Get(templates.FieldCSRF), s.formToken(browser, id)) {
		return browser, "", false, nil
	}
	switch r.PostForm.Get(templates.FieldDecision) {
	case templates.DecisionApprove:
		return browser, id, true, nil
	case templates.DecisionCancel:
		return browser, id, false, nil
	}
	return browser, "", false, errMalformed
}

// startURL is where the sign-in at a provider begins for a request.
func startURL(providerID, id string) string {
	return "/_matrix/client/v3/login/sso/redirect/" + url.PathEscape(providerID) + "?" + url.Values{templates.FieldRequest: {id}}.Encode()
}
