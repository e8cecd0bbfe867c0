package handlers

import (
	"context"
	"encoding/json"
	"testing"

	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
)

// oneUIA knows one session that waits.
type oneUIA struct{ Resets }

// BeginUIA implements Resets.
func (oneUIA) BeginUIA(_ context.Context, localpart, sessionID string) (string, error) {
	if localpart != "alice" || sessionID != "s1" {
		return "", store.ErrNotFound
	}
	return "id", nil
}

// Without a configured provider the stage that is bound to it is not offered
// (conformance J-22); that it is with one, the tests that speak HTTP show.
func TestResetFlowsWithoutTheProvider(t *testing.T) {
	s := &Server{Options: Options{Config: &config.Config{}, Resets: oneUIA{}}}
	for _, kind := range []store.SessionKind{store.OAuth, store.Legacy} {
		c := &provider.Caller{Session: &store.Session{ID: "s1", Kind: kind, Login: store.Login{Localpart: "alice", ProviderID: "gone"}}}
		answer, err := s.resetFlows(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(answer); string(got) != `{"session":"id","flows":[],"params":{}}` {
			t.Errorf("%s: %s", kind, got)
		}
	}
}
