package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

// Rendezvous is what the rendezvous endpoints ask for: sessions in which two
// devices leave a payload for each other. What they write is encrypted between
// them; here it is bytes that nobody looks at.
type Rendezvous interface {
	BeginRendezvous(ctx context.Context, id string, n store.NewRendezvous) (store.Rendezvous, error)
	Rendezvous(ctx context.Context, p store.RendezvousProtocol, id string) (store.Rendezvous, error)
	WriteRendezvous(ctx context.Context, p store.RendezvousProtocol, id string, w store.RendezvousWrite) (store.Rendezvous, error)
	EndRendezvous(ctx context.Context, p store.RendezvousProtocol, id string) error
}

// maxPayload is the largest payload in bytes (MSC4108, MSC4388: 4 KiB).
const maxPayload = 4096

// rendezvousOn tells whether devices can meet here. Without the OAuth server
// and its device grant there is nothing to sign in to by a QR code.
func (s *Server) rendezvousOn() bool {
	return s.Matrix != nil && s.Config.Rendezvous && s.Config.OAuthEnabled() && s.Config.OIDCDeviceGrant
}

// beginRendezvous stores a session. Anybody may: a new device has no token yet.
func (s *Server) beginRendezvous(r *http.Request, p store.RendezvousProtocol, payload []byte, life time.Duration) (id string, begun store.Rendezvous, err error) {
	id = secret.Token()
	begun, err = s.Matrix.BeginRendezvous(r.Context(), id, store.NewRendezvous{Protocol: p, Payload: payload,
		Network: network(s.clientAddr(r)).String(), ExpiresAt: s.Clock.Now().Add(life)})
	return id, begun, err
}

// network is what one person has of addresses: a single one, or a /64 of IPv6.
func network(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

// notByNavigation keeps a payload from being opened in a browser as if it were
// a page of this server: clients fetch it, and browsers say when they do not
// (MSC4388 "Unsafe content"; Fetch Metadata Request Headers).
func (s *Server) notByNavigation(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		destination := r.Header.Get("Sec-Fetch-Dest")
		if r.Header.Get("Sec-Fetch-Mode") == "navigate" || destination != "" && destination != "empty" {
			s.matrixFailure(w, r, mxError(http.StatusForbidden, "M_FORBIDDEN", "This is for Matrix clients, not to be opened in a browser."))
			return
		}
		next(w, r)
	}
}

// endRendezvous removes a session, and tells whether there was one; if not it
// has answered.
func (s *Server) endRendezvous(w http.ResponseWriter, r *http.Request, p store.RendezvousProtocol) bool {
	id, err := variable(r, "id")
	if err == nil {
		err = s.Matrix.EndRendezvous(r.Context(), p, id)
	}
	if err != nil {
		s.matrixFailure(w, r, err)
	}
	return err == nil
}

// readRendezvous returns the session that the path names; if there is none it
// has answered.
func (s *Server) readRendezvous(w http.ResponseWriter, r *http.Request, p store.RendezvousProtocol) (store.Rendezvous, bool) {
	id, err := variable(r, "id")
	var session store.Rendezvous
	if err == nil {
		session, err = s.Matrix.Rendezvous(r.Context(), p, id)
	}
	if err != nil {
		s.matrixFailure(w, r, err)
	}
	return session, err == nil
}

// conflicted tells whether a write came too late.
func conflicted(err error) bool { return errors.Is(err, store.ErrConflict) }
