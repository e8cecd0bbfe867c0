package handlers

import (
	"errors"
	"net/http"

	"keymaker/provider"
	"keymaker/provider/scope"
)

// userinfo is the UserInfo endpoint (OpenID Connect Core §5.3). A token comes
// in the header, or in the form of a POST; one in the query is not seen.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	token, ok := bearer(r)
	if !ok && r.Method == http.MethodPost {
		err := readSingle(w, r)
		if err != nil && !errors.Is(err, errContentType) { // a POST of something else has no token
			s.oauthFailure(w, r, err)
			return
		}
		token = r.PostForm.Get("access_token")
	}
	if token == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_request", "error_description": "There is no access token."})
		return
	}
	info, err := s.claims(r, token)
	if err != nil {
		if e := provider.AsError(err); e.Status == http.StatusForbidden {
			w.Header().Set("WWW-Authenticate", `Bearer error="`+e.Code+`", scope="openid"`)
		}
		s.oauthFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, info)
}

func (s *Server) claims(r *http.Request, token string) (provider.UserInfo, error) {
	caller, err := s.Provider.Authenticate(r.Context(), token)
	switch {
	case errors.Is(err, provider.ErrUnknownToken), errors.Is(err, provider.ErrExpiredToken):
		return provider.UserInfo{}, &provider.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "The access token is unknown, expired or revoked."}
	case err != nil:
		return provider.UserInfo{}, err
	case caller.Session.Account.Locked:
		return provider.UserInfo{}, &provider.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "The account is locked."}
	case !caller.Scope.Has(scope.OpenID):
		return provider.UserInfo{}, &provider.Error{Status: http.StatusForbidden, Code: "insufficient_scope", Description: "The token was not granted the scope openid."}
	}
	return s.Provider.UserInfo(r.Context(), caller)
}
