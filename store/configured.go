package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrClientRegistered is returned for a configured client whose id is that of a
// client that registered itself.
var ErrClientRegistered = errors.New("a client that registered itself has this client_id")

// Configured are clients of a configuration file that a store can take into use.
type Configured map[string]*Client

// ReadConfigured looks at the clients of a configuration file; of a NewClient the
// ID, the Metadata and the SecretHash count. It returns ErrClientRegistered for an
// id that is taken.
func (s *Store) ReadConfigured(ctx context.Context, clients []NewClient) (Configured, error) {
	configured := make(map[string]*Client, len(clients))
	for _, n := range clients {
		c := &Client{ID: n.ID, Metadata: n.Metadata, SecretHash: n.SecretHash, configured: true}
		if err := c.readFields(); err != nil {
			return nil, err
		}
		switch known, err := s.Client(ctx, n.ID); {
		case err == nil && known.configured: // until now
		case err == nil:
			return nil, fmt.Errorf("configure the client %s: %w", n.ID, ErrClientRegistered)
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
		configured[n.ID] = c
	}
	return configured, nil
}

// UseConfigured takes the clients of a configuration file into use, in the place
// of those before. They are kept in memory alone, so that nothing that is stored
// can change them, and every server has those of its own file (conformance B-46).
func (s *Store) UseConfigured(c Configured) {
	clients := map[string]*Client(c)
	s.configured.Store(&clients)
}

// configuredClient is a client of the configuration file, or nil.
func (s *Store) configuredClient(id string) *Client { return (*s.configured.Load())[id] }

// owner returns the client of what was read with its owner: nil for a client
// that is no longer configured, and for a session without one.
func (s *Store) owner(o ownerColumns, clientID string) (*Client, error) {
	if c := s.configuredClient(clientID); c != nil {
		return c, nil
	}
	if o.ClientMetadata == "" {
		return nil, nil
	}
	return clientRow{ID: clientID, Metadata: o.ClientMetadata, SecretHash: o.ClientSecretHash, CreatedAt: o.ClientCreatedAt}.client()
}

// Orphan is a client that is neither configured nor registered and has live
// sessions: it was configured, and is no longer.
type Orphan struct {
	ClientID string
	Sessions int64
	Newest   time.Time // when the last of them began
}

// unregistered asks for the clients of live sessions that are not registered. It
// goes from one client to the next in the index, and so costs as much as there are
// clients, however many sessions they have.
const unregistered = `WITH RECURSIVE live (id) AS (
		SELECT (SELECT client_id FROM sessions WHERE ended_at IS NULL AND client_id IS NOT NULL ORDER BY client_id LIMIT 1)
		UNION ALL
		SELECT (SELECT client_id FROM sessions WHERE ended_at IS NULL AND client_id > live.id ORDER BY client_id LIMIT 1) FROM live WHERE live.id IS NOT NULL)
	SELECT live.id FROM live LEFT JOIN clients c ON c.id = live.id WHERE live.id IS NOT NULL AND c.id IS NULL ORDER BY live.id`

// Orphans returns the clients whose tokens are not accepted because they are no
// longer configured. Their sessions do not end by themselves: with the client
// back in the file they go on.
func (s *Store) Orphans(ctx context.Context) ([]Orphan, error) {
	var ids []string
	if err := s.read(ctx).Raw(unregistered).Scan(&ids).Error; err != nil {
		return nil, fault("look for clients that are gone", err)
	}
	var orphans []Orphan
	for _, id := range ids {
		if s.configuredClient(id) != nil {
			continue
		}
		var of struct{ Sessions, Newest int64 }
		err := s.read(ctx).Raw("SELECT count(*) AS sessions, max(created_at) AS newest FROM sessions WHERE client_id = ? AND ended_at IS NULL", id).Scan(&of).Error
		if err != nil {
			return nil, fault("count the sessions of a client that is gone", err)
		}
		if of.Sessions > 0 {
			orphans = append(orphans, Orphan{ClientID: id, Sessions: of.Sessions, Newest: fromMilli(of.Newest)})
		}
	}
	return orphans, nil
}
