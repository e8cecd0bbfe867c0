package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"keymaker/internal/config"
	"keymaker/internal/secret"
	"keymaker/store"
)

// Activate takes the clients of the configuration file into use, and warns of
// those that are no longer in it and still have sessions. Nothing answers
// requests before.
func (p *Provider) Activate(ctx context.Context) {
	p.store.UseConfigured(p.configured)
	orphans, err := p.store.Orphans(ctx)
	if err != nil {
		p.log.ErrorContext(ctx, "look for clients that are no longer in the configuration", "error", err)
	}
	for _, o := range orphans {
		p.log.WarnContext(ctx, "a client is no longer in the configuration, and its tokens are not accepted: put its [[global.oidc_client]] back to accept them again",
			"client", o.ClientID, "sessions", o.Sessions, "newest", o.Newest.Format(time.RFC3339))
	}
}

// Configure makes the clients of the configuration file known to a store, as
// whoever ends sessions needs it.
func Configure(ctx context.Context, db *store.Store, c *config.Config) error {
	configured, err := readConfigured(ctx, db, c)
	if err != nil {
		return err
	}
	db.UseConfigured(configured)
	return nil
}

func readConfigured(ctx context.Context, db *store.Store, c *config.Config) (store.Configured, error) {
	clients := make([]store.NewClient, 0, len(c.OIDCClients))
	for i := range c.OIDCClients {
		n, err := configuredClient(&c.OIDCClients[i])
		if err != nil {
			return nil, err
		}
		clients = append(clients, n)
	}
	configured, err := db.ReadConfigured(ctx, clients)
	if err != nil {
		return nil, fmt.Errorf("global.oidc_client: %w", err)
	}
	return configured, nil
}

func configuredClient(c *config.OIDCClient) (store.NewClient, error) {
	document, err := json.Marshal(c.Metadata)
	if err != nil {
		return store.NewClient{}, fmt.Errorf("encode the client %s: %w", c.ClientID, err)
	}
	n := store.NewClient{ID: c.ClientID, Metadata: document}
	if c.ClientSecret != "" {
		n.SecretHash = secret.Hash(c.ClientSecret.Reveal())
	}
	return n, nil
}
