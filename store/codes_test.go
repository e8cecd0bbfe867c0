package store_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/ory/fosite"

	"keymaker/internal/secret"
	"keymaker/store"
)

// code stores an authorization code of a user, as the consent page does, and
// returns the id of the session that its exchange will begin.
func (f *fixture) code(code string, c *store.Client, localpart string) (sessionID string) {
	f.t.Helper()
	session := &store.Session{
		ID: store.NewID(f.clock.Now()), UserID: f.UserID(localpart), DeviceID: "D1", ClientID: c.ID, Nonce: "the nonce",
		Login:     store.Login{Localpart: localpart, ProviderID: "idp", UpstreamIssuer: "https://idp.example", UpstreamSubject: localpart, AuthTime: f.clock.Now()},
		ExpiresAt: f.clock.Now().Add(time.Minute), Challenge: store.Challenge{Value: "the challenge", Method: "S256"},
	}
	request := &fosite.Request{ID: session.ID, Client: c, Session: session, GrantedScope: fosite.Arguments{"openid", "urn:matrix:client:device:D1"},
		Form: url.Values{"redirect_uri": {"https://app.example/cb"}}}
	f.must(store.Fosite{Store: f.Store}.CreateAuthorizeCodeSession(f.ctx, string(secret.Hash(code)), request))
	return session.ID
}

func TestRedeemCode(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.code("code", f.client("App"), "alice")
		servers := []*store.Store{f.Store, f.again()}
		f.t.Run("D-19: of many exchanges at once one succeeds", func(t *testing.T) {
			wantOnce(t, together(100, func(i int) error { return servers[i%2].RedeemCode(f.ctx, secret.Hash("code")) }), store.ErrConflict)
		})
		f.t.Run("D-18: and none later", func(*testing.T) {
			f.want("redeem", f.RedeemCode(f.ctx, secret.Hash("code")), store.ErrConflict)
		})
		f.t.Run("an unknown code", func(*testing.T) {
			f.want("redeem", f.RedeemCode(f.ctx, secret.Hash("unknown")), store.ErrConflict)
		})
	})
}
