package store

import (
	"context"
	"fmt"

	"keymaker/internal/secret"
)

// sealedColumn is a column of what is encrypted with the secret file.
type sealedColumn struct {
	table, column string
	// label is the key of the table, which what is sealed is bound to.
	label   string
	purpose string
}

// resealed are the columns that a new secret file must be able to open.
var resealed = []sealedColumn{
	{table: "oidc_signingkey", column: "key_sealed", label: "kid", purpose: purposeSigningKey},
	{table: "server_secrets", column: "value_sealed", label: "purpose", purpose: purposeSecret},
	{table: "jobs", column: "secret_sealed", label: "id", purpose: purposeJob},
}

// dropped are tables whose sealed rows live for minutes: whoever is at an
// identity provider, or approves something, at that moment begins once more.
var dropped = []sealedColumn{{table: "upstream_logins", column: "state_sealed"}, {table: "uia_sessions", column: "id_sealed"},
	{table: "pending_links", column: "link_sealed"}}

// Reseal encrypts everything that is sealed with another secret file, in one
// transaction, and returns how many values that were. This store, and every
// other that still has the old file, can open none of them afterwards. The
// error wraps secret.ErrSealed when this store has the wrong file already.
func (s *Store) Reseal(ctx context.Context, with *secret.Sealer) (int, error) {
	count := 0
	err := s.InTx(ctx, func(ctx context.Context) error {
		for _, c := range resealed {
			if err := s.lockSealed(ctx, c.table); err != nil {
				return err
			}
			n, err := s.resealColumn(ctx, c, with)
			if err != nil {
				return err
			}
			count += n
		}
		for _, c := range dropped {
			if err := s.write(ctx).Exec("DELETE FROM " + c.table).Error; err != nil {
				return fault("empty "+c.table, err)
			}
		}
		return nil
	})
	return count, err
}

func (s *Store) resealColumn(ctx context.Context, c sealedColumn, with *secret.Sealer) (int, error) {
	var rows []struct {
		Label string
		Value []byte
	}
	read := s.write(ctx).Raw(fmt.Sprintf("SELECT %s AS label, %s AS value FROM %s WHERE %s IS NOT NULL", c.label, c.column, c.table, c.column))
	if err := read.Scan(&rows).Error; err != nil {
		return 0, fault("read "+c.table, err)
	}
	for _, r := range rows {
		plain, err := s.sealer.Open(c.purpose, r.Label, r.Value)
		if err != nil {
			return 0, fmt.Errorf("open %s %s: %w", c.purpose, r.Label, err)
		}
		sealed, err := with.Seal(c.purpose, r.Label, plain)
		if err != nil {
			return 0, fmt.Errorf("seal %s %s: %w", c.purpose, r.Label, err)
		}
		update := fmt.Sprintf("UPDATE %s SET %s = ? WHERE %s = ?", c.table, c.column, c.label)
		if err := s.write(ctx).Exec(update, sealed, r.Label).Error; err != nil {
			return 0, fault("reseal "+c.table, err)
		}
	}
	return len(rows), nil
}
