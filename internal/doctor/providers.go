package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"keymaker/internal/config"
	"keymaker/internal/secret"
	"keymaker/upstream"
)

func (d *Doctor) providers(ctx context.Context) []Result {
	if len(d.Config.IdentityProviders) == 0 {
		return []Result{step{"provider", "read the configuration"}.failed("there is no identity provider", "Add a [[global.identity_provider]]: nobody can sign in.")}
	}
	var results []Result
	for _, c := range d.Config.IdentityProviders {
		results = append(results, d.provider(ctx, c)...)
	}
	return results
}

// unknownClient are the errors of a provider that does not take the client for
// what it says it is (RFC 6749 §5.2, and GitHub's).
var unknownClient = []string{"invalid_client", "unauthorized_client", "incorrect_client_credentials"}

// provider asks one identity provider what a sign-in asks it, up to a code that
// it never gave: that it refuses, after it has looked at who asks.
func (d *Doctor) provider(ctx context.Context, c config.IdentityProvider) []Result {
	p := upstream.New(c, d.Config.CallbackURL(c), upstream.Options{HTTPClient: d.HTTPClient, Clock: d.Clock, Logger: d.log})
	found := step{"provider.discovery", "asked the provider " + c.ClientID + " for its endpoints"}
	keys := step{"provider.keys", "asked the provider " + c.ClientID + " for its keys"}
	client := step{"provider.client", "presented the client id and its secret to the provider " + c.ClientID + ", with a code that it never gave"}
	endpoints, err := p.Endpoints(ctx)
	if err != nil {
		const why = "its endpoints are not known"
		return []Result{found.failed(err.Error(), "Correct issuer_url, or the endpoints that are set by hand, or let this machine reach the provider."), keys.skipped(why), client.skipped(why)}
	}
	results := []Result{found.ok("people sign in at " + endpoints.Authorization), d.providerKeys(ctx, keys, endpoints.JWKS)}
	_, err = p.Finish(ctx, upstream.Response{Code: secret.Token(), Verifier: secret.Token()})
	var refused *upstream.ProviderError
	switch {
	case errors.As(err, &refused) && slices.Contains(unknownClient, refused.Code):
		return append(results, client.failed("it answered "+refused.Code, "Correct client_id and client_secret, or the way that the client authenticates, at the provider or here."))
	case errors.As(err, &refused):
		return append(results, client.ok("it knows the client, and refused the code: "+refused.Code))
	case err != nil:
		return append(results, client.failed(err.Error(), "Let this machine reach the provider's token endpoint, and look into the provider's log."))
	}
	return append(results, client.failed("it took a code that it never gave", "Do not use this provider."))
}

func (d *Doctor) providerKeys(ctx context.Context, s step, address string) Result {
	if address == "" {
		return s.skipped("it has none")
	}
	a, err := d.get(ctx, address)
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	const change = "Correct jwks_url, or let this machine reach " // and the address
	switch {
	case err != nil:
		return s.failed(err.Error(), change+address+".")
	case a.status != http.StatusOK || json.Unmarshal(a.body, &set) != nil || len(set.Keys) == 0:
		return s.failed(a.says()+", without a key", change+address+".")
	}
	return s.ok(fmt.Sprintf("it has %d", len(set.Keys)))
}
