package handlers

import (
	"net/http"
	"net/url"
	"strings"

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
	pending, err := s.pending(r, browser, id)
	if err != nil {
		s.refuseAuthorization(w, r, err)
		return
	}
	if pending.Login == nil {
		s.toProvider(w, r, id, pending.Authorization)
		return
	}
	due, err := s.Provider.ConsentDue(r.Context(), pending.Authorization, *pending.Login)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if !due {
		if stop := s.mayApprove(w, r, *pending.Login, s.denial(pending)); !stop {
			s.approveAgain(w, r, browser, id, pending)
		}
		return
	}
	page, err := s.consentPage(r, browser, id, pending)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	// Browsers apply form-action to where the answer of a form redirects.
	w.Header().Set("Content-Security-Policy", templates.Policy(redirect.Origin(pending.RedirectURI)))
	s.show(w, r, http.StatusOK, page)
}

// pending is the request that waits in this browser. What is said from here on
// is said in a language that the client asked for.
func (s *Server) pending(r *http.Request, browser, id string) (*provider.Pending, error) {
	pending, err := s.Provider.Pending(r.Context(), browser, id)
	if pending != nil {
		about(r).locales = pending.UILocales
	}
	return pending, err
}

func (s *Server) consentPage(r *http.Request, browser, id string, p *provider.Pending) (templates.Consent, error) {
	m, err := provider.ClientMetadata(p.Client)
	if err != nil {
		return templates.Consent{}, err
	}
	lang := s.languages(r)
	page := templates.Consent{
		Form:       templates.Form{Action: completePath, CSRFToken: s.formToken(browser, id, *p.Login), RequestID: id},
		ClientName: m.Name(lang...), ClientURI: m.ClientURI, RedirectURI: p.RedirectURI, Configured: p.Client.Configured(), TOSURI: m.TOS(lang...), PolicyURI: m.Policy(lang...),
		UserID: s.userID(*p.Login), SwitchURL: asAnother(startURL(p.Login.ProviderID, id)),
		Device: templates.Device{ID: p.Scope.Device(), Name: m.Name(lang...)},
	}
	if p.Device != nil {
		page.Device.Name, page.Device.Exists = p.Device.DisplayName, true
	}
	page.Permissions = permissions(p.Scope)
	return page, nil
}

// permissions are the words for what a scope allows.
func permissions(granted scope.Set) []templates.Permission {
	words := []struct {
		token      string
		permission templates.Permission
	}{
		{scope.API, templates.PermissionMatrix}, {scope.OpenID, templates.PermissionIdentity}, {scope.Profile, templates.PermissionProfile},
		{scope.Email, templates.PermissionEmail}, {scope.OfflineAccess, templates.PermissionOffline},
	}
	var out []templates.Permission
	if granted.Administers() {
		out = append(out, templates.PermissionAdministration)
	}
	for _, w := range words {
		if granted.Has(w.token) {
			out = append(out, w.permission)
		}
	}
	return out
}

// answerConsent takes the person's answer, once, and sends the browser back to
// the client.
func (s *Server) answerConsent(w http.ResponseWriter, r *http.Request) {
	d, err := s.readDecision(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	pending, err := s.pending(r, d.browser, d.id)
	if err == nil && pending.Login == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		s.refuseAuthorization(w, r, err)
		return
	}
	if !s.authentic(d, *pending.Login) {
		s.forged(w, r)
		return
	}
	answer := s.Provider.Deny
	if d.approved {
		answer = s.Provider.Approve
		if stop := s.mayApprove(w, r, *pending.Login, s.denial(pending)); stop {
			return
		}
	}
	response, err := answer(r.Context(), d.browser, d.id, pending)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.respond(w, r, response)
}

// fieldSwitch is the parameter with which a sign-in asks who the person is once
// more, so that it can be somebody else.
const fieldSwitch = "switch"

// asAnother is where a sign-in begins for a person who has another account: at
// the same path as it does for anybody.
func asAnother(start string) string { return also(start, fieldSwitch, "1") }

// also is an address with one more parameter.
func also(address, name, value string) string {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + url.Values{name: {value}}.Encode()
}

// ssoRedirectPath is where a sign-in begins.
const ssoRedirectPath = "/_matrix/client/v3/login/sso/redirect"

// startURL is where the sign-in at a provider begins for a request.
func startURL(providerID, id string) string {
	return ssoRedirectPath + "/" + url.PathEscape(providerID) + "?" + url.Values{templates.FieldRequest: {id}}.Encode()
}
