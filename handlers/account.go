package handlers

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"

	"golang.org/x/text/language"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

const accountPath = oidc + "/account"

// fieldProvider is the parameter that names the identity provider to sign in
// with.
const fieldProvider = "idp_id"

// account shows a person their account (MSC4191; conformance H-01). An action
// that has no page of its own leads here too (H-02).
func (s *Server) account(w http.ResponseWriter, r *http.Request) {
	query, err := readQuery(r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	login, err := s.Logins.BrowserSession(r.Context(), s.cookies.session(r))
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && query.Get(fieldSwitch) != "":
		s.signInTo(w, r, accountPath, query)
		return
	case err != nil:
		s.trouble(w, r, err)
		return
	}
	if stop := s.mayApprove(w, r, login); stop {
		return
	}
	page, err := s.accountHome(r.Context(), s.languages(r), login, query)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, page)
}

func (s *Server) accountHome(ctx context.Context, lang []language.Tag, login store.Login, query url.Values) (templates.AccountHome, error) {
	page := templates.AccountHome{UserID: s.userID(login), SwitchURL: asAnother(withQuery(accountPath, query)), Provider: login.ProviderID}
	if p := s.providerByID(login.ProviderID); p != nil {
		page.Provider = p.Config().Name
	}
	live, err := s.Logins.LiveSessions(ctx, login.Localpart)
	if err != nil {
		return page, err
	}
	names := map[string]string{"": ""}
	for _, l := range live {
		if _, known := names[l.ClientID]; !known {
			if names[l.ClientID], err = s.appName(ctx, lang, l.ClientID); err != nil {
				return page, err
			}
		}
		session := templates.Session{Name: l.DeviceName, DeviceID: l.DeviceID, App: names[l.ClientID], LastSeenAt: l.LastSeenAt}
		if session.LastSeenAt.IsZero() {
			session.LastSeenAt = l.RefreshedAt
		}
		page.Sessions = append(page.Sessions, session)
	}
	return page, nil
}

// appName is what a person is told a client is called: its name, or else the
// host it belongs to, or else its id.
func (s *Server) appName(ctx context.Context, lang []language.Tag, clientID string) (string, error) {
	client, err := s.Logins.Client(ctx, clientID)
	if errors.Is(err, store.ErrNotFound) {
		return clientID, nil
	}
	if err != nil {
		return "", err
	}
	m, err := provider.ClientMetadata(client)
	if err != nil {
		return "", err
	}
	return cmp.Or(m.Name(lang...), m.ClientHost(), clientID), nil
}

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
			s.show(w, r, http.StatusOK, s.chooserFor(path, query))
			return
		}
		wanted = p.ClientID
	}
	s.start(w, r, s.cookies.browser(w, r), wanted, store.UpstreamLogin{Return: back, Fresh: fresh}, upstream.Request{})
}

// chooserFor lists the providers for a page of this server.
func (s *Server) chooserFor(path string, query url.Values) templates.ChooseProvider {
	var page templates.ChooseProvider
	for _, p := range s.Config.IdentityProviders {
		chosen := maps.Clone(query)
		chosen.Set(fieldProvider, p.ClientID)
		page.Providers = append(page.Providers, templates.Provider{Name: p.Name, URL: path + "?" + chosen.Encode()})
	}
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
