// Package matrixclient is a Matrix client's side of next-generation
// authentication: it finds the server, registers itself, gets and refreshes
// tokens, looks itself up and logs out. It is written from the specifications
// and shares no code with the server, so that what it accepts is what other
// people's clients accept.
//
// No error of this package holds a token or a code.
package matrixclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
)

// maxAnswer is the largest answer that is read, in bytes.
const maxAnswer = 1 << 20

// Options say which server a client talks to.
type Options struct {
	// Issuer is the server, exactly as its metadata names it.
	Issuer string
	// HTTP makes the requests; nil = http.DefaultClient.
	HTTP *http.Client
	// Clock judges the life of ID tokens; nil = the machine's.
	Clock clock.Clock
}

// Client is a client of one server. Discover makes it, Register lets the server
// know it; then it is safe for concurrent use.
type Client struct {
	Metadata Metadata
	// ID is the client_id that the server gave.
	ID string

	http     *http.Client
	clock    clock.Clock
	provider *oidc.Provider
}

// Error is a refusal by the server, as OAuth (RFC 6749 §5.2) or the Matrix
// client-server API say it.
type Error struct {
	Status int
	Code   string // error or errcode; "" when the answer had none
	// SoftLogout is the member soft_logout of a Matrix error.
	SoftLogout bool
}

// Error returns the status and the code.
func (e *Error) Error() string {
	said := fmt.Sprintf("the server answered %d", e.Status)
	if e.Code != "" {
		said += " " + e.Code
	}
	if e.SoftLogout {
		said += " with soft_logout"
	}
	return said
}

// context gives the libraries the client's way of making requests.
func (c *Client) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, c.http)
}

// request is one HTTP request of the client.
type request struct {
	method, url string
	bearer      secret.Text // "" = none
	form        url.Values  // sent as the body when it is not nil
	json        any         // likewise
}

// answer is what came back.
type answer struct {
	status    int
	mediaType string
	body      []byte
}

func send(ctx context.Context, client *http.Client, r request) (*answer, error) {
	var body io.Reader
	contentType := ""
	switch {
	case r.form != nil:
		body, contentType = strings.NewReader(r.form.Encode()), "application/x-www-form-urlencoded"
	case r.json != nil:
		encoded, err := json.Marshal(r.json)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body, contentType = bytes.NewReader(encoded), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer.Reveal())
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	a := &answer{status: res.StatusCode}
	a.mediaType, _, _ = mime.ParseMediaType(res.Header.Get("Content-Type"))
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer)); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return a, nil
}

// object reads the JSON object of an answer that must have the wanted status.
// Any other status is an *Error.
func (a *answer) object(wanted int, v any) error {
	if a.status != wanted {
		return a.refusal(wanted)
	}
	if a.mediaType != "application/json" {
		return fmt.Errorf("expected application/json, got %q", a.mediaType)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("{")) {
		return errors.New("expected a JSON object in the answer, and there is none")
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("read the JSON of the answer: %w", err)
	}
	return nil
}

func (a *answer) refusal(wanted int) error {
	var said struct {
		Error      string `json:"error"`
		Errcode    string `json:"errcode"`
		SoftLogout bool   `json:"soft_logout"`
	}
	e := &Error{Status: a.status}
	if json.Unmarshal(a.body, &said) == nil {
		e.Code, e.SoftLogout = said.Errcode, said.SoftLogout
		if e.Code == "" {
			e.Code = said.Error
		}
	}
	return fmt.Errorf("expected %d, but %w", wanted, e)
}
