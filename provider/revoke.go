package provider

import (
	"context"
	"errors"
	"net/http"

	"keymaker/store"
)

// Revoke ends the session of the token in a revocation request (RFC 7009), with
// its device, whichever of its tokens is presented. It stands in place of
// fosite's handler, which demands the token's own client (MSC4254 asks to
// revoke all the same, conformance E-07) and answers an outage with success.
//
// A token that means nothing here is no error.
func (p *Provider) Revoke(ctx context.Context, r *http.Request) error {
	token, hint := r.PostForm.Get("token"), r.PostForm.Get("token_type_hint")
	switch {
	case token == "":
		return invalidRequest("The token is missing.")
	case hint != "" && hint != "access_token" && hint != "refresh_token":
		return oauthError(http.StatusBadRequest, "unsupported_token_type", "The token_type_hint is neither access_token nor refresh_token.")
	}
	if err := p.checkRevoker(ctx, r); err != nil {
		return err
	}
	if hash := clientTokenHash(token); hash != nil {
		if err := p.store.RemoveClientToken(ctx, hash); err != nil {
			return AsError(err)
		}
		return nil
	}
	session, err := p.sessionOfToken(ctx, token)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return AsError(err)
	}
	if err := p.store.EndSession(ctx, session, store.End{Reason: store.EndRevoked, Actor: store.ActorClient}); err != nil {
		return AsError(err)
	}
	return nil
}

// checkRevoker authenticates a client that has or presents credentials. A public
// one needs no proof: the token is the proof.
func (p *Provider) checkRevoker(ctx context.Context, r *http.Request) error {
	if id := r.PostForm.Get("client_id"); !usesBasic(r) && !hasAssertion(r) && r.PostForm.Get("client_secret") == "" {
		if id == "" {
			return nil
		}
		client, err := p.store.Client(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && client.IsPublic():
			return nil
		case err != nil:
			return AsError(err)
		}
	}
	if _, err := p.authenticateClient(ctx, r); err != nil {
		return AsError(err)
	}
	return nil
}

// sessionOfToken is the id of the session that a token belongs to, whatever
// kind of token it is: the hint only says where to look first, and both looks
// are cheap.
func (p *Provider) sessionOfToken(ctx context.Context, token string) (string, error) {
	for _, prefix := range []string{prefixRefresh, prefixLegacyRefresh} {
		if key, ok := p.tokens.parseRefresh(prefix, token); ok {
			return key.SessionID, nil
		}
	}
	hash := accessHash(token)
	if hash == nil {
		return "", store.ErrNotFound
	}
	session, err := p.store.AccessToken(ctx, hash)
	if err != nil {
		return "", err
	}
	return session.ID, nil
}
