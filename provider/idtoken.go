package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
)

// idTokenTTL is how long an ID token may be accepted as proof of the sign-in.
const idTokenTTL = time.Hour

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
	Nonce    string `json:"nonce,omitempty"`
	AtHash   string `json:"at_hash,omitempty"`
}

// GenerateIDToken implements openid.OpenIDConnectTokenStrategy.
func (i idTokens) GenerateIDToken(_ context.Context, lifespan time.Duration, r fosite.Requester) (string, error) {
	session, err := sessionOf(r)
	if err != nil {
		return "", err
	}
	now := i.clock.Now()
	claims := session.IDTokenClaims()
	payload, err := json.Marshal(idTokenClaims{
		Issuer: i.issuer, Subject: session.UserID, Audience: r.GetClient().GetID(),
		Expires: now.Add(lifespan).Unix(), IssuedAt: now.Unix(), AuthTime: session.Login.AuthTime.Unix(),
		Nonce: session.Nonce, AtHash: claims.AccessTokenHash,
	})
	if err != nil {
		return "", fmt.Errorf("encode an ID token: %w", err)
	}
	signed, err := i.keys.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign an ID token: %w", err)
	}
	return signed.CompactSerialize()
}
