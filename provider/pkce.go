package provider

import (
	"context"
	"errors"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/pkce"

	"keymaker/internal/secret"
	"keymaker/store"
)

// pkceHandler is fosite's with two rules that it lacks: a missing verifier is
// invalid_request, and either a missing or a wrong one from the right client
// uses the code up, so that verifiers cannot be tried (conformance D-15).
type pkceHandler struct {
	*pkce.Handler
	store *store.Store
}

func pkceFactory(s *store.Store) compose.Factory {
	return func(config fosite.Configurator, storage, strategy any) any {
		inner, _ := compose.OAuth2PKCEFactory(config, storage, strategy).(*pkce.Handler)
		return &pkceHandler{Handler: inner, store: s}
	}
}

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (h *pkceHandler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	err := h.Handler.HandleTokenEndpointRequest(ctx, r)
	if err == nil || errors.Is(err, fosite.ErrUnknownRequest) || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	form := r.GetRequestForm()
	redeemed := h.store.RedeemCode(ctx, secret.Hash(form.Get("code")))
	if redeemed != nil && !errors.Is(redeemed, store.ErrConflict) {
		return redeemed
	}
	if form.Get("code_verifier") == "" {
		return invalidRequest("The code_verifier is missing: the authorization request had a code_challenge.")
	}
	return err
}
