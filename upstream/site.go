package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Endpoints are the URLs of a provider: the configured one where there is one,
// and else the discovered. An empty one is not known.
type Endpoints struct {
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Userinfo      string `json:"userinfo_endpoint"`
	JWKS          string `json:"jwks_uri"`
	Revocation    string `json:"revocation_endpoint"`
	Introspection string `json:"introspection_endpoint"`
}

// site is where and how a provider is to be spoken to.
type site struct {
	Endpoints
	// Issuer is the string that the provider advertises.
	Issuer string `json:"issuer"`
	// AuthMethods are how clients may authenticate; none = it does not say.
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	// ChallengeMethods are those of PKCE; none = it does not say.
	ChallengeMethods []string `json:"code_challenge_methods_supported"`
	// SigningAlgorithms are those of the ID tokens; none = it does not say.
	SigningAlgorithms []string `json:"id_token_signing_alg_values_supported"`
	// EndSession is where the browser is signed out of the provider (OpenID
	// Connect RP-Initiated Logout); "" = it does not say.
	EndSession string `json:"end_session_endpoint"`
	// SendsIssuer: every authorization response carries iss (RFC 9207).
	SendsIssuer bool `json:"authorization_response_iss_parameter_supported"`

	// keys verify ID tokens; nil = the provider issues none.
	keys oidc.KeySet
}

// Endpoints returns the provider's URLs. It discovers them at the first use;
// the error is an ErrUnavailable.
func (p *Provider) Endpoints(ctx context.Context) (Endpoints, error) {
	s, err := p.sites.get(ctx)
	if err != nil {
		return Endpoints{}, err
	}
	return s.Endpoints, nil
}

// EndSessionURL is where a person signs out of the provider in their browser; ""
// where the provider has no such page that a person can be sent to. The error is
// an ErrUnavailable.
func (p *Provider) EndSessionURL(ctx context.Context) (string, error) {
	s, err := p.sites.get(ctx)
	if err != nil || s.EndSession == "" || checkEndpoint(s.Issuer, s.EndSession) != nil {
		return "", err
	}
	u, err := url.Parse(s.EndSession)
	if err != nil {
		return "", unavailable("read the end_session_endpoint", err)
	}
	query := u.Query()
	query.Set("client_id", p.config.ClientID)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// load makes the provider's site of its configuration, and of its discovery
// document unless it has none or must not be asked.
func (p *Provider) load(ctx context.Context) (*site, error) {
	c := p.config
	s := &site{Issuer: c.IssuerURL}
	switch {
	case p.isGitHub():
		s = githubSite(c.IssuerURL)
	case c.Discovery:
		var err error
		if s, err = p.discover(ctx); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}
	for endpoint, configured := range map[*string]string{
		&s.Authorization: c.AuthorizationURL,
		&s.Token:         c.TokenURL,
		&s.Userinfo:      c.UserinfoURL,
		&s.JWKS:          c.JWKSURL,
		&s.Revocation:    c.RevocationURL,
		&s.Introspection: c.IntrospectionURL,
	} {
		if configured != "" {
			*endpoint = configured
		}
	}
	if err := p.complete(s); err != nil {
		return nil, unavailable("configuration of the provider", err)
	}
	if s.JWKS != "" && !p.isGitHub() {
		s.keys = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), p.keyFetcher), s.JWKS)
	}
	return s, nil
}

// complete says what is missing for a login.
func (p *Provider) complete(s *site) error {
	switch {
	case s.Authorization == "":
		return errors.New("there is no authorization_endpoint")
	case s.Token == "":
		return errors.New("there is no token_endpoint")
	case s.JWKS == "" && (p.config.Discovery || s.Userinfo == "") && !p.isGitHub():
		return errors.New("there is no jwks_uri")
	case s.JWKS != "" && s.Issuer == "":
		return errors.New("there is no issuer")
	}
	return nil
}

// discover fetches the discovery document (OpenID Connect Discovery 1.0 §4)
// and checks what it says about itself.
func (p *Provider) discover(ctx context.Context) (*site, error) {
	body, _, err := p.fetch(ctx, p.discoveryURL(), "")
	if err != nil {
		return nil, err
	}
	s := &site{}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, unavailable("read the document", errUnreadable)
	}
	if configured := p.config.IssuerURL; configured != "" && !sameIssuer(configured, s.Issuer) {
		return nil, unavailable("read the document", fmt.Errorf("it is that of the issuer %q, but issuer_url is %q", s.Issuer, configured))
	}
	for _, endpoint := range []string{s.Authorization, s.Token, s.Userinfo, s.JWKS, s.Revocation, s.Introspection} {
		if err := checkEndpoint(s.Issuer, endpoint); err != nil {
			return nil, unavailable("read the document", err)
		}
	}
	return s, nil
}

func (p *Provider) discoveryURL() string {
	if p.config.DiscoveryURL != "" {
		return p.config.DiscoveryURL
	}
	base := strings.TrimSuffix(p.config.IssuerURL, "/")
	if path := strings.Trim(p.config.BasePath, "/"); path != "" {
		base += "/" + path
	}
	return base + "/.well-known/openid-configuration"
}

// checkEndpoint refuses a URL that a provider cannot mean: the browser is sent
// to one of them, and secrets to others.
func checkEndpoint(issuer, endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme):
		return fmt.Errorf("the endpoint %q is not a web address", endpoint)
	case u.Scheme == "http" && strings.HasPrefix(issuer, "https:"):
		return fmt.Errorf("the endpoint %q is not https", endpoint)
	}
	return nil
}

// sameIssuer compares two issuers; exactly one slash at the end of one of them
// makes no difference.
func sameIssuer(a, b string) bool {
	return a != "" && strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/")
}

// fetch gets a document, with a bearer token if there is one, and its media
// type.
func (p *Provider) fetch(ctx context.Context, address, bearer string) ([]byte, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", unavailable("fetch", err)
	}
	r.Header.Set("Accept", "application/json, "+typeJWT)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := p.fetcher.Do(r)
	if err != nil {
		return nil, "", unavailable("fetch "+address, cause(err))
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, "", unavailable("fetch "+address, &statusError{answer.StatusCode})
	}
	body, err := io.ReadAll(answer.Body)
	return body, mediaType(answer), err
}
