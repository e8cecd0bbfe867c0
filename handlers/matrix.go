package handlers

import (
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
)

// caller is who presents the access token of a Matrix request. A token in the
// query is not seen (conformance K-06).
func (s *Server) caller(r *http.Request) (*provider.Caller, error) {
	token, ok := bearer(r)
	if !ok || token == "" {
		return nil, mxError(http.StatusUnauthorized, "M_MISSING_TOKEN", "There is no access token.")
	}
	caller, err := s.Provider.Authenticate(r.Context(), token)
	if err != nil {
		return nil, err
	}
	if !caller.Scope.HasAPI() {
		return nil, provider.ErrUnknownToken // conformance K-02
	}
	return caller, nil
}

// member is a caller who may use the client-server API at large: a locked user
// may only log out (conformance K-03).
func (s *Server) member(r *http.Request) (*provider.Caller, error) {
	caller, err := s.caller(r)
	if err == nil && caller.Session.Account.Locked {
		return nil, provider.ErrLocked
	}
	return caller, err
}

// asMember answers a request of a member with what do returns.
func (s *Server) asMember(w http.ResponseWriter, r *http.Request, do func(c *provider.Caller) (any, error)) {
	caller, err := s.member(r)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	answer, err := do(caller)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	status := http.StatusOK
	if _, ok := answer.(uiaAnswer); ok {
		status = http.StatusUnauthorized
	}
	writeJSON(w, status, answer)
}

// variable is a part of the path, decoded once.
func variable(r *http.Request, name string) (string, error) {
	v, err := url.PathUnescape(mux.Vars(r)[name])
	if err != nil || !storable(v) {
		return "", mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The path is not well encoded.")
	}
	return v, nil
}

// wellKnownClient tells clients where the homeserver is, and old ones where the
// OAuth server is (conformance A-13).
func (s *Server) wellKnownClient(w http.ResponseWriter, r *http.Request) {
	base := s.Config.WellKnown.Client
	if base == "" {
		s.notFound(w, r)
		return
	}
	doc := map[string]any{"m.homeserver": map[string]string{"base_url": base}}
	if s.Config.OAuthEnabled() {
		doc["org.matrix.msc2965.authentication"] = map[string]string{"issuer": base, "account": s.Provider.AccountURL()}
	}
	writeJSON(w, http.StatusOK, doc)
}

// versions lists what of the specification is served (conformance A-14).
func (s *Server) versions(w http.ResponseWriter, _ *http.Request) {
	on := s.Config.OAuthEnabled()
	unstable := map[string]bool{}
	for _, msc := range []string{"org.matrix.msc2964", "org.matrix.msc2965", "org.matrix.msc2966", "org.matrix.msc2967", "org.matrix.msc3824", "org.matrix.msc3861"} {
		unstable[msc] = on
	}
	unstable["org.matrix.msc4108"] = s.rendezvousOn()
	writeJSON(w, http.StatusOK, map[string]any{"versions": []string{"v1.11", "v1.12", "v1.13", "v1.14", "v1.15"}, "unstable_features": unstable})
}

// whoami says whose the token is (conformance D-11, K-12).
func (s *Server) whoami(w http.ResponseWriter, r *http.Request) {
	s.asMember(w, r, func(c *provider.Caller) (any, error) {
		return map[string]any{"user_id": c.Session.UserID, "device_id": c.Session.DeviceID, "is_guest": false}, nil
	})
}

// threepids lists third-party identifiers, of which this server keeps none.
func (s *Server) threepids(w http.ResponseWriter, r *http.Request) {
	s.asMember(w, r, func(*provider.Caller) (any, error) {
		return map[string]any{"threepids": []string{}}, nil
	})
}

// capabilities says what a client should not offer (conformance K-11).
func (s *Server) capabilities(w http.ResponseWriter, r *http.Request) {
	off := map[string]bool{"enabled": false}
	s.asMember(w, r, func(c *provider.Caller) (any, error) {
		name, err := s.managedBy(r.Context(), c.Session.Login.Localpart, config.ManagedName)
		if err != nil {
			return nil, err
		}
		picture, err := s.managedBy(r.Context(), c.Session.Login.Localpart, config.ManagedPicture)
		return map[string]any{"capabilities": map[string]any{
			"m.change_password": off, "m.3pid_changes": off, "m.get_login_token": off,
			"m.set_displayname": map[string]bool{"enabled": name == ""}, "m.set_avatar_url": map[string]bool{"enabled": s.Pictures != nil && picture == ""},
		}}, err
	})
}

// deviceAnswer is a device as the client-server API shows it. Times are
// milliseconds.
type deviceAnswer struct {
	ID          string `json:"device_id"`
	DisplayName string `json:"display_name,omitempty"`
	LastSeen    int64  `json:"last_seen_ts,omitempty"`
}

func answerDevice(d store.Device) deviceAnswer {
	return deviceAnswer{ID: d.ID, DisplayName: d.DisplayName, LastSeen: d.LastSeenAt.UnixMilli()}
}

// devices lists the caller's devices.
func (s *Server) devices(w http.ResponseWriter, r *http.Request) {
	s.asMember(w, r, func(c *provider.Caller) (any, error) {
		list, err := s.Matrix.Devices(r.Context(), c.Session.Login.Localpart)
		answers := make([]deviceAnswer, 0, len(list))
		for _, d := range list {
			answers = append(answers, answerDevice(d))
		}
		return map[string]any{"devices": answers}, err
	})
}

// device shows one of the caller's devices.
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	s.asMember(w, r, func(c *provider.Caller) (any, error) {
		id, err := variable(r, "device")
		if err != nil {
			return nil, err
		}
		d, err := s.Matrix.Device(r.Context(), c.Session.Login.Localpart, id)
		return answerDevice(d), err
	})
}

// maxDisplayName is the longest device name in characters (homeserver contract).
const maxDisplayName = 100

// renameDevice changes the name of one of the caller's devices.
func (s *Server) renameDevice(w http.ResponseWriter, r *http.Request) {
	s.asMember(w, r, func(c *provider.Caller) (any, error) {
		id, err := variable(r, "device")
		if err != nil {
			return nil, err
		}
		var body struct {
			DisplayName *string `json:"display_name"`
		}
		if err := readJSON(w, r, &body); err != nil {
			return nil, err
		}
		switch {
		case body.DisplayName == nil:
			_, err := s.Matrix.Device(r.Context(), c.Session.Login.Localpart, id)
			return struct{}{}, err
		case len([]rune(*body.DisplayName)) > maxDisplayName || !storable(*body.DisplayName):
			return nil, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "A device name has at most 100 characters.")
		}
		return struct{}{}, s.Matrix.RenameDevice(r.Context(), c.Session.Login.Localpart, id, *body.DisplayName)
	})
}
