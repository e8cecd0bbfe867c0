package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// SeenResolution is how exactly the last use of a device is known (conformance
// F-07). Synapse asks about a token at most every two minutes, so one use in five
// is written.
const SeenResolution = 10 * time.Minute

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
	if u.session == "" || (!u.first && u.at-u.seen < SeenResolution.Milliseconds()) {
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

// mostPending are the uses that wait for more to be written with them.
const mostPending = 10_000

// FlushFirstUses writes the first uses of tokens, by which refreshes are judged. The
// others are left to FlushUsage, for together they cost less, unless there are many.
func (s *Store) FlushFirstUses(ctx context.Context) error {
	return s.flush(ctx, s.usage.takeFirst())
}

// FlushUsage writes the collected uses.
func (s *Store) FlushUsage(ctx context.Context) error {
	return s.flush(ctx, s.usage.take())
}

// take returns what was collected, and leaves nothing.
func (p *usage) take() map[string]use {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.pending
	p.pending = nil
	return all
}

// takeFirst returns the first uses, and leaves the others.
func (p *usage) takeFirst() map[string]use {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.pending
	if len(all) >= mostPending {
		p.pending = nil
		return all
	}
	first := map[string]use{}
	for id, u := range all {
		if u.first {
			first[id] = u
			delete(all, id)
		}
	}
	return first
}

// flush writes uses, in transactions that are short enough to keep nobody waiting.
func (s *Store) flush(ctx context.Context, batch map[string]use) error {
	for uses := range slices.Chunk(slices.SortedFunc(maps.Values(batch), bySession), usesAtOnce) {
		err := s.InTx(atLength(ctx), func(ctx context.Context) error { return s.writeUses(ctx, uses) })
		if err != nil {
			s.usage.restore(batch)
			return err
		}
		for _, u := range uses {
			delete(batch, u.session)
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
