package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/telemetry"
	"keymaker/store"
)

// openDatabase opens the database of a configuration, with more options, for a
// command beside a server that may be running. It makes none, of a file that is
// missing there would be an empty one, and leaves the tables to the server.
func openDatabase(ctx context.Context, cfg *config.Config, streams *Streams, o store.Options) (*store.Store, error) {
	if path, ok := store.SQLitePath(cfg.Database.URL); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no database %s yet: start the server once, or name its configuration with --config", path)
		}
	}
	log, err := telemetry.NewLogger(streams.Err, cfg.LogFormat, "warn")
	if err != nil {
		return nil, err
	}
	o.URL, o.ServerName, o.Clock, o.Logger, o.AsItIs = cfg.Database.URL, cfg.ServerName, clock.System{}, log, true
	db, err := store.Open(ctx, o)
	if errors.Is(err, store.ErrOlderDatabase) {
		return nil, fmt.Errorf("open the database: %w: start the server of this version, which brings it up to date", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return db, nil
}
