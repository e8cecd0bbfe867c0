package provider

import (
	"context"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"

	"keymaker/internal/secret"
	"keymaker/provider/registration"
	"keymaker/provider/scope"
	"keymaker/store"
)

// clientCredentials is fosite's handler of the client credentials grant (RFC
// 6749 §4.4) with the rules that it lacks: a client that is not registered for
// the grant, a public one above all, is unauthorized_client, and what it may ask
// for in its own name is what the administrator has configured (conformance
// D-41).
type clientCredentials struct {
	*oauth2.ClientCredentialsGrantHandler
}

func clientCredentialsFactory(config fosite.Configurator, storage, strategy any) any {
	inner, _ := compose.OAuth2ClientCredentialsGrantFactory(config, storage, strategy).(*oauth2.ClientCredentialsGrantHandler)
	return &clientCredentials{inner}
}

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (h *clientCredentials) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	if !h.CanHandleTokenEndpointRequest(ctx, r) {
		return fosite.ErrUnknownRequest
	}
	client, ok := r.GetClient().(*store.Client)
	if !ok || client.IsPublic() || !client.GetGrantTypes().Has(registration.ClientCredentials) {
		return fosite.ErrUnauthorizedClient.WithHint("The client is not registered for the client_credentials grant, which no public client can be.")
	}
	granted, err := scope.Own(r.GetRequestForm().Get("scope"), client.OwnScope())
	if err != nil {
		return err
	}
	for _, token := range granted {
		r.GrantScope(token)
	}
	return nil
}

// clientTokenHash is the hash of a token that a client has in its own name, or
// nil for anything else.
func clientTokenHash(token string) []byte {
	if !isToken(prefixClient, token) {
		return nil
	}
	return secret.Hash(token)
}

// introspectClientToken tells what a token is good for that a client has in its
// own name. It names no user, for there is none, and no subject: the client_id
// says whose it is, and must be taken for no person's (RFC 9700 §4.15).
func (p *Provider) introspectClientToken(ctx context.Context, hash []byte) (Introspection, error) {
	t, err := p.store.ClientToken(ctx, hash)
	if err != nil {
		return Introspection{}, err
	}
	return Introspection{
		Active: true, Scope: t.Scope, ClientID: t.ClientID, TokenType: "Bearer", Issuer: p.issuer, IssuedAt: t.IssuedAt.Unix(),
		Expires: t.ExpiresAt.Unix(), ExpiresIn: max(1, int64(t.ExpiresAt.Sub(p.clock.Now()).Seconds())),
	}, nil
}
