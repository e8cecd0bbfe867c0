package fakesynapse

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// Answer is what Synapse makes of a Matrix request with a token.
type Answer struct {
	// Status is 200 when the token is good, 401 when it is not, 500 when the
	// authorization server broke the contract, 503 when nobody knows.
	Status int
	// Errcode and Text are those of the error.
	Errcode, Text string
	// UserID and DeviceID are who asks; a token may be for no device.
	UserID, DeviceID string
	// Admin is whether they may administrate the server.
	Admin bool
}

var (
	apiScopes    = []string{"urn:matrix:client:api:*", "urn:matrix:org.matrix.msc2967.client:api:*"}
	deviceScopes = []string{"urn:matrix:client:device:", "urn:matrix:org.matrix.msc2967.client:device:"}
)

// Ask is a Matrix request with a token: who asks, or what is answered instead. It
// ends with ctx, which Synapse does not.
func (s *Synapse) Ask(ctx context.Context, token string) Answer {
	endpoint, shared := s.delegate()
	c, err := s.ask(ctx, endpoint, shared, token)
	switch {
	case err != nil:
		return Answer{Status: http.StatusServiceUnavailable, Errcode: "M_UNKNOWN", Text: "Unable to introspect the access token"}
	case !c.isActive(s.clock.Now()):
		return notActive
	}
	var scope []string
	if c.scope != nil {
		scope = strings.Split(*c.scope, " ")
	}
	if !slices.ContainsFunc(scope, func(token string) bool { return slices.Contains(apiScopes, token) }) {
		return Answer{Status: http.StatusUnauthorized, Errcode: "M_UNKNOWN_TOKEN", Text: "Token doesn't grant access to the Matrix C-S API"}
	}
	if c.username == nil {
		return broken("Invalid username claim in the introspection result")
	}
	return s.identify(token, c, scope)
}

var notActive = Answer{Status: http.StatusUnauthorized, Errcode: "M_UNKNOWN_TOKEN", Text: "Token is not active"}

// broken is the answer when the contract is broken.
func broken(text string) Answer {
	return Answer{Status: http.StatusInternalServerError, Errcode: "M_FORBIDDEN", Text: text}
}

// identify finds the user and the device, which must both exist.
func (s *Synapse) identify(token string, c claims, scope []string) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[*c.username]
	if u == nil {
		return broken("User not found")
	}
	a := Answer{Status: http.StatusOK, UserID: userID(*c.username), Admin: slices.Contains(scope, "urn:synapse:admin:*")}
	ids := deviceIDs(scope)
	switch {
	case c.deviceID != nil:
		a.DeviceID = *c.deviceID
	case len(ids) > 1:
		return broken("Multiple device IDs in scope")
	case len(ids) == 0:
		return a
	default:
		a.DeviceID = ids[0]
	}
	if n := utf8.RuneCountInString(a.DeviceID); n < 1 || n > 255 {
		return broken("Invalid device ID in introspection result")
	}
	if _, ok := u.devices[a.DeviceID]; !ok {
		s.drop(token)
		return notActive
	}
	return a
}

// deviceIDs are the different ones of a scope.
func deviceIDs(scope []string) []string {
	var ids []string
	for _, token := range scope {
		for _, prefix := range deviceScopes {
			if id, ok := strings.CutPrefix(token, prefix); ok && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func (s *Synapse) serveWhoami(w http.ResponseWriter, r *http.Request) {
	token, refused := bearer(r)
	if refused != nil {
		refused.write(w)
		return
	}
	a := s.Ask(r.Context(), token)
	body := map[string]any{"errcode": a.Errcode, "error": a.Text}
	switch {
	case a.Status == http.StatusOK && a.DeviceID != "":
		body = map[string]any{"user_id": a.UserID, "is_guest": false, "device_id": a.DeviceID}
	case a.Status == http.StatusOK:
		body = map[string]any{"user_id": a.UserID, "is_guest": false}
	case a.Status == http.StatusUnauthorized:
		body["soft_logout"] = false
	}
	(&answer{a.Status, body}).write(w)
}
