package handlers

import (
	"maps"
	"net/http"
	"net/url"

	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// fieldProvider is the parameter that names the identity provider to sign in
// with.
const fieldProvider = "idp_id"

// signInTo lets a person sign in who wants to see a page of this server, which
// opens afterwards with the same parameters (conformance H-03).
func (s *Server) signInTo(w http.ResponseWriter, r *http.Request, path string, query url.Values) {
	if err := s.limitAddress(r); err != nil {
		s.trouble(w, r, err)
		return
	}
	fresh := query.Get(fieldSwitch) != ""
	back := withQuery(path, query)
	wanted := query.Get(fieldProvider)
	if s.providerByID(wanted) == nil {
		p, ok := s.Config.DefaultProvider()
		if !ok {
			s.show(w, r, http.StatusOK, s.chooserFor(r, path, query))
			return
		}
		wanted = p.ClientID
	}
	s.start(w, r, s.cookies.browser(w, r), wanted, store.UpstreamLogin{Return: back, Fresh: fresh}, upstream.Request{})
}

// chooserFor lists the providers for a page of this server.
func (s *Server) chooserFor(r *http.Request, path string, query url.Values) templates.ChooseProvider {
	var page templates.ChooseProvider
	for _, p := range s.Config.IdentityProviders {
		chosen := maps.Clone(query)
		chosen.Set(fieldProvider, p.ClientID)
		page.Providers = append(page.Providers, s.choice(r, p, path+"?"+chosen.Encode()))
	}
	lastFirst(page.Providers)
	return page
}

// withQuery is a page with its parameters, but for those that say how the
// person signs in.
func withQuery(path string, query url.Values) string {
	kept := maps.Clone(query)
	kept.Del(fieldProvider)
	kept.Del(fieldSwitch)
	if len(kept) == 0 {
		return path
	}
	return path + "?" + kept.Encode()
}

// changePassword leads password managers to where a person learns who keeps the
// password (W3C, A Well-Known URL for Changing Passwords; conformance A-24).
func (s *Server) changePassword(w http.ResponseWriter, _ *http.Request) {
	seeOther(w, s.Provider.AccountURL())
}
