package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"keymaker/internal/e2ekeys"
	"keymaker/provider"
	"keymaker/store"
)

// uploadCrossSigning takes the caller's cross-signing keys (CS-API, POST
// /keys/device_signing/upload). The first ones, and those that are there
// already, need nothing; other ones a person's approval (conformance J-01, J-02).
func (s *Server) uploadCrossSigning(w http.ResponseWriter, r *http.Request) {
	s.withDevice(w, r, func(c *provider.Caller) (any, error) {
		var body struct {
			Master      json.RawMessage `json:"master_key"`
			SelfSigning json.RawMessage `json:"self_signing_key"`
			UserSigning json.RawMessage `json:"user_signing_key"`
			// Auth says nothing that is not known: an approval is of a session, and
			// counts whatever the client says of it (conformance J-06).
			Auth struct {
				Type    string `json:"type"`
				Session string `json:"session"`
			} `json:"auth"`
		}
		if err := readJSON(w, r, &body); err != nil {
			return nil, err
		}
		upload, err := e2ekeys.ParseUpload(c.Session.UserID, map[e2ekeys.Usage]json.RawMessage{
			e2ekeys.Master: body.Master, e2ekeys.SelfSigning: body.SelfSigning, e2ekeys.UserSigning: body.UserSigning,
		})
		if err != nil {
			return nil, err
		}
		err = s.Matrix.ChangeCrossSigning(r.Context(), c.Session, func(have store.PublicKeys) (e2ekeys.Change, error) {
			state, err := publicView{user: c.Session.UserID, keys: have}.state()
			if err != nil {
				return e2ekeys.Change{}, err
			}
			return upload.Against(state)
		})
		if errors.Is(err, store.ErrNotApproved) {
			return s.askApproval(r.Context(), c)
		}
		return struct{}{}, err
	})
}

// askApproval tells a client how its person can approve what it wants, if there
// is a way (conformance J-04).
func (s *Server) askApproval(ctx context.Context, c *provider.Caller) (any, error) {
	answer, err := s.resetFlows(ctx, c)
	if err == nil && len(answer.Flows) == 0 {
		err = mxError(http.StatusForbidden, "M_FORBIDDEN", "The provider that this session was signed in with is not here any more: sign in anew.")
	}
	return answer, err
}

// uploadSignatures takes signatures by which the caller's keys trust each other
// (CS-API, POST /keys/signatures/upload). Each one is right or named with what
// is wrong.
func (s *Server) uploadSignatures(w http.ResponseWriter, r *http.Request) {
	s.withDevice(w, r, func(c *provider.Caller) (any, error) {
		var body map[string]map[string]json.RawMessage
		if err := readJSON(w, r, &body); err != nil {
			return nil, err
		}
		failures := map[string]map[string]*matrixError{}
		for user, targets := range body {
			if user == c.Session.UserID {
				continue
			}
			failures[user] = map[string]*matrixError{}
			for target := range targets {
				failures[user][target] = mxError(http.StatusNotFound, "M_NOT_FOUND", "There is no such key.")
			}
		}
		own := body[c.Session.UserID]
		if len(own) == 0 {
			return map[string]any{"failures": failures}, nil
		}
		err := s.Matrix.SignKeys(r.Context(), c.Session.Login.Localpart, func(have store.PublicKeys) ([]e2ekeys.Signature, error) {
			state, err := publicView{user: c.Session.UserID, keys: have}.state()
			good, refused := state.Signatures(own)
			for target, e := range refused {
				if failures[c.Session.UserID] == nil {
					failures[c.Session.UserID] = map[string]*matrixError{}
				}
				failures[c.Session.UserID][target] = keyFailure(e)
			}
			return good, err
		})
		return map[string]any{"failures": failures}, err
	})
}

// publicView is a user's keys as clients see them.
type publicView struct {
	user string // the full user ID
	keys store.PublicKeys
}

// devices are the keys of the devices that are named, or of all when none is.
func (v publicView) devices(named []string) (map[string]json.RawMessage, error) {
	shown := map[string]json.RawMessage{}
	for _, d := range v.keys.Devices {
		if d.JSON == nil || len(named) > 0 && !slices.Contains(named, d.DeviceID) {
			continue
		}
		unsigned := map[string]any{}
		if d.DisplayName != "" {
			unsigned["device_display_name"] = d.DisplayName
		}
		var err error
		if shown[d.DeviceID], err = v.signed(d.JSON, d.DeviceID, unsigned); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

// signed is a key with every signature on it.
func (v publicView) signed(kept []byte, target string, unsigned map[string]any) (json.RawMessage, error) {
	more := map[string]string{}
	for _, g := range v.keys.Signatures {
		if g.Target == target {
			more[g.KeyID] = g.Signature
		}
	}
	shown, err := e2ekeys.Signed(kept, v.user, more, unsigned)
	return shown, asStored(err)
}

// state is what uploads are measured against.
func (v publicView) state() (e2ekeys.State, error) {
	state := e2ekeys.State{UserID: v.user, Keys: map[e2ekeys.Usage]e2ekeys.Key{}, Devices: map[string]e2ekeys.DeviceKeys{}}
	for _, d := range v.keys.Devices {
		state.Devices[d.DeviceID] = e2ekeys.DeviceKeys{}
		if d.JSON == nil {
			continue
		}
		var err error
		if state.Devices[d.DeviceID], err = e2ekeys.StoredDeviceKeys(d.JSON, d.DeviceID); err != nil {
			return state, asStored(err)
		}
	}
	for _, k := range v.keys.CrossSigning {
		var err error
		if state.Keys[k.Usage], err = e2ekeys.StoredKey(k.Usage, k.ID, k.JSON); err != nil {
			return state, asStored(err)
		}
	}
	return state, nil
}

// asStored is an error of a key that was fine when it was stored: the fault is
// not the caller's.
func asStored(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read a stored key: %w: %w", store.ErrUnavailable, err)
}
