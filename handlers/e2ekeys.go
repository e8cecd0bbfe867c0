package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"keymaker/internal/e2ekeys"
	"keymaker/provider"
	"keymaker/store"
)

// Keys is what the endpoints of end-to-end encryption ask for. Everybody sees
// and changes their own keys alone: other users meet on no homeserver here.
type Keys interface {
	PublicKeys(ctx context.Context, localpart string) (store.PublicKeys, error)
	UploadKeys(ctx context.Context, localpart, deviceID string, u store.KeyUpload) (counts map[string]int, err error)
	ClaimKeys(ctx context.Context, localpart string, algorithms map[string]string) (map[string]e2ekeys.OneTimeKey, error)
	SignKeys(ctx context.Context, localpart string, choose func(store.PublicKeys) ([]e2ekeys.Signature, error)) error
	ChangeCrossSigning(ctx context.Context, by *store.Session, plan func(store.PublicKeys) (e2ekeys.Change, error)) error
}

// keyFailure says in Matrix's words why keys are refused.
func keyFailure(e *e2ekeys.Error) *matrixError {
	switch e.Reason {
	case e2ekeys.Missing:
		return mxError(http.StatusBadRequest, "M_MISSING_PARAM", e.Text)
	case e2ekeys.BadSignature:
		return mxError(http.StatusBadRequest, "M_INVALID_SIGNATURE", e.Text)
	case e2ekeys.Forbidden:
		return mxError(http.StatusForbidden, "M_FORBIDDEN", e.Text)
	case e2ekeys.Unknown:
		return mxError(http.StatusNotFound, "M_NOT_FOUND", e.Text)
	default:
		return mxError(http.StatusBadRequest, "M_INVALID_PARAM", e.Text)
	}
}

// withDevice answers a request of a member who has a device: keys are a
// device's.
func (s *Server) withDevice(w http.ResponseWriter, r *http.Request, do func(c *provider.Caller) (any, error)) {
	s.asMember(w, r, func(c *provider.Caller) (any, error) {
		if c.Session.DeviceID == "" {
			return nil, mxError(http.StatusForbidden, "M_FORBIDDEN", "This session has no device.")
		}
		answer, err := do(c)
		var refused *e2ekeys.Error
		if errors.As(err, &refused) && !errors.Is(err, store.ErrUnavailable) {
			err = keyFailure(refused)
		}
		return answer, err
	})
}

// uploadKeys takes the keys of the caller's device (CS-API, POST /keys/upload).
func (s *Server) uploadKeys(w http.ResponseWriter, r *http.Request) {
	s.withDevice(w, r, func(c *provider.Caller) (any, error) {
		var body struct {
			DeviceKeys json.RawMessage            `json:"device_keys"`
			OneTime    map[string]json.RawMessage `json:"one_time_keys"`
			Fallback   map[string]json.RawMessage `json:"fallback_keys"`
			Unstable   map[string]json.RawMessage `json:"org.matrix.msc2732.fallback_keys"`
		}
		if err := readJSON(w, r, &body); err != nil {
			return nil, err
		}
		var upload store.KeyUpload
		if len(body.DeviceKeys) > 0 && string(body.DeviceKeys) != "null" {
			device, err := e2ekeys.ParseDeviceKeys(body.DeviceKeys, c.Session.UserID, c.Session.DeviceID)
			if err != nil {
				return nil, err
			}
			upload.Device = device.JSON
		}
		var err error
		if upload.OneTime, err = e2ekeys.ParseOneTimeKeys(body.OneTime); err != nil {
			return nil, err
		}
		if body.Fallback == nil {
			body.Fallback = body.Unstable
		}
		if upload.Fallback, err = e2ekeys.ParseOneTimeKeys(body.Fallback); err != nil {
			return nil, err
		}
		counts, err := s.Matrix.UploadKeys(r.Context(), c.Session.Login.Localpart, c.Session.DeviceID, upload)
		if errors.Is(err, store.ErrConflict) {
			err = mxError(http.StatusBadRequest, "M_UNKNOWN", "One time key already exists: another one has the same name.")
		}
		return map[string]any{"one_time_key_counts": counts}, err
	})
}

// keysAnswer is what of keys there is, by user.
type keysAnswer struct {
	Devices     map[string]map[string]json.RawMessage `json:"device_keys"`
	Master      map[string]json.RawMessage            `json:"master_keys"`
	SelfSigning map[string]json.RawMessage            `json:"self_signing_keys"`
	UserSigning map[string]json.RawMessage            `json:"user_signing_keys"`
	Failures    map[string]struct{}                   `json:"failures"`
}

// queryKeys shows the caller's keys (CS-API, POST /keys/query). Of other users
// there are none, and other servers are not asked.
func (s *Server) queryKeys(w http.ResponseWriter, r *http.Request) {
	s.withDevice(w, r, func(c *provider.Caller) (any, error) {
		var body struct {
			Devices map[string][]string `json:"device_keys"`
		}
		if err := readJSON(w, r, &body); err != nil {
			return nil, err
		}
		if body.Devices == nil {
			return nil, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The device_keys are missing.")
		}
		answer := keysAnswer{Devices: map[string]map[string]json.RawMessage{}, Master: map[string]json.RawMessage{}, SelfSigning: map[string]json.RawMessage{},
			UserSigning: map[string]json.RawMessage{}, Failures: map[string]struct{}{}}
		for id := range body.Devices {
			_, server, ok := splitUserID(id)
			switch {
			case !ok:
				return nil, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "A user ID is none.")
			case server != s.Config.ServerName:
				answer.Failures[server] = struct{}{}
			default:
				answer.Devices[id] = map[string]json.RawMessage{}
			}
		}
		if devices, ok := body.Devices[c.Session.UserID]; ok {
			return answer, s.ownKeys(r.Context(), c, devices, &answer)
		}
		return answer, nil
	})
}

// ownKeys adds the caller's keys: of the devices that are named, or of all.
func (s *Server) ownKeys(ctx context.Context, c *provider.Caller, named []string, answer *keysAnswer) error {
	keys, err := s.Matrix.PublicKeys(ctx, c.Session.Login.Localpart)
	if err != nil {
		return err
	}
	view := publicView{user: c.Session.UserID, keys: keys}
	answer.Devices[view.user], err = view.devices(named)
	if err != nil {
		return err
	}
	for _, k := range keys.CrossSigning {
		shown, err := view.signed(k.JSON, k.ID, nil)
		if err != nil {
			return err
		}
		switch k.Usage {
		case e2ekeys.Master:
			answer.Master[view.user] = shown
		case e2ekeys.SelfSigning:
			answer.SelfSigning[view.user] = shown
		case e2ekeys.UserSigning: // the caller's own: nobody else sees it
			answer.UserSigning[view.user] = shown
		}
	}
	return nil
}

// claimKeys takes one-time keys of the caller's devices (CS-API, POST
// /keys/claim).
func (s *Server) claimKeys(w http.ResponseWriter, r *http.Request) {
	s.withDevice(w, r, func(c *provider.Caller) (any, error) {
		var body struct {
			OneTime map[string]map[string]string `json:"one_time_keys"`
		}
		if err := readJSON(w, r, &body); err != nil {
			return nil, err
		}
		if body.OneTime == nil {
			return nil, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The one_time_keys are missing.")
		}
		claimed, failures := map[string]map[string]map[string]json.RawMessage{}, map[string]struct{}{}
		for id := range body.OneTime {
			_, server, ok := splitUserID(id)
			switch {
			case !ok:
				return nil, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "A user ID is none.")
			case server != s.Config.ServerName:
				failures[server] = struct{}{}
			}
		}
		if wanted := body.OneTime[c.Session.UserID]; len(wanted) > 0 {
			keys, err := s.Matrix.ClaimKeys(r.Context(), c.Session.Login.Localpart, wanted)
			if err != nil {
				return nil, err
			}
			claimed[c.Session.UserID] = map[string]map[string]json.RawMessage{}
			for device, k := range keys {
				claimed[c.Session.UserID][device] = map[string]json.RawMessage{k.Algorithm + ":" + k.ID: k.JSON}
			}
		}
		return map[string]any{"one_time_keys": claimed, "failures": failures}, nil
	})
}
