package load

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"strconv"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/store/fill"
)

// The stored sessions that no revocation ends are for two: those of even numbers
// refresh, and those of odd numbers are changed by hand. What is presented of the
// ones must not be replaced by the other.

// chains are the sessions that one client keeps going, of all that are stored: no
// other client has them.
type chains struct {
	// next is what a session presents, by its number, unless it is what was stored.
	next map[int]string
	// unasked is an access token that nobody has asked about.
	unasked string
}

// deal shares the sessions that refresh among the clients.
func (r *run) deal(refreshed map[int]string) {
	r.chains = make([]chains, r.Concurrency)
	for w := range r.chains {
		r.chains[w].next = map[int]string{}
	}
	for i, token := range refreshed {
		r.chains[i/2%r.Concurrency].next[i] = token
	}
}

// refreshed are the tokens of all sessions that have refreshed, by their numbers.
func (r *run) refreshed() map[int]string {
	all := map[int]string{}
	for _, c := range r.chains {
		maps.Copy(all, c.next)
	}
	return all
}

// each is how many sessions a client keeps going.
func (r *run) each() int { return r.kept() / 2 / r.Concurrency }

// anyOf is any of a client's sessions.
func (r *run) anyOf(worker int) int {
	return 2 * (rand.IntN(r.each())*r.Concurrency + worker) //nolint:gosec // it is no secret
}

// anyByHand is the id of any of the sessions that are changed by hand.
func (r *run) anyByHand() string {
	return fill.SessionID(r.storedAt, 2*rand.IntN(r.kept()/2)+1) //nolint:gosec // it is no secret
}

// presents is what a session presents to refresh.
func (c *chains) presents(r *run, i int) (string, error) {
	if token, ok := c.next[i]; ok {
		return token, nil
	}
	return r.refreshToken(i, fill.SessionID(r.storedAt, i))
}

// refreshToken is the refresh token of a stored session.
func (r *run) refreshToken(i int, id string) (string, error) {
	return provider.RefreshToken(r.tokenSecret, id, secret.MAC(r.seed, []byte("refresh token"), []byte(strconv.Itoa(i))))
}

// readTokenSecret reads what the server, which is not running, makes tokens with.
func (r *run) readTokenSecret(ctx context.Context) (err error) {
	s, err := store.Open(ctx, store.Options{URL: r.Database, ServerName: serverName, Clock: clock.System{}, Sealer: r.sealer, AsItIs: true})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	r.tokenSecret, err = provider.TokenSecret(ctx, s)
	return err
}

// refresh lets each client keep its own sessions going, any of them each time: what
// a session is given is what it presents the next time.
func (r *run) refresh() act {
	return func(ctx context.Context, c *client, worker, _ int) error {
		mine := &r.chains[worker]
		i := r.anyOf(worker)
		presented, err := mine.presents(r, i)
		if err != nil {
			return err
		}
		t, err := r.tokenRequest(ctx, c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {presented}, "client_id": {r.clientID}})
		if err != nil {
			return err
		}
		if t.Refresh == presented {
			return fmt.Errorf("the refresh token of session %d is not replaced", i)
		}
		mine.next[i], mine.unasked = t.Refresh, t.Access
		return nil
	}
}
