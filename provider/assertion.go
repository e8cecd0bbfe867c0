package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"keymaker/provider/assertion"
	"keymaker/provider/registration"
	"keymaker/store"
)

// hasAssertion tells whether the client authenticates with an assertion, well
// or not.
func hasAssertion(r *http.Request) bool {
	return r.PostForm.Get("client_assertion") != "" || r.PostForm.Get("client_assertion_type") != ""
}

// checkAssertion looks at the parameters around an assertion.
func checkAssertion(form url.Values) *Error {
	switch kind := form.Get("client_assertion_type"); {
	case form.Get("client_secret") != "":
		return invalidRequest("The request authenticates the client twice: with a client_secret and with a client_assertion.")
	case form.Get("client_assertion") == "":
		return invalidRequest("The client_assertion is missing.")
	case kind == "":
		return invalidRequest("The client_assertion_type is missing: it must be %s.", assertion.Type)
	case kind != assertion.Type:
		return oauthError(http.StatusUnauthorized, "invalid_client", "The client_assertion_type is not supported: it must be %s.", assertion.Type)
	}
	return nil
}

// byAssertion authenticates a client by its private_key_jwt (conformance D-61).
// It uses the assertion up: what is refused or fails later needs another one.
func (p *Provider) byAssertion(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	a, err := assertion.Parse(form.Get("client_assertion"))
	if err != nil {
		return nil, refusedAssertion(err)
	}
	if id := form.Get("client_id"); id != "" && id != a.ClientID {
		return nil, invalidRequest("The request names two clients: one in the client_assertion, another in the form.")
	}
	found, err := store.Fosite{Store: p.store}.GetClient(ctx, a.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refusedAssertion(errors.New("its client is unknown"))
	}
	if err != nil {
		return nil, err
	}
	client, ok := found.(*store.Client)
	if !ok || client.GetTokenEndpointAuthMethod() != registration.AuthPrivateKeyJWT {
		return nil, refusedAssertion(errors.New("the client is not registered for private_key_jwt"))
	}
	jti, until, err := p.verifyAssertion(ctx, client, a, assertion.Expected{
		Audiences: []string{p.issuer, p.endpoint("/token"), p.origin() + r.URL.Path},
		Alg:       client.GetTokenEndpointAuthSigningAlgorithm(), Now: p.clock.Now(),
	})
	if err != nil {
		return nil, err
	}
	if err := p.store.UseAssertion(ctx, client.ID, jti, until); errors.Is(err, store.ErrExists) {
		return nil, refusedAssertion(errors.New("its jti was used before; every request needs another one"))
	} else if err != nil {
		return nil, err
	}
	return client, nil
}

// verifyAssertion verifies an assertion with the keys of its client. Of keys
// that the client publishes, others may be there by now.
func (p *Provider) verifyAssertion(ctx context.Context, c *store.Client, a *assertion.Assertion, want assertion.Expected) (jti string, until time.Time, err error) {
	keys, err := p.clientKeys(ctx, c, false)
	if err != nil {
		return "", time.Time{}, err
	}
	jti, until, err = a.Verify(keys, want)
	if errors.Is(err, assertion.ErrSignature) && c.GetJSONWebKeysURI() != "" {
		if keys, err = p.clientKeys(ctx, c, true); err != nil {
			return "", time.Time{}, err
		}
		jti, until, err = a.Verify(keys, want)
	}
	if err != nil {
		return "", time.Time{}, refusedAssertion(err)
	}
	return jti, until, nil
}

// clientKeys returns the keys that a client registered, or publishes; fresh
// asks for those that it publishes now. When they cannot be had, the client is
// to try again: it may be no fault of its.
func (p *Provider) clientKeys(ctx context.Context, c *store.Client, fresh bool) (*assertion.Keys, error) {
	uri := c.GetJSONWebKeysURI()
	if uri == "" {
		keys, err := assertion.ParseKeys(c.JWKS())
		if err != nil {
			return nil, unavailable(err)
		}
		return keys, nil
	}
	sets := p.published
	if c.Configured() {
		sets = p.configuredKeys
	}
	keys, err := sets.get(ctx, uri, fresh)
	if err != nil {
		return nil, unavailable(err)
	}
	return keys, nil
}

func refusedAssertion(why error) *Error {
	return oauthError(http.StatusUnauthorized, "invalid_client", "The client_assertion is refused: %v.", why).because(why)
}
