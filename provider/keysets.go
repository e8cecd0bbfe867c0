package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"keymaker/internal/clock"
	"keymaker/provider/assertion"
)

const (
	// keysetTTL is how long a key set that a client publishes is good for, and
	// keysetLife how long it is used while no other can be fetched.
	keysetTTL  = 15 * time.Minute
	keysetLife = time.Hour
	// keysetPause is the least time between two requests for one key set.
	keysetPause = 30 * time.Second
	// maxKeysets is how many key sets are remembered.
	maxKeysets = 1000
)

// keysets fetches what clients publish at their jwks_uri, and remembers it for a
// while. It is safe for concurrent use.
type keysets struct {
	client *http.Client
	clock  clock.Clock
	flight singleflight.Group

	mu    sync.Mutex
	known map[string]keyset
}

type keyset struct {
	keys    *assertion.Keys // nil: never fetched
	fetched time.Time
	tried   time.Time
	err     error // of the last try
}

// errForgotten is returned in the rare case that a key set made room for others
// before it was used.
var errForgotten = errors.New("forgotten")

func newKeysets(client *http.Client, c clock.Clock) *keysets {
	return &keysets{client: client, clock: c, known: map[string]keyset{}}
}

// get returns the keys at an address. With fresh they are fetched unless that
// has just been done.
func (s *keysets) get(ctx context.Context, uri string, fresh bool) (*assertion.Keys, error) {
	set, age := s.look(uri)
	if set.tried.IsZero() || (fresh || age >= keysetTTL) && s.clock.Now().Sub(set.tried) >= keysetPause {
		// The caller who happens to be the first must not end it for the others.
		ctx := context.WithoutCancel(ctx)
		_, _, _ = s.flight.Do(uri, func() (any, error) {
			keys, err := s.fetch(ctx, uri)
			s.note(uri, keys, err)
			return nil, nil
		})
		set, age = s.look(uri)
	}
	if set.keys == nil || set.err != nil && age >= keysetLife {
		return nil, fmt.Errorf("fetch the keys of a client: %w", cmp.Or(set.err, errForgotten))
	}
	return set.keys, nil
}

func (s *keysets) look(uri string) (set keyset, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set = s.known[uri]
	return set, s.clock.Now().Sub(set.fetched)
}

// note remembers what a fetch came to.
func (s *keysets) note(uri string, keys *assertion.Keys, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, there := s.known[uri]
	if !there && len(s.known) >= maxKeysets {
		for other := range s.known { // any one: it is fetched again
			delete(s.known, other)
			break
		}
	}
	set.tried, set.err = s.clock.Now(), err
	if err == nil {
		set.keys, set.fetched = keys, set.tried
	}
	s.known[uri] = set
}

func (s *keysets) fetch(ctx context.Context, uri string) (*assertion.Keys, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	return assertion.UsableKeys(body)
}
