package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"
	"github.com/ory/fosite/storage"
)

// Fosite is the storage that fosite asks for, over the tables of a Store. What
// fosite keeps in three sessions (code, PKCE, OpenID Connect) is one row, and
// what it asks for three times in a request is read once.
//
// The signature that fosite hands around is the hash of a code or an access
// token, and a RefreshKey of a refresh token.
type Fosite struct {
	*Store
}

var (
	_ fosite.Storage                     = Fosite{}
	_ oauth2.CoreStorage                 = Fosite{}
	_ oauth2.TokenRevocationStorage      = Fosite{}
	_ openid.OpenIDConnectRequestStorage = Fosite{}
	_ pkce.PKCERequestStorage            = Fosite{}
	_ storage.Transactional              = Fosite{}
)

// BeginTX implements storage.Transactional. A refresh needs none: it writes all at
// once, in CreateRefreshTokenSession.
func (f Fosite) BeginTX(ctx context.Context) (context.Context, error) {
	if exchangeFrom(ctx).session != nil {
		return ctx, nil
	}
	return f.Store.BeginTX(ctx)
}

// GetClient implements fosite.ClientManager.
func (f Fosite) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	if x := exchangeFrom(ctx); x.client != nil && x.client.ID == id {
		return x.client, nil
	}
	client, err := f.Client(ctx, id)
	if err != nil {
		return nil, notFound(err)
	}
	return client, nil
}

// ClientAssertionJWTValid implements fosite.ClientManager. fosite sees no
// assertion: provider.Provider verifies them, and UseAssertion remembers them.
func (f Fosite) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }

// SetClientAssertionJWT implements fosite.ClientManager.
func (f Fosite) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

// CreateAuthorizeCodeSession implements oauth2.AuthorizeCodeStorage. The
// session carries what fosite's sanitised form leaves out.
func (f Fosite) CreateAuthorizeCodeSession(ctx context.Context, hash string, r fosite.Requester) error {
	session, ok := r.GetSession().(*Session)
	if !ok {
		return errCode(ErrUnavailable)
	}
	c := session.Challenge
	return f.createCode(ctx, codeRow{
		CodeHash: []byte(hash), SessionID: session.ID, ClientID: r.GetClient().GetID(), DeviceID: optional(session.DeviceID),
		Scope: strings.Join(r.GetGrantedScopes(), " "), RedirectURI: r.GetRequestForm().Get("redirect_uri"),
		CodeChallenge: c.Value, CodeChallengeMethod: c.Method, Nonce: session.Nonce,
		Login: columnsOf(session.Login),
	}, session.ExpiresAt)
}

// GetAuthorizeCodeSession implements oauth2.AuthorizeCodeStorage. A used code
// is a replay only for a request that arrived after the code was redeemed; for
// one that was on its way it is merely void (conformance D-18, D-19).
func (f Fosite) GetAuthorizeCodeSession(ctx context.Context, hash string, _ fosite.Session) (fosite.Requester, error) {
	x := exchangeFrom(ctx)
	switch {
	case x.code == nil || string(x.code.CodeHash) != hash:
		return nil, errCode(fosite.ErrNotFound)
	case x.code.RedeemedAt == nil && !f.codeExpired(x.code):
		return f.codeRequest(x), nil
	case x.code.RedeemedAt == nil || x.Arrived.UnixMilli() <= *x.code.RedeemedAt || !presentedBy(ctx, x.client):
		return nil, errCode(fosite.ErrNotFound)
	}
	// fosite would end the session too, but take no notice if that failed.
	if err := f.EndSession(ctx, x.code.SessionID, End{Reason: EndCodeReplayed, Actor: ActorServer, KeepDevice: true}); err != nil {
		return nil, err
	}
	return f.codeRequest(x), fosite.ErrInvalidatedAuthorizeCode
}

func (f Fosite) codeRequest(x *Exchange) *fosite.Request {
	session := f.codeSession(x.code, x.account)
	scopes := strings.Fields(x.code.Scope)
	return &fosite.Request{
		ID: x.code.SessionID, RequestedAt: fromMilli(x.code.CreatedAt), Client: x.client, Session: session,
		RequestedScope: scopes, GrantedScope: scopes,
		Form: url.Values{"redirect_uri": {x.code.RedirectURI}, "client_id": {x.code.ClientID},
			"code_challenge": {x.code.CodeChallenge}, "code_challenge_method": {x.code.CodeChallengeMethod}},
	}
}

// InvalidateAuthorizeCodeSession implements oauth2.AuthorizeCodeStorage. The
// loser of a race gets ErrConflict.
func (f Fosite) InvalidateAuthorizeCodeSession(ctx context.Context, hash string) error {
	return f.RedeemCode(ctx, []byte(hash))
}

// CreateAccessTokenSession implements oauth2.AccessTokenStorage. That of a refresh
// waits for the refresh token, with which it is stored.
func (f Fosite) CreateAccessTokenSession(ctx context.Context, hash string, r fosite.Requester) error {
	session, ok := r.GetSession().(*Session)
	if !ok {
		return fmt.Errorf("access token: %w", ErrUnavailable)
	}
	if session.Kind == OfClient {
		return f.AddClientToken(ctx, []byte(hash), ClientToken{ClientID: r.GetClient().GetID(), Scope: strings.Join(r.GetGrantedScopes(), " "),
			IssuedAt: session.IssuedAt, ExpiresAt: session.ExpiresAt})
	}
	x := exchangeFrom(ctx)
	access := NewAccessToken{Hash: []byte(hash), SessionID: session.ID, Generation: session.Rotation.Generation,
		IssuedAt: session.IssuedAt, ExpiresAt: session.ExpiresAt}
	if x.session != nil {
		x.access = access
		return nil
	}
	if !x.repeated {
		if err := f.startGrant(ctx, r, session); err != nil {
			return err
		}
	}
	return f.AddAccessToken(ctx, access)
}

// startGrant begins the session of a code that is being exchanged. Its first
// refresh token was made just before, and waits in the session.
func (f Fosite) startGrant(ctx context.Context, r fosite.Requester, session *Session) error {
	n := NewSession{Session: *session, DeviceName: session.DeviceName, RefreshExpiresAt: session.RefreshExpiresAt}
	n.Session.Scope = strings.Join(r.GetGrantedScopes(), " ")
	if session.FirstRefresh != "" {
		key, err := ParseRefreshKey(session.FirstRefresh)
		if err != nil {
			return err
		}
		n.RefreshHash = key.Hash
	}
	return f.StartSession(ctx, n)
}

// GetAccessTokenSession implements oauth2.AccessTokenStorage. It returns
// expired and ended sessions too: who validates them needs to know which.
func (f Fosite) GetAccessTokenSession(ctx context.Context, hash string, _ fosite.Session) (fosite.Requester, error) {
	session, err := f.AccessToken(ctx, []byte(hash))
	if err != nil {
		return nil, notFound(err)
	}
	scopes := strings.Fields(session.Scope)
	return &fosite.Request{ID: session.ID, RequestedAt: session.IssuedAt, Client: &Client{ID: session.ClientID}, Session: session,
		RequestedScope: scopes, GrantedScope: scopes, Form: url.Values{}}, nil
}

// DeleteAccessTokenSession implements oauth2.AccessTokenStorage. Access tokens
// are never deleted one by one: they end with their session or by their time.
func (f Fosite) DeleteAccessTokenSession(context.Context, string) error { return nil }

// CreateRefreshTokenSession implements oauth2.RefreshTokenStorage. The first
// one is stored with its session; a later one replaces its predecessor.
func (f Fosite) CreateRefreshTokenSession(ctx context.Context, signature, _ string, r fosite.Requester) error {
	x := exchangeFrom(ctx)
	session, ok := r.GetSession().(*Session)
	if !ok {
		return fmt.Errorf("refresh token: %w", ErrUnavailable)
	}
	if x.session == nil {
		return nil
	}
	next, err := ParseRefreshKey(signature)
	if err != nil {
		return err
	}
	return f.Rotate(ctx, session.Presented, Successor{RefreshHash: next.Hash, RefreshExpiresAt: session.RefreshExpiresAt, Access: x.access})
}

// GetRefreshTokenSession implements oauth2.RefreshTokenStorage.
func (f Fosite) GetRefreshTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	key, err := ParseRefreshKey(signature)
	x := exchangeFrom(ctx)
	if err != nil || x.session == nil || x.session.ID != key.SessionID || x.session.Kind != string(OAuth) || x.client == nil {
		return nil, fmt.Errorf("refresh token: %w", fosite.ErrNotFound)
	}
	session, err := f.presented(x, key)
	if session == nil {
		return nil, notFound(err)
	}
	scopes := strings.Fields(session.Scope)
	request := &fosite.Request{ID: session.ID, RequestedAt: fromMilli(x.session.CreatedAt), Client: x.client, Session: session,
		RequestedScope: scopes, GrantedScope: scopes, Form: url.Values{}}
	if err != nil {
		if !presentedBy(ctx, x.client) {
			return nil, fmt.Errorf("refresh token of another client: %w", fosite.ErrNotFound)
		}
		x.reason = EndRefreshReused
		return request, fosite.ErrInactiveToken
	}
	return request, nil
}

// presentedBy tells whether the token request is that of a client. A code or
// token in the hands of another one ends nobody's session (conformance D-14).
func presentedBy(ctx context.Context, client *Client) bool {
	request, ok := ctx.Value(fosite.AccessRequestContextKey).(fosite.AccessRequester)
	return ok && request.GetClient() != nil && request.GetClient().GetID() == client.ID
}

// DeleteRefreshTokenSession implements oauth2.RefreshTokenStorage. What ends is
// the session, by RevokeRefreshToken.
func (f Fosite) DeleteRefreshTokenSession(context.Context, string) error { return nil }

// RotateRefreshToken implements oauth2.RefreshTokenStorage. The rotation is one
// update, made when the successor is known: CreateRefreshTokenSession.
func (f Fosite) RotateRefreshToken(context.Context, string, string) error { return nil }

// RevokeRefreshToken implements oauth2.TokenRevocationStorage: fosite calls it
// on a replay. The device stays, for with it would go encryption keys, and a
// replay is more often a fault than an attack (conformance D-25).
func (f Fosite) RevokeRefreshToken(ctx context.Context, id string) error {
	return f.EndSession(ctx, id, End{Reason: exchangeFrom(ctx).reason, Actor: ActorServer, KeepDevice: true})
}

// RevokeAccessToken implements oauth2.TokenRevocationStorage. An access token
// is as alive as its session, which RevokeRefreshToken ends.
func (f Fosite) RevokeAccessToken(context.Context, string) error { return nil }

// CreateOpenIDConnectSession implements openid.OpenIDConnectRequestStorage: it
// is part of the code's row.
func (f Fosite) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetOpenIDConnectSession implements openid.OpenIDConnectRequestStorage.
func (f Fosite) GetOpenIDConnectSession(ctx context.Context, _ string, r fosite.Requester) (fosite.Requester, error) {
	if x := exchangeFrom(ctx); x.code == nil && x.device == nil || !r.GetGrantedScopes().Has("openid") {
		return nil, openid.ErrNoSessionFound
	}
	return r, nil
}

// DeleteOpenIDConnectSession implements openid.OpenIDConnectRequestStorage.
func (f Fosite) DeleteOpenIDConnectSession(context.Context, string) error { return nil }

// CreatePKCERequestSession implements pkce.PKCERequestStorage: it is part of
// the code's row.
func (f Fosite) CreatePKCERequestSession(context.Context, string, fosite.Requester) error { return nil }

// GetPKCERequestSession implements pkce.PKCERequestStorage.
func (f Fosite) GetPKCERequestSession(ctx context.Context, hash string, _ fosite.Session) (fosite.Requester, error) {
	x := exchangeFrom(ctx)
	if x.code == nil || string(x.code.CodeHash) != hash || x.code.CodeChallenge == "" {
		return nil, errCode(fosite.ErrNotFound)
	}
	return f.codeRequest(x), nil
}

// DeletePKCERequestSession implements pkce.PKCERequestStorage. The challenge
// stays with its code: deleting it first would let a second attempt do without
// a verifier (conformance L-03).
func (f Fosite) DeletePKCERequestSession(context.Context, string) error { return nil }

// notFound speaks fosite's language for what is absent, and keeps an outage an
// outage: fosite makes "no such token" of any other error.
func notFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: %w", fosite.ErrNotFound, err)
	}
	return err
}
