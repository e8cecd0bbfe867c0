package fakesynapse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"keymaker/internal/secret"
)

// version is the Synapse that is meant.
const version = "1.163.2"

const maxAnswer = 1 << 20 // bytes

// claims are what Synapse reads of an answer about a token.
type claims struct {
	active                    bool
	scope, username, deviceID *string
	expiresIn                 *int64 // seconds
	retrieved                 time.Time
}

// introspect asks the authorization server about a token. An error is whatever
// Synapse takes for none of its business: it answers 503 then.
func (t *tokens) introspect(ctx context.Context, endpoint string, shared secret.Text, token string) (claims, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/oauth2/introspect", strings.NewReader(form))
	if err != nil {
		return claims{}, fmt.Errorf("make the request: %w", err)
	}
	r.Header = http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "Authorization": {"Bearer " + shared.Reveal()},
		"X-Mas-Supports-Device-Id": {"1"}, "User-Agent": {"Synapse/" + version},
	}
	body, err := t.fetch(r)
	if err != nil {
		return claims{}, err
	}
	return readClaims(body, t.clock.Now())
}

// fetch is the body of a good answer.
func (t *tokens) fetch(r *http.Request) ([]byte, error) {
	response, err := t.http.Do(r) //nolint:gosec // the test names the server
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxAnswer:
		return nil, errors.New("the answer is too long")
	case response.StatusCode < 200 || response.StatusCode >= 300:
		return nil, fmt.Errorf("the answer is %s", response.Status)
	}
	return body, nil
}

// readClaims is strict: a known key of another type makes the whole answer
// worthless. Other keys are welcome, but for the one that Synapse adds itself.
func readClaims(body []byte, now time.Time) (claims, error) {
	var object map[string]json.RawMessage
	if !utf8.Valid(body) {
		return claims{}, errors.New("the answer is not UTF-8")
	}
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return claims{}, fmt.Errorf("the answer is no object: %w", err)
	}
	c := claims{retrieved: now}
	if _, there := object["retrieved_at_ms"]; there {
		return claims{}, errors.New("the answer has a key too many")
	}
	switch string(bytes.TrimSpace(object["active"])) {
	case "true":
		c.active = true
	case "false":
	default:
		return claims{}, errors.New("active is no boolean")
	}
	var sub *string
	for key, into := range map[string]**string{"scope": &c.scope, "username": &c.username, "device_id": &c.deviceID, "sub": &sub} {
		if raw, there := object[key]; there && json.Unmarshal(raw, into) != nil {
			return claims{}, fmt.Errorf("%s is no string", key)
		}
	}
	return c, c.readExpiry(object["expires_in"])
}

func (c *claims) readExpiry(raw json.RawMessage) error {
	text := string(bytes.TrimSpace(raw))
	if text == "" || text == "null" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("expires_in is no integer")
	}
	const ages = 1 << 40
	n = min(max(n, -ages), ages)
	c.expiresIn = &n
	return nil
}

// active tells whether the token is good now.
func (c claims) isActive(now time.Time) bool {
	return c.active && (c.expiresIn == nil || now.UnixMilli() < c.retrieved.UnixMilli()+1000**c.expiresIn)
}

// Metadata is what Synapse reads of the authorization server's own description.
func (s *Synapse) Metadata(ctx context.Context) (issuer, accountManagement string, err error) {
	endpoint, _ := s.delegate()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/.well-known/openid-configuration", nil)
	if err != nil {
		return "", "", fmt.Errorf("make the request: %w", err)
	}
	r.Header = http.Header{"Accept": {"application/json"}, "User-Agent": {"Synapse/" + version}}
	body, err := s.fetch(r)
	if err != nil {
		return "", "", err
	}
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		return "", "", fmt.Errorf("read the metadata: %w", err)
	}
	issuer, ok := object["issuer"].(string)
	accountManagement, also := object["account_management_uri"].(string)
	if !ok || !also {
		return "", "", errors.New("the metadata lacks issuer or account_management_uri")
	}
	return issuer, accountManagement, nil
}
