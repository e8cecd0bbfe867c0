package handlers

import (
	"errors"
	"net/http"
	"net/url"

	"keymaker/internal/config"
	"keymaker/internal/picture"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

const accountPicturePath = accountPath + "/picture"

// ownPicture shows a person their own picture, to the pages of this server alone.
func (s *Server) ownPicture(w http.ResponseWriter, r *http.Request) {
	login, err := s.Logins.BrowserSession(r.Context(), s.cookies.session(r))
	var p store.Picture
	if err == nil {
		p, err = s.Pictures.PictureOf(r.Context(), login.Localpart)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.notFound(w, r)
	case err != nil:
		s.trouble(w, r, err)
	default:
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		writePicture(w, kept(p), "")
	}
}

// sendPicture takes the form with a picture. Nothing of it is read before it is
// known who sends it.
func (s *Server) sendPicture(w http.ResponseWriter, r *http.Request) {
	login, ok := s.formLogin(w, r)
	if !ok {
		return
	}
	if stop := s.mayApprove(w, r, login); stop {
		return
	}
	end, err := s.uploads.begin(login.Localpart)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	defer end()
	form, err := s.readPictureForm(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	about, err := parseValues(form.id)
	if err != nil || !s.authentic(form.decision, login) || about.Get(fieldDo) != doPicture {
		s.forged(w, r)
		return
	}
	v := visit{login: login, browser: form.browser, query: url.Values{fieldAction: {provider.ActionProfile}}}
	s.changePicture(w, r, v, "", func(c store.PictureChange) error {
		if form.failed != nil {
			return form.failed
		}
		n, err := readPicture(r.Context(), form.file)
		if err != nil {
			return err
		}
		c.Picture = &n
		_, err = s.Pictures.ChangePicture(r.Context(), c)
		return err
	})
}

// removePicture leaves the person without a picture.
func (s *Server) removePicture(w http.ResponseWriter, r *http.Request, v visit, _ url.Values) {
	s.changePicture(w, r, v, "", func(c store.PictureChange) error {
		_, err := s.Pictures.ChangePicture(r.Context(), c)
		return err
	})
}

// takePicture takes the picture that a linked account has at its provider.
func (s *Server) takePicture(w http.ResponseWriter, r *http.Request, v visit, about url.Values) {
	links, err := s.Account.UpstreamLinks(r.Context(), v.login.Localpart)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	for _, l := range links {
		if linkKey(l.ProviderID, l.Issuer, l.Subject) != about.Get(fieldLink) || l.PictureURL == "" {
			continue
		}
		end, err := s.uploads.begin(v.login.Localpart)
		if err != nil {
			s.trouble(w, r, err)
			return
		}
		defer end()
		s.changePicture(w, r, v, s.providerName(l.ProviderID), func(c store.PictureChange) error {
			return s.PictureTaker.Take(r.Context(), l.ProviderID, l.PictureURL, c)
		})
		return
	}
	seeOther(w, accountURL(provider.ActionProfile)) // where it is not offered any more
}

// changePicture makes a change unless the picture is not the person's to change,
// and shows the profile again, with what is wrong with a picture that they chose,
// or that was taken from a provider.
func (s *Server) changePicture(w http.ResponseWriter, r *http.Request, v visit, from string, change func(store.PictureChange) error) {
	err := s.mayChange(r, v, config.ManagedPicture)
	if err == nil {
		err = change(store.PictureChange{Localpart: v.login.Localpart, Actor: store.ActorUser})
	}
	problem := templates.PictureProblem{Provider: from}
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil, errors.Is(err, errNotChanged):
		seeOther(w, accountURL(provider.ActionProfile))
		return
	case errors.Is(err, upstream.ErrPictureAway), errors.Is(err, upstream.ErrPictureRefused),
		from != "" && (errors.Is(err, picture.ErrTooLarge) || errors.Is(err, picture.ErrNoPicture)):
		problem.Kind = templates.PictureNotTaken
	case errors.Is(err, errTooLarge):
		problem.Kind, status = templates.PictureTooLarge, http.StatusRequestEntityTooLarge
	case errors.Is(err, picture.ErrNoPicture):
		problem.Kind = templates.PictureUnreadable
	default:
		s.trouble(w, r, err)
		return
	}
	s.logFailure(r, status, err)
	s.showProfileWith(w, r, v, status, problem)
}

// pictureSources are the linked accounts from which a picture can be taken.
func (s *Server) pictureSources(v visit, links []store.UpstreamLink) []templates.PictureSource {
	var sources []templates.PictureSource
	for _, l := range links {
		if p := s.providerByID(l.ProviderID); p != nil && l.PictureURL != "" {
			about := url.Values{fieldDo: {doTakePicture}, fieldLink: {linkKey(l.ProviderID, l.Issuer, l.Subject)}}
			sources = append(sources, templates.PictureSource{Provider: p.Config().Name, Account: l.AccountName, Form: s.accountForm(v, about)})
		}
	}
	return sources
}
