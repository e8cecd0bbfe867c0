package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// showProfile shows what the person is known by (conformance H-02).
func (s *Server) showProfile(w http.ResponseWriter, r *http.Request, v visit) {
	user, err := s.Logins.User(r.Context(), v.login.Localpart)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	page := templates.AccountProfile{AccountFrame: s.frame(v, templates.SectionProfile), Form: s.accountForm(v, url.Values{fieldDo: {doProfile}}),
		DisplayName: user.DisplayName, Email: user.Email}
	if page.ManagedBy, err = s.nameManagedBy(r.Context(), v.login.Localpart); err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, page)
}

// changeProfile takes another display name, unless an identity provider says it.
func (s *Server) changeProfile(w http.ResponseWriter, r *http.Request, v visit, _ url.Values) {
	managed, err := s.nameManagedBy(r.Context(), v.login.Localpart)
	if err == nil && managed == "" {
		_, err = s.Account.SetDisplayName(r.Context(), v.login.Localpart, upstream.CleanDisplayName(r.PostForm.Get(templates.FieldName)), store.ActorUser)
	}
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, accountURL(provider.ActionProfile))
}

// nameManagedBy is the identity provider that says the display name of a user, by
// any account that is linked; "" when the user does.
func (s *Server) nameManagedBy(ctx context.Context, localpart string) (string, error) {
	if !slices.ContainsFunc(s.Config.IdentityProviders, func(p config.IdentityProvider) bool { return slices.Contains(p.ManagedClaims, config.ManagedName) }) {
		return "", nil
	}
	links, err := s.Account.UpstreamLinks(ctx, localpart)
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if p := s.providerByID(l.ProviderID); p != nil && slices.Contains(p.Config().ManagedClaims, config.ManagedName) {
			return p.Config().Name, nil
		}
	}
	return "", nil
}
