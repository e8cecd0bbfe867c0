package app

import (
	"net/http"
	"sync"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/demo/matrixclient"
	"keymaker/internal/secret"
)

const (
	attemptTTL = 10 * time.Minute // from the redirect to the server and back
	sessionTTL = 24 * time.Hour
)

// session is what the application knows of one browser: nothing, an attempt to
// sign in, or an account.
type session struct {
	csrf    string
	expires time.Time
	client  *matrixclient.Client
	attempt *matrixclient.Authorization
	account *account
}

// account is a Matrix user on a device. It is replaced and never changed.
type account struct {
	tokens  matrixclient.Tokens
	expires time.Time // of the access token
}

// newAccount counts the lifetime from before the tokens were asked for.
func newAccount(t matrixclient.Tokens, asked time.Time) *account {
	return &account{tokens: t, expires: asked.Add(t.Lifetime)}
}

// sessions are those of all browsers, by the value of their cookie.
type sessions struct {
	clock clock.Clock

	mu  sync.Mutex
	all map[string]session
}

func newSessions(c clock.Clock) *sessions { return &sessions{clock: c, all: map[string]session{}} }

func (s *sessions) get(cookie string) session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.all[cookie]
	if !s.clock.Now().Before(found.expires) {
		return session{}
	}
	return found
}

// put keeps a session, and forgets those that have expired.
func (s *sessions) put(cookie string, kept session) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, old := range s.all {
		if !now.Before(old.expires) {
			delete(s.all, other)
		}
	}
	s.all[cookie] = kept
}

func (s *sessions) remove(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, cookie)
}

// session returns what is known of the browser that sent a request, and its
// cookie.
func (a *App) session(r *http.Request) (cookie string, s session) {
	c, err := r.Cookie(a.cookie)
	if err != nil {
		return "", session{}
	}
	return c.Value, a.sessions.get(c.Value)
}

// start gives the browser a session under a new cookie.
func (a *App) start(w http.ResponseWriter, s session) {
	ttl := attemptTTL
	if s.account != nil {
		ttl = sessionTTL
	}
	s.csrf, s.expires = secret.Token(), a.options.Clock.Now().Add(ttl)
	cookie := secret.Token()
	a.sessions.put(cookie, s)
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // not Secure: the application is on plain http, on this machine
		Name: a.cookie, Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
