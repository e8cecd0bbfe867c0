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

// configureClients takes the clients of the configuration file into use, and
// warns of those that are no longer in it and still have sessions.
func (p *Provider) configureClients(ctx context.Context) error {
	clients := make([]store.NewClient, 0, len(p.config.OIDCClients))
	for i := range p.config.OIDCClients {
		n, err := configuredClient(&p.config.OIDCClients[i])
		if err != nil {
			return err
		}
		clients = append(clients, n)
	}
	if err := p.store.Configure(ctx, clients); err != nil {
		return fmt.Errorf("global.oidc_client: %w", err)
	}
	orphans, err := p.store.Orphans(ctx)
	if err != nil {
		return err
	}
	for _, o := range orphans {
		p.log.WarnContext(ctx, "a client is no longer in the configuration, and its tokens are not accepted: put its [[global.oidc_client]] back to accept them again",
			"client", o.ClientID, "sessions", o.Sessions, "newest", o.Newest.Format(time.RFC3339))
	}
	return nil
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
