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
	if page.ManagedBy, err = s.managedBy(r.Context(), v.login.Localpart, config.ManagedName); err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, page)
}

// changeProfile takes another display name, unless an identity provider says it.
func (s *Server) changeProfile(w http.ResponseWriter, r *http.Request, v visit, _ url.Values) {
	managed, err := s.managedBy(r.Context(), v.login.Localpart, config.ManagedName)
	if err == nil && managed == "" {
		_, err = s.Account.SetDisplayName(r.Context(), v.login.Localpart, upstream.CleanDisplayName(r.PostForm.Get(templates.FieldName)), store.ActorUser)
	}
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, accountURL(provider.ActionProfile))
}

// managedBy is the identity provider that says a claim of a user, by any account
// that is linked; "" when the user does.
func (s *Server) managedBy(ctx context.Context, localpart, claim string) (string, error) {
	if !slices.ContainsFunc(s.Config.IdentityProviders, func(p config.IdentityProvider) bool { return slices.Contains(p.ManagedClaims, claim) }) {
		return "", nil
	}
	links, err := s.Account.UpstreamLinks(ctx, localpart)
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if p := s.providerByID(l.ProviderID); p != nil && slices.Contains(p.Config().ManagedClaims, claim) {
			return p.Config().Name, nil
		}
	}
	return "", nil
}
