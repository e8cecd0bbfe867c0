package homeserver

import (
	"fmt"
	"log/slog"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/provisioning"
	"keymaker/internal/tracing"
	"keymaker/store"
)

// Open returns the homeserver of a configuration that is another program. Nobody
// is asked whether it is there. tracer may be nil. Whoever lets people sign in sets Clear.
func Open(c config.Homeserver, db *store.Store, clk clock.Clock, log *slog.Logger, tracer *tracing.Tracer) (*Synapse, error) {
	api, err := provisioning.New(provisioning.Options{Endpoint: c.Endpoint, Secret: c.Secret, Clock: clk, Logger: log, Tracer: tracer})
	if err != nil {
		return nil, fmt.Errorf("global.homeserver: %w", err)
	}
	return &Synapse{Store: db, API: api, Clock: clk}, nil
}
