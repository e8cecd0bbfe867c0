package handlers

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"keymaker/store"
)

// forwardedFor is the header in which proxies say who a client is.
const forwardedFor = "X-Forwarded-For"

// clientAddr is the address of the client. X-Forwarded-For counts only as far
// as the proxies go that the administrator trusts (conformance L-15).
func (s *Server) clientAddr(r *http.Request) netip.Addr {
	addr := peerAddr(r)
	if !addr.IsValid() {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values(forwardedFor), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next
	}
	return addr.Unmap().WithZone("")
}

// peerAddr is the address at the other end of the connection.
func peerAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// fromProxy tells whether a request was sent by a proxy that the administrator
// trusts.
func (s *Server) fromProxy(r *http.Request) bool { return s.trusted(peerAddr(r)) }

// noteAddress lets the store remember where a client was used from, and tell a
// person from where their account was changed.
func (s *Server) noteAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(store.WithAddress(r.Context(), s.addressText(r))))
	})
}

// addressText is clientAddr as text; "" when it is not known.
func (s *Server) addressText(r *http.Request) string {
	if addr := s.clientAddr(r); addr.IsValid() {
		return addr.String()
	}
	return ""
}

func (s *Server) trusted(addr netip.Addr) bool {
	for _, p := range s.Config.TrustedProxies {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}
