package handlers

import (
	"context"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"keymaker/internal/config"
	"keymaker/internal/ratelimit"
)

// Of user codes an address, an account and whoever tries one code may try
// codeBurst at once, and one more every codePause: in the life of a code too few
// to find one of ten thousand that wait (conformance G-11). No setting changes
// that.
const (
	codePause = 6 * time.Second
	codeBurst = 10
)

// limits bound what begins something or can be guessed at (conformance L-21).
// Refresh, revocation, introspection, userinfo, metadata and keys are never
// limited: a client that is refused there logs a person out.
type limits struct {
	*ratelimit.Limiter
	// address is for what begins something, by the client's address.
	address ratelimit.Limit
	// failures is for codes and client secrets that are wrong, by address.
	failures ratelimit.Limit
	// account is for what a person does who has signed in, by account.
	account ratelimit.Limit
	// The tries of user codes, by address, by account and by code.
	codeAddress, codeAccount, code ratelimit.Limit
}

func newLimits(o Options) limits {
	c := o.Config
	l := limits{
		address:     perSecond("address", c),
		failures:    perSecond("failures", c),
		account:     perSecond("account", c),
		codeAddress: ratelimit.Limit{Name: "user codes by address", Every: codePause, Burst: codeBurst},
		codeAccount: ratelimit.Limit{Name: "user codes by account", Every: codePause, Burst: codeBurst},
		code:        ratelimit.Limit{Name: "user codes by code", Every: codePause, Burst: codeBurst},
	}
	l.Limiter = ratelimit.New(o.LimitKey, o.Clock, l.address, l.failures, l.account, l.codeAddress, l.codeAccount, l.code)
	return l
}

func perSecond(name string, c *config.Config) ratelimit.Limit {
	return ratelimit.PerSecond(name, c.OIDCRatePerSecond, c.OIDCRateBurst)
}

// ShareLimits tells the other servers on the database what was taken here, and
// learns what they took. It is to be called about once a second.
func (s *Server) ShareLimits(ctx context.Context) error { return s.limits.Merge(ctx, s.Limits) }

// tooManyError refuses a request that exceeds a limit. Each of the three ways to
// answer with an error knows it.
type tooManyError struct {
	wait time.Duration
	code string // of OAuth; "" = temporarily_unavailable
}

// Error implements error.
func (tooManyError) Error() string { return "too many requests at once: wait a moment" }

// tell sets the header that says when to come again.
func (e tooManyError) tell(h http.Header) {
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.wait.Seconds()))))
}

// takeOf is a tooManyError when who takes one too many.
func (s *Server) takeOf(limit ratelimit.Limit, who string) error {
	if wait := s.limits.Take(limit, who); wait > 0 {
		s.Metrics.Limited(limit.Name)
		return tooManyError{wait: wait}
	}
	return nil
}

// limitAddress takes one of the requests that a client's address may send to
// what begins something. The error is a tooManyError, for the endpoint's own way
// of refusing.
func (s *Server) limitAddress(r *http.Request) error { return s.takeByAddress(s.limits.address, r) }

// limitAccount does that for what a person does who has signed in.
func (s *Server) limitAccount(localpart string) error { return s.takeOf(s.limits.account, localpart) }

func (s *Server) takeByAddress(limit ratelimit.Limit, r *http.Request) error {
	if who := counted(s.clientAddr(r)); who != "" {
		return s.takeOf(limit, who)
	}
	return nil
}

// counted is under what an address is counted; "" for none.
func counted(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return network(addr).String()
}
