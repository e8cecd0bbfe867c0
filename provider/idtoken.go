package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"

	"keymaker/provider/signing"
	"keymaker/store"
)

// idTokens makes ID tokens in place of fosite's strategy, which reads the
// machine's clock, checks the request's parameters once more, and so can fail
// after the code has been redeemed.
type idTokens struct {
	*Provider
}

var _ openid.OpenIDConnectTokenStrategy = idTokens{}

// idTokenClaims are the claims of conformance F-30. Times are seconds.
type idTokenClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	AuthTime int64  `json:"auth_time"`
	Session  string `json:"sid,omitempty"` // Back-Channel Logout §2.1
	Nonce    string `json:"nonce,omitempty"`
	AtHash   string `json:"at_hash,omitempty"`
}

// GenerateIDToken implements openid.OpenIDConnectTokenStrategy. It signs with
// the algorithm that the client registered; at_hash is SHA-256's with each.
func (i idTokens) GenerateIDToken(ctx context.Context, lifespan time.Duration, r fosite.Requester) (string, error) {
	session, err := sessionOf(r)
	if err != nil {
		return "", err
	}
	now := i.clock.Now()
	claims := session.IDTokenClaims()
	payload, err := json.Marshal(idTokenClaims{
		Issuer: i.issuer, Subject: session.UserID, Audience: r.GetClient().GetID(),
		Expires: now.Add(lifespan).Unix(), IssuedAt: now.Unix(), AuthTime: session.Login.AuthTime.Unix(), Session: session.ID,
		Nonce: session.Nonce, AtHash: claims.AccessTokenHash,
	})
	if err != nil {
		return "", fmt.Errorf("encode an ID token: %w", err)
	}
	signed, err := i.keys.Sign(ctx, idTokenAlg(r.GetClient()), signing.JWT, payload)
	if err != nil {
		return "", fmt.Errorf("sign an ID token: %w", err)
	}
	return signed, nil
}

// idTokenAlg is the algorithm that a client registered (conformance B-26, F-31).
func idTokenAlg(c fosite.Client) string {
	if registered, ok := c.(*store.Client); ok && registered.IDTokenAlg() != "" {
		return registered.IDTokenAlg()
	}
	return signing.ES256
}
