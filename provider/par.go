package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

const (
	// pushedTTL is how long a client has to send the browser with the URI of a
	// pushed request (RFC 9126 §2.2).
	pushedTTL = 90 * time.Second
	// requestURIPrefix begins the URIs that stand for pushed requests.
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
)

// PushedAuthorization is what the pushed authorization request endpoint answers
// (RFC 9126 §2.2).
type PushedAuthorization struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

// Push keeps an authorization request that a client sends by itself, whose form
// has been parsed (RFC 9126). The error is an *Error.
//
// fosite's own handler is not used: it keeps the form with the client's secret
// in it, never asks whether the request has expired, and compares redirect URIs
// and states by its own rules and not by those of ParseAuthorization.
func (p *Provider) Push(ctx context.Context, r *http.Request) (*PushedAuthorization, error) {
	client, err := p.authenticateClient(ctx, r)
	if err != nil {
		return nil, AsError(err)
	}
	if r.PostForm.Get("request_uri") != "" {
		return nil, invalidRequest("A pushed request has no request_uri.")
	}
	form := maps.Clone(r.PostForm)
	form.Set("client_id", client.GetID()) // which may stand in the header alone
	a, err := p.ParseAuthorization(ctx, form)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return nil, invalidRequest("The redirect_uri is missing, or is not registered for the client.").because(err)
	}
	if err != nil {
		return nil, AsError(err)
	}
	params, err := json.Marshal(a.params)
	if err != nil {
		return nil, AsError(fmt.Errorf("keep a pushed request: %w", err))
	}
	uri := requestURIPrefix + secret.Token()
	if err := p.store.Push(ctx, uri, client.GetID(), params, p.clock.Now().Add(pushedTTL)); err != nil {
		return nil, AsError(err)
	}
	return &PushedAuthorization{RequestURI: uri, ExpiresIn: int64(pushedTTL / time.Second)}, nil
}

// IsPushed tells whether the parameters of an authorization request name one
// that was pushed here. No other parameter than the client_id counts then.
func IsPushed(form url.Values) bool {
	return len(form["request_uri"]) == 1 && strings.HasPrefix(form.Get("request_uri"), requestURIPrefix)
}

// Pushed returns the request that a client has pushed, kept for the browser that
// brings it, and the id under which that browser comes back. The URI is good for
// one browser: the same one may bring it again, in a reload, and gets the same
// request for as long as that lives. Errors are those of ParseAuthorization, and
// store.ErrConflict once the request has been answered.
func (p *Provider) Pushed(ctx context.Context, browser string, form url.Values) (id string, a *Authorization, err error) {
	if len(form["client_id"]) != 1 {
		return "", nil, &Refusal{Reason: UnusableRequestURI}
	}
	uri, clientID := form.Get("request_uri"), form.Get("client_id")
	id = encoding.EncodeToString(secret.MAC([]byte(browser), []byte("pushed request"), []byte(uri)))
	a, err = p.resume(ctx, browser, id, clientID)
	if !errors.Is(err, store.ErrNotFound) {
		return id, a, err
	}
	err = p.store.InTx(ctx, func(ctx context.Context) error {
		params, err := p.store.TakePushed(ctx, uri, clientID)
		if err != nil {
			return err
		}
		row := store.AuthorizationRequest{Kind: store.RequestOAuth, ClientID: clientID, Params: params, ExpiresAt: p.clock.Now().Add(requestTTL)}
		if a, err = p.restore(ctx, row); err != nil {
			return err
		}
		return p.store.BeginAs(ctx, browser, id, row)
	})
	if errors.Is(err, store.ErrNotFound) {
		a, err = p.resume(ctx, browser, id, clientID) // a reload may have been faster
	}
	if errors.Is(err, store.ErrNotFound) {
		err = &Refusal{Reason: UnusableRequestURI, cause: err}
	}
	return id, a, err
}

// resume returns a request of this browser and this client that is on its way.
func (p *Provider) resume(ctx context.Context, browser, id, clientID string) (*Authorization, error) {
	row, err := p.store.Request(ctx, browser, id)
	if err != nil {
		return nil, err
	}
	if row.ClientID != clientID {
		return nil, store.ErrNotFound
	}
	return p.restore(ctx, row)
}
