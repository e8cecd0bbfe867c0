package store

import (
	"bytes"
	"context"

	"keymaker/internal/secret"
)

// maxRendezvousWrites is how often a session may be written to, and how many
// transaction ids of it are remembered. A login needs about ten.
const maxRendezvousWrites = 200

// RendezvousWrite replaces the payload.
type RendezvousWrite struct {
	// Sequence is that of the payload that the writer has seen last.
	Sequence int64
	Payload  []byte
	// Transaction names this write: the same name gets the same answer again
	// for as long as the session lives. "" = none.
	Transaction string
}

type rendezvousWriteRow struct {
	IDHash          []byte
	TransactionHash []byte
	Sequence        *int64
}

func (rendezvousWriteRow) TableName() string { return "rendezvous_writes" }

// WriteRendezvous replaces the payload if its sequence is still that of the
// write, and returns the session as it is then. Of any number of writes with
// one sequence one succeeds; the others get ErrConflict and the session as it
// has become. It returns ErrTooMany for a write too many, and ErrNotFound like
// Rendezvous.
func (s *Store) WriteRendezvous(ctx context.Context, p RendezvousProtocol, id string, w RendezvousWrite) (current Rendezvous, err error) {
	// What cannot succeed keeps no other writer waiting.
	current, err = s.Rendezvous(ctx, p, id)
	if err == nil && current.Sequence != w.Sequence && w.Transaction == "" {
		err = ErrConflict
	}
	if err != nil {
		return current, err
	}
	conflict := false
	err = s.InTx(ctx, func(ctx context.Context) error {
		row, err := s.takeRendezvous(ctx, p, id)
		if err != nil {
			return err
		}
		known, err := s.repeatedWrite(ctx, row, w.Transaction)
		if err != nil {
			return err
		}
		if known == nil {
			conflict = row.Sequence != w.Sequence
			if !conflict && row.Sequence > maxRendezvousWrites {
				return ErrTooMany
			}
			if !conflict {
				row.Payload, row.Sequence, row.ChangedAt = present(w.Payload), row.Sequence+1, s.now()
			}
			current = row.rendezvous()
			return s.keepWrite(ctx, row, w.Transaction, conflict)
		}
		current, conflict = row.rendezvous(), known.Sequence == nil
		if !conflict {
			current.Sequence = *known.Sequence
		}
		return nil
	})
	if err == nil && conflict {
		err = ErrConflict
	}
	return current, err
}

// takeRendezvous reads a session and makes every other writer of it wait.
func (s *Store) takeRendezvous(ctx context.Context, p RendezvousProtocol, id string) (*rendezvousRow, error) {
	hash, row := secret.Hash(id), rendezvousRow{}
	err := one("take a rendezvous session", s.write(ctx).Exec(`UPDATE rendezvous_sessions SET sequence = sequence
		WHERE id_hash = ? AND protocol = ? AND expires_at > ?`, hash, p, s.now()), ErrNotFound)
	if err != nil {
		return nil, err
	}
	return &row, fault("read a rendezvous session", s.write(ctx).Where("id_hash = ?", hash).Take(&row).Error)
}

// repeatedWrite returns what a transaction was answered before; nil for one
// that may go on.
func (s *Store) repeatedWrite(ctx context.Context, row *rendezvousRow, transaction string) (*rendezvousWriteRow, error) {
	if transaction == "" {
		return nil, nil //nolint:nilnil // no transaction, no answer
	}
	var kept []rendezvousWriteRow
	if err := s.write(ctx).Where("id_hash = ?", row.IDHash).Find(&kept).Error; err != nil {
		return nil, fault("read the writes of a rendezvous session", err)
	}
	hash := secret.Hash(transaction)
	for _, k := range kept {
		if bytes.Equal(k.TransactionHash, hash) {
			return &k, nil
		}
	}
	if len(kept) >= maxRendezvousWrites {
		return nil, ErrTooMany
	}
	return nil, nil //nolint:nilnil // not seen before
}

// keepWrite stores a changed session, and what its transaction is answered.
func (s *Store) keepWrite(ctx context.Context, row *rendezvousRow, transaction string, conflict bool) error {
	answer := rendezvousWriteRow{IDHash: row.IDHash, TransactionHash: secret.Hash(transaction)}
	if !conflict {
		answer.Sequence = &row.Sequence
		err := s.write(ctx).Model(&rendezvousRow{}).Where("id_hash = ?", row.IDHash).
			Updates(map[string]any{"payload": row.Payload, "sequence": row.Sequence, "changed_at": row.ChangedAt}).Error
		if err != nil {
			return fault("write to a rendezvous session", err)
		}
	}
	if transaction == "" {
		return nil
	}
	return fault("keep a write of a rendezvous session", s.write(ctx).Create(&answer).Error)
}
