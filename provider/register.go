package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/text/language"

	"keymaker/internal/secret"
	"keymaker/provider/registration"
	"keymaker/store"
)

// Register registers a client (RFC 7591, conformance B) and returns the
// response document. The bearer is the initial access token, "" for none. The
// error is an *Error.
func (p *Provider) Register(ctx context.Context, body []byte, bearer string) ([]byte, error) {
	if want := p.config.OIDCRegistrationAccessToken.Reveal(); want != "" && !secret.Equal(bearer, want) {
		return nil, oauthError(http.StatusUnauthorized, "invalid_token", "Registration needs the initial access token of this server.")
	}
	metadata, err := registration.Parse(body, registration.Policy{
		RequireClientURI: p.config.OIDCRegistrationRequireClientURI, AllowedRedirectHosts: p.config.OIDCRegistrationAllowedRedirectHosts,
		RS256: p.signsRS256(), NoDeviceGrant: !p.config.OIDCDeviceGrant, LoopbackIssuer: p.onLoopback(),
	})
	if err != nil {
		var refused *registration.Error
		if errors.As(err, &refused) {
			return nil, oauthError(http.StatusBadRequest, refused.Code, "%s", refused.Description)
		}
		return nil, AsError(err)
	}
	return p.keep(ctx, metadata)
}

// keep stores accepted metadata. Equal registrations share a client, unless it
// authenticates (conformance B-40, B-41).
func (p *Provider) keep(ctx context.Context, metadata *registration.Metadata) ([]byte, error) {
	doc, err := json.Marshal(metadata)
	if err != nil {
		return nil, AsError(fmt.Errorf("encode a registration: %w", err))
	}
	n := store.NewClient{ID: store.NewID(p.clock.Now()), Metadata: doc}
	var plain secret.Text
	if metadata.HasSecret() {
		plain = secret.Text(secret.Token())
		n.SecretHash = secret.Hash(plain.Reveal())
	}
	if !metadata.Confidential() {
		n.MetadataHash = secret.Hash(string(metadata.Canonical()))
	}
	client, err := p.store.Register(ctx, n)
	if err != nil {
		return nil, AsError(err)
	}
	answer, err := json.Marshal(registration.Response{ClientID: client.ID, IssuedAt: client.CreatedAt, Secret: plain, Metadata: *metadata})
	if err != nil {
		return nil, AsError(fmt.Errorf("encode a registration: %w", err))
	}
	return answer, nil
}

// ClientMetadata is what a client said about itself when it registered.
func ClientMetadata(c *store.Client) (registration.Metadata, error) {
	var m registration.Metadata
	if err := json.Unmarshal(c.Metadata, &m); err != nil {
		return m, fmt.Errorf("read the metadata of client %s: %w: %w", c.ID, store.ErrUnavailable, err)
	}
	return m, nil
}

// clientName is what a person is told a client is called: its name, or else the
// host it belongs to, or else its id.
func clientName(c *store.Client) string {
	m, err := ClientMetadata(c)
	if err != nil {
		return c.ID
	}
	for _, name := range []string{m.Name(language.English), m.ClientHost()} {
		if name != "" {
			return name
		}
	}
	return c.ID
}
