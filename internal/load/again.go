package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// kept is what a later run on the same database must know.
type kept struct {
	Seed     []byte `json:"seed"`
	ClientID string `json:"client_id"`
	Stored   int    `json:"stored"`
	Revoked  int64  `json:"revoked"`
	// StoredAt is in milliseconds.
	StoredAt int64 `json:"stored_at"`
	// Refreshed is what sessions present that have refreshed, by their numbers.
	Refreshed map[int]string `json:"refreshed"`
}

func (r *run) keptFile() string { return filepath.Join(r.Dir, "load.json") }

// keep leaves what a later run must know in the folder.
func (r *run) keep() error {
	text, err := json.Marshal(kept{Seed: r.seed, ClientID: r.clientID, Stored: r.Stored, Revoked: r.revoked.Load(),
		StoredAt: r.storedAt.UnixMilli(), Refreshed: r.refreshed()})
	if err == nil {
		err = os.WriteFile(r.keptFile(), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep what is stored: %w", err)
	}
	return nil
}

// recall takes over what an earlier run has stored.
func (r *run) recall() error {
	text, err := os.ReadFile(r.keptFile())
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no run before has stored anything in %s", r.Dir)
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		return fmt.Errorf("read what is stored: %w", err)
	}
	r.seed, r.clientID, r.Stored = k.Seed, k.ClientID, k.Stored
	r.revoked.Store(k.Revoked)
	r.storedAt = time.UnixMilli(k.StoredAt)
	r.deal(k.Refreshed)
	return nil
}
