package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keymaker/internal/jobs"
	"keymaker/internal/outbound"
	"keymaker/provider/signing"
	"keymaker/store"
)

// logoutTokenTTL is how long a logout token is good: for its way, as each
// attempt has its own (Back-Channel Logout §4).
const logoutTokenTTL = 2 * time.Minute

// logoutEvent is the member of events that makes a JWT a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutToken are the claims of Back-Channel Logout §2.4. Times are seconds.
type logoutToken struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub"`
	Audience string              `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"` // the same at each attempt
	Events   map[string]struct{} `json:"events"`
	Session  string              `json:"sid"`
}

// Jobs are the jobs that this package does, by kind.
func (p *Provider) Jobs() map[string]jobs.Handler {
	if p.issuer == "" {
		return nil
	}
	return map[string]jobs.Handler{store.JobLogout: p.deliverLogout}
}

// deliverLogout tells a client that a session has ended.
func (p *Provider) deliverLogout(ctx context.Context, j store.Job) error {
	var n store.LogoutNotice
	if err := json.Unmarshal(j.Payload, &n); err != nil {
		return fmt.Errorf("read the payload: %w: %w", err, jobs.ErrFinal)
	}
	now := p.clock.Now()
	payload, err := json.Marshal(logoutToken{
		Issuer: p.issuer, Subject: n.UserID, Audience: n.ClientID, IssuedAt: now.Unix(), Expires: now.Add(logoutTokenTTL).Unix(),
		ID: j.ID, Events: map[string]struct{}{logoutEvent: {}}, Session: n.SessionID,
	})
	if err != nil {
		return fmt.Errorf("encode a logout token: %w", err)
	}
	token, err := p.keys.Sign(ctx, cmp.Or(n.Alg, signing.ES256), signing.Logout, payload)
	if err != nil {
		return fmt.Errorf("sign a logout token: %w", err)
	}
	client := p.clients
	if n.Configured {
		client = p.trusted
	}
	return postLogout(ctx, client, n.URI, token)
}

// postLogout sends a logout token (Back-Channel Logout §2.5, §2.8).
func postLogout(ctx context.Context, client *http.Client, uri, token string) error {
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, body)
	if err != nil {
		return fmt.Errorf("the URI is none: %w", jobs.ErrFinal)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(r)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body) // so that the connection can be used again
	switch answer.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusBadRequest:
		return fmt.Errorf("the client answered 400, it does not accept the logout token: %w", jobs.ErrFinal)
	}
	return fmt.Errorf("the client answered %d", answer.StatusCode)
}

// unreachable is why a client could not be reached, without the whole URI: what
// is in its query is the client's.
func unreachable(err error) error {
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err
	}
	if outbound.Refused(err) {
		return fmt.Errorf("the client's host has an address that is not public: %w", jobs.ErrFinal)
	}
	return fmt.Errorf("reach the client: %w", err)
}
