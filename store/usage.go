package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// seenResolution is how exactly the last use of a device is known. Synapse
// asks about a token at most every two minutes.
const seenResolution = 2 * time.Minute

// use is what a request with an access token leaves behind.
type use struct {
	session, localpart, device string
	generation                 int64
	first                      bool  // of its generation
	seen                       int64 // the device's last use that is stored
	at                         int64
	address                    string // where it came from; "" where nobody knows
}

// usage collects uses, so that a request that only reads costs no write. What a
// crash loses of it makes a retried refresh more lenient, never less
// (conformance D-23b).
type usage struct {
	mu      sync.Mutex
	pending map[string]use // by session
}

// MarkUsed notes that the access token of a session was accepted.
func (s *Store) MarkUsed(session *Session) {
	u := session.use
	u.at = s.now()
	if u.session == "" || (!u.first && u.at-u.seen < seenResolution.Milliseconds()) {
		return
	}
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	if s.usage.pending == nil {
		s.usage.pending = map[string]use{}
	}
	if old, ok := s.usage.pending[u.session]; ok && old.generation >= u.generation && old.first {
		return
	}
	s.usage.pending[u.session] = u
}

// apply puts what is not yet written into a row that was read.
func (p *usage) apply(r *sessionRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u, ok := p.pending[r.ID]; ok && u.first && u.generation == r.Generation && r.GenerationUsedAt == nil {
		r.GenerationUsedAt = &u.at
	}
}

// FlushUsage writes the collected uses in one transaction.
func (s *Store) FlushUsage(ctx context.Context) error {
	s.usage.mu.Lock()
	batch := s.usage.pending
	s.usage.pending = nil
	s.usage.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := s.InTx(ctx, func(ctx context.Context) error { return s.writeUses(ctx, slices.Collect(maps.Values(batch))) })
	if err != nil {
		s.usage.restore(batch)
	}
	return err
}

// writeUses locks rows in the order of everybody who locks several: sessions by
// id, then devices.
func (s *Store) writeUses(ctx context.Context, uses []use) error {
	slices.SortFunc(uses, func(a, b use) int { return cmp.Compare(a.session, b.session) })
	for _, u := range uses {
		if !u.first {
			continue
		}
		err := s.write(ctx).Model(&sessionRow{}).Where("id = ? AND generation = ? AND generation_used_at IS NULL", u.session, u.generation).
			Update("generation_used_at", u.at).Error
		if err != nil {
			return fault("mark a first use", err)
		}
	}
	slices.SortFunc(uses, func(a, b use) int {
		return cmp.Or(cmp.Compare(a.localpart, b.localpart), cmp.Compare(a.device, b.device))
	})
	for _, u := range uses {
		if u.device == "" {
			continue
		}
		seen := map[string]any{"last_seen_at": u.at}
		if u.address != "" {
			seen["last_seen_address"] = u.address
		}
		err := s.write(ctx).Model(&deviceRow{}).Where("localpart = ? AND device_id = ? AND last_seen_at < ?", u.localpart, u.device, u.at).
			Updates(seen).Error
		if err != nil {
			return fault("mark a device as seen", err)
		}
	}
	return nil
}

// restore keeps a batch that could not be written for the next attempt, unless
// something newer is known.
func (p *usage) restore(batch map[string]use) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = batch
		return
	}
	for id, u := range batch {
		if _, ok := p.pending[id]; !ok {
			p.pending[id] = u
		}
	}
}
