// Package fakesynapse is a Synapse for tests, in memory: as far as it goes, it
// answers the provisioning API and asks about tokens as Synapse 1.163 does. That
// it does so is tested against a real one (TestItAnswersAsSynapseDoes).
package fakesynapse

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
)

// ServerName is whom the users of every fake belong to.
const ServerName = "example.com"

// Synapse is a homeserver. It is safe for concurrent use.
type Synapse struct {
	clock clock.Clock
	tokens

	mu       sync.Mutex
	endpoint string // of the authorization server
	secret   secret.Text
	users    map[string]*account
	reserved []string
	calls    []*Call
	faults   faults
}

// New returns a homeserver without users, of which nobody knows the secret yet:
// Delegate says whom it asks about tokens.
func New(c clock.Clock) *Synapse {
	return &Synapse{clock: c, users: map[string]*account{}, tokens: newTokens(c), faults: faults{released: make(chan struct{})}}
}

// Start serves a homeserver until the test ends, and returns where.
func Start(t testing.TB, c clock.Clock) (s *Synapse, url string) {
	t.Helper()
	s = New(c)
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Recover()
		h.Close()
		s.close()
	})
	return s, h.URL
}

// Delegate is the matrix_authentication_service of the configuration: where the
// authorization server is, and what both sides know. An empty secret disables
// it.
func (s *Synapse) Delegate(endpoint string, shared secret.Text) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoint, s.secret = strings.TrimRight(endpoint, "/"), shared
}

func (s *Synapse) delegate() (endpoint string, shared secret.Text) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endpoint, s.secret
}

const (
	masPath    = "/_synapse/mas/"
	whoamiPath = "/_matrix/client/v3/account/whoami"
)

// ServeHTTP implements http.Handler: the provisioning API, and whoami for what
// Ask says.
func (s *Synapse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, shared := s.delegate()
	switch name, mas := strings.CutPrefix(r.URL.Path, masPath); {
	case mas && shared != "":
		s.serveCall(w, r, name)
	case r.URL.Path == whoamiPath && r.Method == http.MethodGet:
		s.serveWhoami(w, r)
	default:
		unrecognized(http.StatusNotFound).write(w)
	}
}

// serveCall answers one call, or does not, as the faults want.
func (s *Synapse) serveCall(w http.ResponseWriter, r *http.Request, name string) {
	call, ok := calls[name]
	if !ok {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("<title>404 - No Such Resource</title>"))
		return
	}
	record := s.record(name)
	undone, lose := s.misbehave(r)
	a := undone
	if a == nil {
		a = s.answer(call, r, record)
	}
	if lose {
		panic(http.ErrAbortHandler)
	}
	s.finish(record, a.status)
	a.write(w)
}

// answer does a call, if it may be done.
func (s *Synapse) answer(c call, r *http.Request, record *Call) *answer {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if method != c.method {
		return unrecognized(http.StatusMethodNotAllowed)
	}
	if refused := s.refuse(r); refused != nil {
		return refused
	}
	in, body, refused := c.read(r)
	s.note(record, body)
	if refused != nil {
		return refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.ofUser && s.users[in.localpart()] == nil {
		return notFound("User not found")
	}
	return c.do(s, in)
}

// refuse is the answer to whoever does not know the secret.
func (s *Synapse) refuse(r *http.Request) *answer {
	token, refused := bearer(r)
	if refused != nil {
		return refused
	}
	if _, shared := s.delegate(); !secret.Equal(token, shared.Reveal()) {
		return problem(http.StatusForbidden, "M_UNKNOWN", "This endpoint must only be called by MAS")
	}
	return nil
}

// bearer is the one token of a request.
func bearer(r *http.Request) (token string, refused *answer) {
	missing := func(text string) *answer { return problem(http.StatusUnauthorized, "M_MISSING_TOKEN", text) }
	headers, query := r.Header.Values("Authorization"), r.URL.Query()["access_token"]
	switch {
	case len(headers) == 0 && len(query) == 0:
		return "", missing("Missing access token")
	case len(headers) == 0:
		return query[0], nil
	case len(query) > 0:
		return "", missing("Mixing Authorization headers and access_token query parameters.")
	case len(headers) > 1:
		return "", missing("Too many Authorization headers.")
	}
	parts := strings.Split(headers[0], " ")
	if len(parts) != 2 || parts[0] != "Bearer" {
		return "", missing("Invalid Authorization header.")
	}
	return parts[1], nil
}
