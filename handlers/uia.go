package handlers

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

// The stages that lead to the approval of a reset (conformance J-04, J-22).
const (
	stageOAuth = "m.oauth"
	stageSSO   = "m.login.sso"

	// fieldUIA names the client that waits for an approval.
	fieldUIA = "session"
)

// Resets is what is kept of those who want to replace cross-signing keys.
type Resets interface {
	BeginUIA(ctx context.Context, localpart, sessionID string) (id string, err error)
	UIASession(ctx context.Context, id string) (store.UIASession, error)
	ApproveReset(ctx context.Context, k store.ProofKey, x store.UIASession) error
	ResetApproved(ctx context.Context, localpart, sessionID string) (bool, error)
	TakeProof(ctx context.Context, k store.ProofKey) (store.Login, error)
}

// uiaAnswer asks a client for a person's approval (CS-API, User-Interactive
// Authentication API).
type uiaAnswer struct {
	Session string              `json:"session"`
	Flows   []uiaFlow           `json:"flows"`
	Params  map[string]uiaParam `json:"params"`
}

type uiaFlow struct {
	Stages []string `json:"stages"`
}

type uiaParam struct {
	URL string `json:"url"`
}

// resetFlows is the 401 that a client gets which wants to replace the
// cross-signing keys without an approval. An OAuth session is sent to the
// account page; the provider that authenticated the device is a way for any
// session, if there is one (conformance J-04, J-05, J-22).
func (s *Server) resetFlows(ctx context.Context, c *provider.Caller) (uiaAnswer, error) {
	id, err := s.Resets.BeginUIA(ctx, c.Session.Login.Localpart, c.Session.ID)
	answer := uiaAnswer{Session: id, Flows: []uiaFlow{}, Params: map[string]uiaParam{}}
	if err != nil {
		return answer, err
	}
	if c.Session.Kind == store.OAuth && s.Config.OAuthEnabled() {
		page := s.Provider.AccountURL() + strings.TrimPrefix(accountURL(provider.ActionCrossSigningReset, fieldUIA, id), accountPath)
		for _, stage := range []string{stageOAuth, provider.ActionCrossSigningReset} {
			answer.Flows = append(answer.Flows, uiaFlow{Stages: []string{stage}})
			answer.Params[stage] = uiaParam{URL: page}
		}
	}
	if s.providerByID(c.Session.Login.ProviderID) != nil {
		answer.Flows = append(answer.Flows, uiaFlow{Stages: []string{stageSSO}})
	}
	return answer, nil
}

// uiaFallback opens the page of a stage for a client that has none of its own
// (CS-API, Fallback; conformance J-21, J-22).
func (s *Server) uiaFallback(w http.ResponseWriter, r *http.Request) {
	keepOpener(w)
	query, err := readQuery(r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	stage, err := variable(r, "stage")
	id := query.Get(fieldUIA)
	switch {
	case err == nil && stage == stageSSO:
		seeOther(w, resetURL(id))
	case err == nil && s.Config.OAuthEnabled() && (stage == stageOAuth || stage == provider.ActionCrossSigningReset):
		seeOther(w, accountURL(provider.ActionCrossSigningReset, fieldUIA, id))
	default:
		s.notFound(w, r)
	}
}

// noUIA answers for a client that does not wait any more, in whatever browser.
func (s *Server) noUIA(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, store.ErrNotFound) {
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonExpired}, err)
		return
	}
	s.trouble(w, r, err)
}

// keepOpener lets a page tell the client that has opened it how it went, which
// the policy of the other pages would not (conformance J-20). Each page on the
// way has to.
func keepOpener(w http.ResponseWriter) {
	w.Header().Set("Cross-Origin-Opener-Policy", "unsafe-none")
}
