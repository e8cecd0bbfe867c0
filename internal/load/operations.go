package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
)

// operation is what clients ask the server for.
type operation struct {
	name  string
	floor string // what its rate is compared with
	act   func(r *run) act
	once  bool // what it uses is used up, so that it is not tried for a moment before
}

// operations are all that there are, in the order of the report.
var operations = []operation{
	{"discovery", floorGet, func(r *run) act { return r.getter(discoveryPath) }, false},
	{"JWKS", floorGet, func(r *run) act { return r.getter(jwksPath) }, false},
	{"introspection", floorPost, (*run).introspection, false},
	{"refresh", floorSQL, (*run).refresh, false},
	{"userinfo", floorGet, (*run).userinfo, false},
	{"registration", floorPost, (*run).registration, false},
	{"code exchange", floorPost, (*run).exchange, false},
	{"whole login", floorPost, (*run).signIn, false},
	{"mix", floorPost, (*run).mix, false},
	{"revocation", floorPost, (*run).revocation, true}, // at last: it ends what others ask about
}

const (
	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/_tuwunel/oidc/jwks"
)

// errUsedUp ends a measurement for which there are no more codes.
var errUsedUp = errors.New("the stored codes are used up: measure for a shorter time")

// Operations are the names of all operations.
func Operations() []string {
	var names []string
	for _, o := range operations {
		names = append(names, o.name)
	}
	return names
}

// chosen are the operations that were asked for.
func (r *run) chosen() []operation {
	if len(r.Only) == 0 {
		return operations
	}
	var chosen []operation
	for _, o := range operations {
		if slices.Contains(r.Only, o.name) {
			chosen = append(chosen, o)
		}
	}
	return chosen
}

// operate asks for one operation, first for a moment that does not count.
func (r *run) operate(ctx context.Context, op operation) (Measurement, error) {
	do := op.act(r)
	if !op.once {
		if warm := drive(ctx, r.Concurrency, r.For/10, do); warm.first != nil && len(warm.took) == 0 {
			return Measurement{}, warm.first
		}
	}
	before, err := r.server.cpu()
	if err != nil {
		return Measurement{}, err
	}
	s := drive(ctx, r.Concurrency, r.For, do)
	after, err := r.server.cpu()
	if err != nil {
		return Measurement{}, err
	}
	m := measured(s, after-before)
	m.Name = op.name
	return m, ctx.Err()
}

// address is one of sixteen million.
func address() string {
	n := rand.Uint32() //nolint:gosec // it is no secret
	return fmt.Sprintf("10.%d.%d.%d", byte(n>>16), byte(n>>8), byte(n))
}

func (r *run) getter(path string) act {
	target := r.url + path
	return func(ctx context.Context, c *client, _, _ int) error {
		_, err := c.send(ctx, get(target), http.StatusOK)
		return err
	}
}

// kept are how many of the stored sessions no revocation ends: the first ones.
func (r *run) kept() int { return r.Stored - r.Stored*3/10 }

// introspection asks as a homeserver does, about any of the stored tokens.
func (r *run) introspection() act {
	ask := r.askAbout()
	return func(ctx context.Context, c *client, _, _ int) error { return ask(ctx, c, r.anyToken()) }
}

// anyToken is the access token of any of the stored sessions that no revocation ends.
func (r *run) anyToken() string { return r.token(rand.IntN(r.kept())) } //nolint:gosec // any will do

// askAbout asks about one token as a homeserver does.
func (r *run) askAbout() func(ctx context.Context, c *client, token string) error {
	target := r.url + "/oauth2/introspect"
	return func(ctx context.Context, c *client, token string) error {
		q := post(target, formType, "token="+token)
		q.bearer = homeserverSecret
		body, err := c.send(ctx, q, http.StatusOK)
		if err != nil {
			return err
		}
		var answer struct {
			Active bool `json:"active"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || !answer.Active {
			return fmt.Errorf("the token is not active: %w", err)
		}
		return nil
	}
}

// tokens is what a client keeps of an answer of the token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// tokenRequest asks the token endpoint.
func (r *run) tokenRequest(ctx context.Context, c *client, form url.Values) (t tokens, err error) {
	q := post(r.url+"/_tuwunel/oidc/token", formType, form.Encode())
	q.from = address()
	body, err := c.send(ctx, q, http.StatusOK)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return t, fmt.Errorf("read the tokens: %w", err)
	}
	if t.Access == "" || t.Refresh == "" {
		return t, fmt.Errorf("a token is missing: %d characters of access token, %d of refresh token", len(t.Access), len(t.Refresh))
	}
	return t, nil
}

// exchangeCode exchanges the next stored code.
func (r *run) exchangeCode(ctx context.Context, c *client, n int) (tokens, error) {
	return r.tokenRequest(ctx, c, url.Values{"grant_type": {"authorization_code"}, "code": {r.code(n)}, "redirect_uri": {redirectURI},
		"client_id": {r.clientID}, "code_verifier": {verifier}})
}
