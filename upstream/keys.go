package upstream

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/time/rate"

	"keymaker/internal/clock"
)

const (
	maxKeys    = 100  // of a set
	minRSABits = 2048 // RFC 7518 §3.3

	// A key set is fetched anew for every token whose signature does not verify,
	// for its key may be a new one. Bad tokens must not make us ask for ever.
	keyFetches   = 5
	keyFetchRate = 10 * time.Second // one more
)

// keyTransport fetches key sets, no more often than it should, and leaves out
// of them what may not verify a token.
type keyTransport struct {
	fetcher *http.Client
	clock   clock.Clock
	limit   *rate.Limiter

	mu      sync.Mutex
	address string // of the last set
	last    []byte // the usable keys of it; nil = there is none
}

func newKeyTransport(fetcher *http.Client, c clock.Clock) *keyTransport {
	return &keyTransport{fetcher: fetcher, clock: c, limit: rate.NewLimiter(rate.Every(keyFetchRate), keyFetches)}
}

// RoundTrip implements http.RoundTripper. Asked too often it answers with the
// last set.
func (t *keyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	address := r.URL.String()
	if !t.limit.AllowN(t.clock.Now(), 1) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.last == nil || t.address != address {
			return nil, errors.New("asked too often")
		}
		return keySetAnswer(r, t.last), nil
	}
	answer, err := t.fetcher.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	keys, err := usableKeys(body)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.address, t.last = address, keys
	return keySetAnswer(r, keys), nil
}

func keySetAnswer(r *http.Request, keys []byte) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(keys)), Request: r}
}

// usableKeys is a key set without the keys that cannot be read, are secret
// (symmetric and private ones), are meant for encryption, or are too short.
func usableKeys(body []byte) ([]byte, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errUnreadable
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("answered with more than %d keys", maxKeys)
	}
	usable := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) != nil || !k.IsPublic() || k.Use == "enc" {
			continue
		}
		if public, ok := k.Key.(*rsa.PublicKey); ok && public.N.BitLen() < minRSABits {
			continue
		}
		usable.Keys = append(usable.Keys, k)
	}
	return json.Marshal(usable)
}
