package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// errNotChanged: what others see of the person is not theirs to change now.
var errNotChanged = errors.New("an identity provider says it, or the account is suspended")

// showProfile shows what the person is known by (conformance H-02).
func (s *Server) showProfile(w http.ResponseWriter, r *http.Request, v visit) {
	s.showProfileWith(w, r, v, http.StatusOK, templates.PictureProblem{})
}

// showProfileWith shows it with what is wrong with a picture.
func (s *Server) showProfileWith(w http.ResponseWriter, r *http.Request, v visit, status int, problem templates.PictureProblem) {
	page, err := s.profilePage(r, v)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	page.PictureProblem = problem
	s.show(w, r, status, page)
}

func (s *Server) profilePage(r *http.Request, v visit) (page templates.AccountProfile, err error) {
	user, err := s.Logins.User(r.Context(), v.login.Localpart)
	if err != nil {
		return page, err
	}
	links, err := s.Account.UpstreamLinks(r.Context(), v.login.Localpart)
	if err != nil {
		return page, err
	}
	page = templates.AccountProfile{AccountFrame: s.frame(v, templates.SectionProfile), Form: s.accountForm(v, url.Values{fieldDo: {doProfile}}),
		DisplayName: user.DisplayName, Email: user.Email, Suspended: user.Account.Suspended, WithoutPicture: s.Pictures == nil,
		ManagedBy: s.managing(links, config.ManagedName), PictureManagedBy: s.managing(links, config.ManagedPicture),
		Picture: s.accountForm(v, url.Values{fieldDo: {doPicture}}), RemovePicture: s.accountForm(v, url.Values{fieldDo: {doRemovePicture}}),
		PictureSources: s.pictureSources(v, links)}
	page.Picture.Action = accountPicturePath
	if user.AvatarURL != "" {
		page.PictureURL = accountPicturePath
	}
	return page, nil
}

// changeProfile takes another display name, unless an identity provider says it.
func (s *Server) changeProfile(w http.ResponseWriter, r *http.Request, v visit, _ url.Values) {
	err := s.mayChange(r, v, config.ManagedName)
	if err == nil {
		_, err = s.Account.SetDisplayName(r.Context(), v.login.Localpart, upstream.CleanDisplayName(r.PostForm.Get(templates.FieldName)), store.ActorUser)
	}
	if err != nil && !errors.Is(err, errNotChanged) {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, accountURL(provider.ActionProfile))
}

// mayChange is errNotChanged where an identity provider says a claim, or the
// account is suspended (conformance K-04).
func (s *Server) mayChange(r *http.Request, v visit, claim string) error {
	managed, err := s.managedBy(r.Context(), v.login.Localpart, claim)
	if err != nil {
		return err
	}
	user, err := s.Logins.User(r.Context(), v.login.Localpart)
	if err == nil && (managed != "" || user.Account.Suspended) {
		err = errNotChanged
	}
	return err
}

// managedBy is the identity provider that says a claim of a user, by any account
// that is linked; "" when the user does.
func (s *Server) managedBy(ctx context.Context, localpart, claim string) (string, error) {
	if !slices.ContainsFunc(s.Config.IdentityProviders, func(p config.IdentityProvider) bool { return slices.Contains(p.ManagedClaims, claim) }) {
		return "", nil
	}
	links, err := s.Account.UpstreamLinks(ctx, localpart)
	return s.managing(links, claim), err
}

// managing is the identity provider of one of the links that says a claim; ""
// when none does.
func (s *Server) managing(links []store.UpstreamLink, claim string) string {
	for _, l := range links {
		if p := s.providerByID(l.ProviderID); p != nil && slices.Contains(p.Config().ManagedClaims, claim) {
			return p.Config().Name
		}
	}
	return ""
}
