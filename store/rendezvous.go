package store

import (
	"context"
	"time"

	"keymaker/internal/secret"
)

// RendezvousProtocol is the proposal that a rendezvous session follows. A
// session of one is not seen by the other.
type RendezvousProtocol string

// The protocols.
const (
	MSC4108 RendezvousProtocol = "msc4108"
	MSC4388 RendezvousProtocol = "msc4388"
)

const (
	// maxRendezvous is how many sessions there may be at once: with payloads of
	// 4 KiB some 8 MiB.
	maxRendezvous = 2000
	// maxNetworkRendezvous is how many of them one network may have begun: many
	// people can share an address.
	maxNetworkRendezvous = 50
)

// Rendezvous is a session in which two devices meet.
type Rendezvous struct {
	Payload []byte
	// Sequence is another number after each write.
	Sequence             int64
	ChangedAt, ExpiresAt time.Time
}

// NewRendezvous is what a session begins with.
type NewRendezvous struct {
	Protocol RendezvousProtocol
	// Network is where the request came from.
	Network   string
	Payload   []byte
	ExpiresAt time.Time
}

type rendezvousRow struct {
	IDHash    []byte
	Protocol  RendezvousProtocol
	Network   string
	Payload   []byte
	Sequence  int64
	ChangedAt int64
	ExpiresAt int64
}

func (rendezvousRow) TableName() string { return "rendezvous_sessions" }

func (r *rendezvousRow) rendezvous() Rendezvous {
	return Rendezvous{Payload: r.Payload, Sequence: r.Sequence, ChangedAt: fromMilli(r.ChangedAt), ExpiresAt: fromMilli(r.ExpiresAt)}
}

// BeginRendezvous stores a session under an id that nobody can guess. It
// returns ErrTooMany while there are as many as there may be.
func (s *Store) BeginRendezvous(ctx context.Context, id string, n NewRendezvous) (Rendezvous, error) {
	row := rendezvousRow{IDHash: secret.Hash(id), Protocol: n.Protocol, Network: n.Network, Payload: present(n.Payload), Sequence: 1,
		ChangedAt: s.now(), ExpiresAt: n.ExpiresAt.UnixMilli()}
	err := s.InTx(ctx, func(ctx context.Context) error {
		if err := s.lockRendezvous(ctx); err != nil {
			return err
		}
		var live struct{ Total, Network int64 }
		err := s.write(ctx).Raw(`SELECT count(*) AS total, count(CASE WHEN network = ? THEN 1 END) AS network
			FROM rendezvous_sessions WHERE expires_at > ?`, n.Network, s.now()).Scan(&live).Error
		switch {
		case err != nil:
			return fault("count rendezvous sessions", err)
		case live.Total >= maxRendezvous || live.Network >= maxNetworkRendezvous:
			return ErrTooMany
		}
		return fault("store a rendezvous session", s.write(ctx).Create(&row).Error)
	})
	return row.rendezvous(), err
}

// lockRendezvous makes those who begin a session wait for each other until the
// transaction ends, so that none is counted too late. SQLite has one writer at a
// time anyway.
func (s *Store) lockRendezvous(ctx context.Context) error {
	if !s.postgres {
		return nil
	}
	return fault("lock the rendezvous sessions", s.write(ctx).Exec(takeTurn).Error)
}

// Rendezvous returns a session that has not expired, or ErrNotFound.
func (s *Store) Rendezvous(ctx context.Context, p RendezvousProtocol, id string) (Rendezvous, error) {
	var row rendezvousRow
	err := s.read(ctx).Where("id_hash = ? AND protocol = ? AND expires_at > ?", secret.Hash(id), p, s.now()).Take(&row).Error
	return row.rendezvous(), fault("read a rendezvous session", err)
}

// EndRendezvous removes a session. It returns ErrNotFound like Rendezvous.
func (s *Store) EndRendezvous(ctx context.Context, p RendezvousProtocol, id string) error {
	result := s.write(ctx).Where("id_hash = ? AND protocol = ? AND expires_at > ?", secret.Hash(id), p, s.now()).Delete(&rendezvousRow{})
	return one("end a rendezvous session", result, ErrNotFound)
}

// present is a payload that the database takes for an empty one, not for none.
func present(payload []byte) []byte {
	if payload == nil {
		return []byte{}
	}
	return payload
}
