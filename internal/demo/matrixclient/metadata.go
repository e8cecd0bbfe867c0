package matrixclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"keymaker/internal/clock"
)

// MetadataPaths are where a server serves its metadata, the same document at
// each (conformance A-06).
var MetadataPaths = []string{
	"/_matrix/client/v1/auth_metadata",
	"/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
	"/.well-known/openid-configuration",
	"/.well-known/oauth-authorization-server",
}

// issuerPaths are where a server names its issuer (conformance ).
var issuerPaths = []string{
	"/_matrix/client/v1/auth_issuer",
	"/_matrix/client/unstable/org.matrix.msc2965/auth_issuer",
}

// Metadata is what the client reads of the metadata document (RFC 8414,
// conformance A-03).
type Metadata struct {
	Issuer                   string   `json:"issuer"`
	AuthorizationEndpoint    string   `json:"authorization_endpoint"`
	TokenEndpoint            string   `json:"token_endpoint"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	RegistrationEndpoint     string   `json:"registration_endpoint"`
	IntrospectionEndpoint    string   `json:"introspection_endpoint"`
	UserinfoEndpoint         string   `json:"userinfo_endpoint"`
	JWKSURI                  string   `json:"jwks_uri"`
	ResponseTypes            []string `json:"response_types_supported"`
	ResponseModes            []string `json:"response_modes_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	CodeChallengeMethods     []string `json:"code_challenge_methods_supported"`
	TokenEndpointAuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	IDTokenSigningAlgs       []string `json:"id_token_signing_alg_values_supported"`
	IssInResponse            bool     `json:"authorization_response_iss_parameter_supported"`
}

// Discover reads the metadata of a server wherever it is served, checks that it
// is the same everywhere and that nothing is missing that a client needs, and
// returns a client that is not registered yet.
func Discover(ctx context.Context, o Options) (*Client, error) {
	c := &Client{http: o.HTTP, clock: o.Clock}
	if c.http == nil {
		c.http = http.DefaultClient
	}
	if c.clock == nil {
		c.clock = clock.System{}
	}
	document, err := c.metadataDocument(ctx, o.Issuer)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(document, &c.Metadata); err != nil {
		return nil, fmt.Errorf("read the metadata: %w", err)
	}
	if err := c.Metadata.check(o.Issuer); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if err := c.checkIssuer(ctx, o.Issuer); err != nil {
		return nil, err
	}
	// The library keeps the context for as long as it fetches keys.
	if c.provider, err = oidc.NewProvider(context.WithoutCancel(c.context(ctx)), o.Issuer); err != nil {
		return nil, fmt.Errorf("discover the OpenID provider: %w", err)
	}
	return c, nil
}

// metadataDocument fetches the document from all its places.
func (c *Client) metadataDocument(ctx context.Context, issuer string) ([]byte, error) {
	var first []byte
	for i, path := range MetadataPaths {
		a, err := send(ctx, c.http, request{method: http.MethodGet, url: at(issuer, path)})
		if err != nil {
			return nil, err
		}
		if err := a.object(http.StatusOK, &struct{}{}); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if i == 0 {
			first = a.body
		}
		if !bytes.Equal(first, a.body) {
			return nil, fmt.Errorf("expected the same document everywhere, but %s differs from %s", path, MetadataPaths[0])
		}
	}
	return first, nil
}

// checkIssuer compares what the paths say that only name the issuer.
func (c *Client) checkIssuer(ctx context.Context, issuer string) error {
	for _, path := range issuerPaths {
		a, err := send(ctx, c.http, request{method: http.MethodGet, url: at(issuer, path)})
		if err != nil {
			return err
		}
		var said struct {
			Issuer string `json:"issuer"`
		}
		if err := a.object(http.StatusOK, &said); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if said.Issuer != issuer {
			return fmt.Errorf("%s: expected the issuer %s, got %q", path, issuer, said.Issuer)
		}
	}
	return nil
}

// check finds what is missing. Every endpoint must lie under the issuer: this
// client knows no server that spreads over several.
func (m *Metadata) check(issuer string) error {
	if m.Issuer != issuer {
		return fmt.Errorf("expected the issuer %s, got %q", issuer, m.Issuer)
	}
	for _, endpoint := range []struct{ name, url string }{
		{"authorization_endpoint", m.AuthorizationEndpoint},
		{"token_endpoint", m.TokenEndpoint},
		{"revocation_endpoint", m.RevocationEndpoint},
		{"registration_endpoint", m.RegistrationEndpoint},
		{"introspection_endpoint", m.IntrospectionEndpoint},
		{"userinfo_endpoint", m.UserinfoEndpoint},
		{"jwks_uri", m.JWKSURI},
	} {
		if !strings.HasPrefix(endpoint.url, at(issuer, "/")) {
			return fmt.Errorf("expected %s under the issuer, got %q", endpoint.name, endpoint.url)
		}
	}
	for _, list := range []struct {
		name   string
		values []string
		needed []string
	}{
		{"response_types_supported", m.ResponseTypes, []string{"code"}},
		{"response_modes_supported", m.ResponseModes, []string{"query", "fragment"}},
		{"grant_types_supported", m.GrantTypes, []string{"authorization_code", "refresh_token"}},
		{"code_challenge_methods_supported", m.CodeChallengeMethods, []string{"S256"}},
		{"token_endpoint_auth_methods_supported", m.TokenEndpointAuthMethods, []string{"none"}},
		{"revocation_endpoint_auth_methods_supported", m.RevocationAuthMethods, []string{"none"}},
		{"id_token_signing_alg_values_supported", m.IDTokenSigningAlgs, []string{oidc.ES256}},
	} {
		for _, value := range list.needed {
			if !slices.Contains(list.values, value) {
				return fmt.Errorf("expected %s in %s, got %v", value, list.name, list.values)
			}
		}
	}
	if !m.IssInResponse {
		return errors.New("expected authorization_response_iss_parameter_supported to be true")
	}
	return nil
}

// endpoint is the server as the OAuth library sees it. A client without a
// secret names itself in the body.
func (c *Client) endpoint() oauth2.Endpoint {
	return oauth2.Endpoint{
		AuthURL: c.Metadata.AuthorizationEndpoint, TokenURL: c.Metadata.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams,
	}
}

// at is a path of the server; the issuer may end in a slash.
func at(issuer, path string) string { return strings.TrimSuffix(issuer, "/") + path }
