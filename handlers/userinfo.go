package handlers

import (
	"errors"
	"io"
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
		writeJSON(w, http.StatusUnauthorized, struct{}{}) // RFC 6750 §3.1: without a token there is no error code
		return
	}
	info, signed, err := s.claims(r, token)
	if err != nil {
		if e := provider.AsError(err); e.Status == http.StatusForbidden {
			w.Header().Set("WWW-Authenticate", `Bearer error="`+e.Code+`", scope="openid"`)
		}
		s.oauthFailure(w, r, err)
		return
	}
	if signed != "" {
		noStore(w)
		w.Header().Set("Content-Type", "application/jwt")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, signed) //nolint:gosec // G705: a JWT of ours is base64url, and no page
		return
	}
	writeJSON(w, http.StatusOK, info)
}

// claims are what an access token lets its client know, and the same as a JWT
// where the client registered for that.
func (s *Server) claims(r *http.Request, token string) (info provider.UserInfo, signed string, err error) {
	caller, err := s.mayAskForClaims(r, token)
	if err != nil {
		return info, "", err
	}
	if info, err = s.Provider.UserInfo(r.Context(), caller); err != nil {
		return info, "", err
	}
	signed, err = s.Provider.SignUserInfo(r.Context(), caller, info)
	return info, signed, err
}

func (s *Server) mayAskForClaims(r *http.Request, token string) (*provider.Caller, error) {
	caller, err := s.Provider.Authenticate(r.Context(), token)
	switch {
	case errors.Is(err, provider.ErrUnknownToken), errors.Is(err, provider.ErrExpiredToken):
		return nil, &provider.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "The access token is unknown, expired or revoked."}
	case err != nil:
		return nil, err
	case caller.Session.Account.Locked:
		return nil, &provider.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "The account is locked."}
	case !caller.Scope.Has(scope.OpenID):
		return nil, &provider.Error{Status: http.StatusForbidden, Code: "insufficient_scope", Description: "The token was not granted the scope openid."}
	}
	return caller, nil
}
