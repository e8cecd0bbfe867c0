package handlers

import (
	"errors"
	"net/http"
	"strings"

	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/upstream"
)

// The fields of a profile.
const (
	fieldDisplayName = "displayname"
	fieldAvatar      = "avatar_url"
)

// profile shows a user of this server to anybody.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	profile, err := s.profileOf(r)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, profile)
}

// profileField shows one field of a profile; an unset one is an empty object.
func (s *Server) profileField(w http.ResponseWriter, r *http.Request) {
	profile, err := s.profileOf(r)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	field, err := variable(r, "field")
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	answer := map[string]string{}
	if v, ok := profile[field]; ok {
		answer[field] = v
	}
	writeJSON(w, http.StatusOK, answer)
}

// setProfileField changes the caller's display name or picture, unless an
// identity provider says it, and nothing else; capabilities tells clients so.
func (s *Server) setProfileField(w http.ResponseWriter, r *http.Request) {
	s.asMember(w, r, func(c *provider.Caller) (any, error) {
		if err := mayChangeProfile(c); err != nil {
			return nil, err
		}
		user, err := variable(r, "user")
		if err != nil {
			return nil, err
		}
		field, err := variable(r, "field")
		if err != nil {
			return nil, err
		}
		set := map[string]func(http.ResponseWriter, *http.Request, string) error{fieldDisplayName: s.setDisplayName, fieldAvatar: s.setAvatar}[field]
		if s.Pictures == nil && field == fieldAvatar {
			set = nil
		}
		if user != c.Session.UserID || set == nil {
			return nil, mxError(http.StatusForbidden, "M_FORBIDDEN", "Nobody changes this here.")
		}
		return struct{}{}, set(w, r, c.Session.Login.Localpart)
	})
}

// mayChangeProfile refuses what a suspended user may not do. Of that the embedded
// surface has nothing but the profile (conformance K-04): they may read, log in
// and out, and look after their devices.
func mayChangeProfile(c *provider.Caller) error {
	if c.Session.Account.Suspended {
		return mxError(http.StatusForbidden, "M_USER_SUSPENDED", "This account has been suspended by an administrator.")
	}
	return nil
}

func (s *Server) setDisplayName(w http.ResponseWriter, r *http.Request, localpart string) error {
	var body struct {
		DisplayName *string `json:"displayname"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	name := ""
	if body.DisplayName != nil {
		name = *body.DisplayName
	}
	if len([]rune(name)) > upstream.MaxDisplayName || !storable(name) {
		return mxError(http.StatusBadRequest, "M_INVALID_PARAM", "A display name has at most 256 characters.")
	}
	if err := s.notManaged(r, localpart, config.ManagedName); err != nil {
		return err
	}
	_, err := s.Account.SetDisplayName(r.Context(), localpart, upstream.CleanDisplayName(name), store.ActorUser)
	return err
}

// setAvatar makes a picture that the caller has uploaded theirs, or removes the
// one that they have.
func (s *Server) setAvatar(w http.ResponseWriter, r *http.Request, localpart string) error {
	var body struct {
		AvatarURL *string `json:"avatar_url"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if err := s.notManaged(r, localpart, config.ManagedPicture); err != nil {
		return err
	}
	if body.AvatarURL == nil || *body.AvatarURL == "" {
		_, err := s.Pictures.ChangePicture(r.Context(), store.PictureChange{Localpart: localpart, Actor: store.ActorUser})
		return err
	}
	_, err := s.Pictures.UsePicture(r.Context(), localpart, *body.AvatarURL, store.ActorUser)
	if errors.Is(err, store.ErrNotFound) {
		return mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The picture is none that this user has uploaded here within the last day.")
	}
	return err
}

// notManaged refuses to change what an identity provider says of a user.
func (s *Server) notManaged(r *http.Request, localpart, claim string) error {
	managed, err := s.managedBy(r.Context(), localpart, claim)
	if err == nil && managed != "" {
		err = mxError(http.StatusForbidden, "M_FORBIDDEN", "The identity provider says this.")
	}
	return err
}

// splitUserID are the two parts of a Matrix user ID; ok is false for what is
// none.
func splitUserID(id string) (localpart, server string, ok bool) {
	rest, ok := strings.CutPrefix(id, "@")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}

func (s *Server) profileOf(r *http.Request) (map[string]string, error) {
	id, err := variable(r, "user")
	if err != nil {
		return nil, err
	}
	localpart, server, ok := splitUserID(id)
	if !ok || server != s.Config.ServerName {
		return nil, mxError(http.StatusNotFound, "M_NOT_FOUND", "This is not a user of this server.")
	}
	user, err := s.Matrix.User(r.Context(), localpart)
	if err != nil {
		return nil, err
	}
	profile := map[string]string{}
	if s.Pictures == nil {
		user.AvatarURL = "" // of before
	}
	for field, value := range map[string]string{fieldDisplayName: user.DisplayName, fieldAvatar: user.AvatarURL} {
		if value != "" && !user.Account.Deactivated {
			profile[field] = value
		}
	}
	return profile, nil
}
