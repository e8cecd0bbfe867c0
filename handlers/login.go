package handlers

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
)

// loginFlow is one entry of GET /login.
type loginFlow struct {
	Type              string     `json:"type"`
	AwarePreferred    *bool      `json:"oauth_aware_preferred,omitempty"`
	AwareUnstable     *bool      `json:"org.matrix.msc3824.delegated_oidc_compatibility,omitempty"`
	IdentityProviders []loginIDP `json:"identity_providers,omitempty"`
}

// loginIDP is an identity provider as MSC2858 lists it.
type loginIDP struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Icon  string `json:"icon,omitempty"`
	Brand string `json:"brand,omitempty"`
}

// loginFlows lists how a legacy client can log in (conformance I-01, I-02).
// Clients that know OAuth are told to prefer it where it is there.
func (s *Server) loginFlows(w http.ResponseWriter, _ *http.Request) {
	sso := loginFlow{Type: "m.login.sso"}
	if s.Config.OAuthEnabled() {
		sso.AwarePreferred, sso.AwareUnstable = &s.Config.OIDCAwarePreferred, &s.Config.OIDCAwarePreferred
	}
	for _, p := range s.Config.IdentityProviders {
		sso.IdentityProviders = append(sso.IdentityProviders, loginIDP{ID: p.ClientID, Name: p.Name, Icon: p.Icon, Brand: brandID(p)})
	}
	writeJSON(w, http.StatusOK, map[string]any{"flows": []loginFlow{sso, {Type: tokenFlow}}})
}

// brandID is the brand in the grammar of MSC2858's identifiers.
func brandID(p config.IdentityProvider) string {
	for _, c := range p.Brand {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return ""
		}
	}
	return p.Brand
}

// loginRequest is the body of POST /login.
type loginRequest struct {
	Type              string `json:"type"`
	Token             string `json:"token"`
	DeviceID          string `json:"device_id"`
	DeviceDisplayName string `json:"initial_device_display_name"`
	RefreshToken      bool   `json:"refresh_token"`
}

// tokenAnswer is what a legacy client gets for a login or a refresh.
type tokenAnswer struct {
	UserID       string `json:"user_id,omitempty"`
	DeviceID     string `json:"device_id,omitempty"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresInMS  int64  `json:"expires_in_ms,omitempty"` // milliseconds
}

// tokenFlow is the login with the token of a single sign-on.
const tokenFlow = "m.login.token" //nolint:gosec // the name of a flow

const appserviceLogin = "m.login.application_service"

// errAppservice is MSC4190's answer where the legacy login is none for bridges.
var errAppservice = mxError(http.StatusBadRequest, "M_APPSERVICE_LOGIN_UNSUPPORTED", "Application services log in with the as_token itself.")

// maxDeviceID is the longest device id in bytes (conformance C-38).
const maxDeviceID = 255

// login exchanges a login token for a session (conformance I-09).
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if err := s.limitAddress(r); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	var body loginRequest
	if err := readJSON(w, r, &body); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	switch {
	case body.Type == appserviceLogin:
		s.matrixFailure(w, r, errAppservice)
		return
	case body.Type != tokenFlow:
		s.matrixFailure(w, r, mxError(http.StatusBadRequest, "M_UNKNOWN", "This login type is not supported: use m.login.sso and m.login.token."))
		return
	case body.Token == "":
		s.matrixFailure(w, r, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The token is missing."))
		return
	case len(body.DeviceID) > maxDeviceID || !storable(body.DeviceID):
		s.matrixFailure(w, r, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The device_id is longer than 255 bytes, or has a character that it may not have."))
		return
	case !storable(body.DeviceDisplayName):
		s.matrixFailure(w, r, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The initial_device_display_name has a character that it may not have."))
		return
	}
	tokens, err := s.Provider.LoginWithToken(r.Context(), provider.LegacyLogin{
		Token: body.Token, DeviceID: body.DeviceID, DeviceName: body.DeviceDisplayName, Refresh: body.RefreshToken,
	})
	s.countLegacyLogin(err)
	if errors.Is(err, store.ErrNotFound) {
		err = mxError(http.StatusForbidden, "M_FORBIDDEN", "The login token is unknown, used or expired.")
	}
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answerTokens(tokens))
}

// countLegacyLogin counts the exchange of a login token among the other grants.
func (s *Server) countLegacyLogin(err error) {
	outcome := "ok"
	if err != nil {
		outcome = provider.AsError(err).Code
	}
	s.Metrics.Token(tokenFlow, outcome)
}

// registerUser makes nobody a user, for users come from the identity providers
// (conformance I-10). It tells an application service to ask for no session
// with its user (I-0C).
func (s *Server) registerUser(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Type         string `json:"type"`
		InhibitLogin bool   `json:"inhibit_login"`
	}
	switch err := readJSON(w, r, &body); {
	case err != nil:
		s.matrixFailure(w, r, err)
	case body.Type == appserviceLogin && !body.InhibitLogin:
		s.matrixFailure(w, r, errAppservice)
	default:
		s.notFound(w, r)
	}
}

// refresh is the legacy refresh (conformance I-0D).
func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := readJSON(w, r, &body); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	if body.RefreshToken == "" {
		s.matrixFailure(w, r, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The refresh_token is missing."))
		return
	}
	tokens, err := s.Provider.RefreshLegacy(r.Context(), body.RefreshToken)
	s.Metrics.Refresh("legacy", provider.RefreshOutcome(tokens != nil && tokens.Replayed, err))
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	answer := answerTokens(tokens)
	answer.UserID, answer.DeviceID = "", ""
	writeJSON(w, http.StatusOK, answer)
}

func answerTokens(t *provider.LegacyTokens) tokenAnswer {
	return tokenAnswer{UserID: t.UserID, DeviceID: t.DeviceID, AccessToken: t.AccessToken, RefreshToken: t.RefreshToken,
		ExpiresInMS: int64(t.ExpiresIn / time.Millisecond)}
}

// logout ends the caller's session (conformance I-0E).
func (s *Server) logout(w http.ResponseWriter, r *http.Request) { s.endSessions(w, r, false) }

// logoutAll ends every session of the caller.
func (s *Server) logoutAll(w http.ResponseWriter, r *http.Request) { s.endSessions(w, r, true) }

func (s *Server) endSessions(w http.ResponseWriter, r *http.Request, all bool) {
	caller, err := s.caller(r)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	if err := s.Provider.Logout(r.Context(), caller, all); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}

// readJSON reads a JSON object of the client-server API.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSON))
	if err != nil {
		return bodyError(err)
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return mxError(http.StatusBadRequest, "M_NOT_JSON", "The body is not JSON in UTF-8.")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return mxError(http.StatusBadRequest, "M_BAD_JSON", "The body has a member of the wrong type.")
	}
	return nil
}
