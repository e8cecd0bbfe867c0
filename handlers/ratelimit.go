package handlers

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"keymaker/internal/clock"
)

// limiter bounds how often one address may register clients and begin logins
// (oidc_rc_per_second, oidc_rc_burst_count). Refresh, introspection and
// metadata are never limited: a refused refresh logs a person out.
type limiter struct {
	perSecond rate.Limit
	burst     int
	clock     clock.Clock

	mu      sync.Mutex
	buckets map[netip.Prefix]*bucket
	swept   time.Time
}

type bucket struct {
	*rate.Limiter
	used time.Time
}

// forget is after how long an address that is quiet is forgotten: its bucket is
// full again by then.
const forget = 10 * time.Minute

func newLimiter(perSecond, burst int, c clock.Clock) *limiter {
	return &limiter{perSecond: rate.Limit(perSecond), burst: burst, clock: c, buckets: map[netip.Prefix]*bucket{}, swept: c.Now()}
}

// allow takes one from the bucket of an address: of its /64 for IPv6, for one
// person has many of those.
func (l *limiter) allow(addr netip.Addr) bool {
	if l.perSecond == 0 || !addr.IsValid() {
		return true
	}
	key := network(addr)
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	b, ok := l.buckets[key]
	if !ok {
		b = &bucket{Limiter: rate.NewLimiter(l.perSecond, l.burst)}
		l.buckets[key] = b
	}
	b.used = now
	return b.AllowN(now, 1)
}

func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < forget {
		return
	}
	l.swept = now
	for key, b := range l.buckets {
		if now.Sub(b.used) > forget {
			delete(l.buckets, key)
		}
	}
}

// limited tells whether a request is one too many, and then when to come again.
func (s *Server) limited(w http.ResponseWriter, r *http.Request) bool {
	if s.limiter.allow(s.clientAddr(r)) {
		return false
	}
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	return true
}

// clientAddr is the address of the client. X-Forwarded-For counts only as far
// as the proxies go that the administrator trusts (conformance L-15).
func (s *Server) clientAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next
	}
	return addr.Unmap().WithZone("")
}

func (s *Server) trusted(addr netip.Addr) bool {
	for _, p := range s.Config.TrustedProxies {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}
