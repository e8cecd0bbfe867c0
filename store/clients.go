package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
)

// Client is a registered OAuth client as fosite sees it. Its metadata is the
// document that the registration rules accepted.
type Client struct {
	ID         string
	Metadata   json.RawMessage
	SecretHash []byte // nil for a public client
	CreatedAt  time.Time

	fields     clientFields
	configured bool
}

// clientFields are the members of the metadata that the protocol needs.
type clientFields struct {
	RedirectURIs            []string        `json:"redirect_uris"`
	GrantTypes              []string        `json:"grant_types"`
	ResponseTypes           []string        `json:"response_types"`
	TokenEndpointAuthMethod string          `json:"token_endpoint_auth_method"`
	ApplicationType         string          `json:"application_type"`
	IDTokenAlg              string          `json:"id_token_signed_response_alg"`
	JWKS                    json.RawMessage `json:"jwks"`
	JWKSURI                 string          `json:"jwks_uri"`
	AuthSigningAlg          string          `json:"token_endpoint_auth_signing_alg"`
	Scope                   string          `json:"scope"`
	UserinfoAlg             string          `json:"userinfo_signed_response_alg"`
	PostLogoutRedirectURIs  []string        `json:"post_logout_redirect_uris"`
	BackchannelLogoutURI    string          `json:"backchannel_logout_uri"`
}

var (
	_ fosite.OpenIDConnectClient = (*Client)(nil)
	_ fosite.ResponseModeClient  = (*Client)(nil)
)

// Configured tells whether the client is in the configuration file, and so was
// chosen by the administrator. Any other has registered itself, and is a
// stranger.
func (c *Client) Configured() bool { return c.configured }

// ApplicationType is "web" or "native".
func (c *Client) ApplicationType() string { return c.fields.ApplicationType }

// IDTokenAlg is the registered id_token_signed_response_alg.
func (c *Client) IDTokenAlg() string { return c.fields.IDTokenAlg }

// UserinfoAlg is the registered userinfo_signed_response_alg, or "".
func (c *Client) UserinfoAlg() string { return c.fields.UserinfoAlg }

// PostLogoutRedirectURIs are where a person may be sent after a logout, exactly.
func (c *Client) PostLogoutRedirectURIs() []string { return c.fields.PostLogoutRedirectURIs }

// GetID implements fosite.Client.
func (c *Client) GetID() string { return c.ID }

// GetHashedSecret implements fosite.Client.
func (c *Client) GetHashedSecret() []byte { return c.SecretHash }

// GetRedirectURIs implements fosite.Client.
func (c *Client) GetRedirectURIs() []string { return c.fields.RedirectURIs }

// GetGrantTypes implements fosite.Client.
func (c *Client) GetGrantTypes() fosite.Arguments { return c.fields.GrantTypes }

// GetResponseTypes implements fosite.Client.
func (c *Client) GetResponseTypes() fosite.Arguments { return c.fields.ResponseTypes }

// GetScopes implements fosite.Client. Which scopes may be asked for does not
// depend on the client: the scope strategy decides.
func (c *Client) GetScopes() fosite.Arguments { return nil }

// IsPublic implements fosite.Client.
func (c *Client) IsPublic() bool { return c.fields.TokenEndpointAuthMethod == "none" }

// GetAudience implements fosite.Client.
func (c *Client) GetAudience() fosite.Arguments { return nil }

// GetRequestURIs implements fosite.OpenIDConnectClient.
func (c *Client) GetRequestURIs() []string { return nil }

// JWKS is the key set that the client registered, nil for none.
func (c *Client) JWKS() json.RawMessage { return c.fields.JWKS }

// OwnScope is what the client may ask for in its own name.
func (c *Client) OwnScope() []string { return strings.Fields(c.fields.Scope) }

// GetJSONWebKeys implements fosite.OpenIDConnectClient. fosite verifies nothing
// with them: see JWKS.
func (c *Client) GetJSONWebKeys() *jose.JSONWebKeySet { return nil }

// GetJSONWebKeysURI implements fosite.OpenIDConnectClient.
func (c *Client) GetJSONWebKeysURI() string { return c.fields.JWKSURI }

// GetRequestObjectSigningAlgorithm implements fosite.OpenIDConnectClient.
func (c *Client) GetRequestObjectSigningAlgorithm() string { return "" }

// GetTokenEndpointAuthMethod implements fosite.OpenIDConnectClient.
func (c *Client) GetTokenEndpointAuthMethod() string { return c.fields.TokenEndpointAuthMethod }

// GetTokenEndpointAuthSigningAlgorithm implements fosite.OpenIDConnectClient.
func (c *Client) GetTokenEndpointAuthSigningAlgorithm() string { return c.fields.AuthSigningAlg }

// GetResponseModes implements fosite.ResponseModeClient.
func (c *Client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeDefault, fosite.ResponseModeQuery, fosite.ResponseModeFragment, fosite.ResponseModeFormPost}
}

// clientRow is a row of clients.
type clientRow struct {
	ID           string
	Metadata     string
	MetadataHash []byte
	SecretHash   []byte
	CreatedAt    int64
	LastUsedAt   int64
}

func (clientRow) TableName() string { return "clients" }

func (r clientRow) client() (*Client, error) {
	c := &Client{ID: r.ID, Metadata: json.RawMessage(r.Metadata), SecretHash: r.SecretHash, CreatedAt: time.UnixMilli(r.CreatedAt).UTC()}
	return c, c.readFields()
}

func (c *Client) readFields() error {
	if err := json.Unmarshal(c.Metadata, &c.fields); err != nil {
		return fmt.Errorf("read the metadata of client %s: %w: %w", c.ID, ErrUnavailable, err)
	}
	return nil
}

// NewClient is a registration that the rules have accepted.
type NewClient struct {
	ID       string
	Metadata json.RawMessage
	// MetadataHash identifies equal registrations; nil for a client that
	// authenticates, which is never shared.
	MetadataHash []byte
	SecretHash   []byte
}

// Register stores a client, or returns the one that was registered with the
// same metadata (conformance B-41).
func (s *Store) Register(ctx context.Context, n NewClient) (*Client, error) {
	if s.configuredClient(n.ID) != nil {
		return nil, fmt.Errorf("register a client: %w", ErrExists) // conformance B-45
	}
	row := clientRow{ID: n.ID, Metadata: string(n.Metadata), MetadataHash: n.MetadataHash, SecretHash: n.SecretHash, CreatedAt: s.now(), LastUsedAt: s.now()}
	if n.MetadataHash != nil {
		// The update counts as a use: a client that is just registering again
		// is not swept before it comes back with a code. It also makes the
		// statement return the row that was there first.
		err := s.inBatch(ctx, func(ctx context.Context) error {
			return fault("register a client", s.write(ctx).Raw(`INSERT INTO clients (id, metadata, metadata_hash, secret_hash, created_at, last_used_at) VALUES (?, ?, ?, NULL, ?, ?)
				ON CONFLICT (metadata_hash) WHERE metadata_hash IS NOT NULL DO UPDATE SET last_used_at = excluded.last_used_at
				RETURNING id, metadata, metadata_hash, secret_hash, created_at, last_used_at`,
				row.ID, row.Metadata, row.MetadataHash, row.CreatedAt, row.LastUsedAt).Scan(&row).Error)
		})
		if err != nil {
			return nil, err
		}
		return row.client()
	}
	if err := s.write(ctx).Create(&row).Error; err != nil {
		return nil, fault("register a client", err)
	}
	return row.client()
}

// Client returns a client, configured or registered, or ErrNotFound.
func (s *Store) Client(ctx context.Context, id string) (*Client, error) {
	if c := s.configuredClient(id); c != nil {
		return c, nil
	}
	var row clientRow
	if err := s.read(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return nil, fault("read a client", err)
	}
	return row.client()
}

// HasGrants tells whether anybody has a live session with the client, or an
// approval for it that is remembered.
func (s *Store) HasGrants(ctx context.Context, clientID string) (bool, error) {
	var found bool
	err := s.read(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM sessions WHERE client_id = ? AND ended_at IS NULL)
		OR EXISTS (SELECT 1 FROM consents WHERE client_id = ?)`, clientID, clientID).Scan(&found).Error
	return found, fault("look for grants of a client", err)
}

// OnlyRedirecting is the client as if uri were its one redirect URI.
func (c *Client) OnlyRedirecting(uri string) *Client {
	only := *c
	only.fields.RedirectURIs = []string{uri}
	return &only
}
