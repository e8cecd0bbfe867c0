package fakesynapse

import (
	"context"
	"net/http"
	"sync"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
)

// remembered is how long Synapse believes an answer about a token.
const remembered = 2 * time.Minute

// tokens are what the authorization server has said of tokens.
type tokens struct {
	clock   clock.Clock
	http    *http.Client
	cacheMu *sync.Mutex
	cache   map[string]*entry
}

// entry is an answer, once it is there. Whoever asks meanwhile waits for it.
type entry struct {
	there chan struct{}
	claims
	err error
	at  time.Time
}

func newTokens(c clock.Clock) tokens {
	return tokens{clock: c, http: &http.Client{Transport: transport(false)}, cacheMu: new(sync.Mutex), cache: map[string]*entry{}}
}

func transport(http2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	return &http.Transport{Protocols: protocols, DisableCompression: true, MaxIdleConnsPerHost: 64}
}

// ForceHTTP2 is force_http2 of the configuration: HTTP/2 without TLS, and
// without asking for it first. It must be called before the first question.
func (s *Synapse) ForceHTTP2() { s.http.Transport = transport(true) }

func (t *tokens) close() { t.http.CloseIdleConnections() }

// ask asks about a token, unless the answer is remembered.
func (t *tokens) ask(ctx context.Context, endpoint string, shared secret.Text, token string) (claims, error) {
	t.cacheMu.Lock()
	e := t.cache[token]
	if e != nil && e.settled() && !t.clock.Now().Before(e.at.Add(remembered)) {
		e = nil
	}
	mine := e == nil
	if mine {
		e = &entry{there: make(chan struct{})}
		t.cache[token] = e
	}
	t.cacheMu.Unlock()
	if mine {
		e.claims, e.err = t.introspect(ctx, endpoint, shared, token)
		e.at = t.clock.Now()
		if e.err != nil {
			t.drop(token)
		}
		close(e.there)
	}
	<-e.there
	return e.claims, e.err
}

func (e *entry) settled() bool {
	select {
	case <-e.there:
		return true
	default:
		return false
	}
}

// drop forgets what was said of a token.
func (t *tokens) drop(token string) {
	t.cacheMu.Lock()
	defer t.cacheMu.Unlock()
	delete(t.cache, token)
}
