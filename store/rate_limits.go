package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm/clause"
)

const (
	// limitBatch is how many rows one statement of a merge writes.
	limitBatch = 500
	// limitReads is how many rows a merge reads at most: those that have the
	// longest to go.
	limitReads = 10_000
)

// Taken is what one server has taken of a rate limit since it last said so.
type Taken struct {
	Key []byte // a hash
	// Since is when the first of it was taken.
	Since time.Time
	// Cost is how long it takes until all of it has come back.
	Cost time.Duration
}

// Spent is what all servers together have taken of a rate limit.
type Spent struct {
	Key []byte
	// FullAt is when all of it will have come back.
	FullAt time.Time
}

type rateLimitRow struct {
	KeyHash []byte `gorm:"primaryKey"`
	FullAt  int64  // microseconds
	Added   int64  // microseconds
}

func (rateLimitRow) TableName() string { return "rate_limits" }

// MergeLimits adds what this server has taken to what the others have, and
// returns what is not yet full again, in one transaction. What it writes puts off
// when a limit is full by no more than ahead from now on, whatever was stored:
// the clock of another server may be wrong.
func (s *Store) MergeLimits(ctx context.Context, taken []Taken, ahead time.Duration) ([]Spent, error) {
	// Everybody locks the rows in one order.
	slices.SortFunc(taken, func(a, b Taken) int { return bytes.Compare(a.Key, b.Key) })
	rows := make([]rateLimitRow, len(taken))
	for i, t := range taken {
		rows[i] = rateLimitRow{KeyHash: t.Key, FullAt: t.Since.Add(t.Cost).UnixMicro(), Added: t.Cost.Microseconds()}
	}
	var all []rateLimitRow
	err := s.InTx(ctx, func(ctx context.Context) error {
		if len(rows) > 0 {
			if err := s.addLimits(ctx, rows, ahead); err != nil {
				return fault("write the rate limits", err)
			}
		}
		err := s.write(ctx).Where("full_at > ?", s.clock.Now().UnixMicro()).Order("full_at DESC").Limit(limitReads).Find(&all).Error
		return fault("read the rate limits", err)
	})
	spent := make([]Spent, len(all))
	for i, r := range all {
		spent[i] = Spent{Key: r.KeyHash, FullAt: time.UnixMicro(r.FullAt).UTC()}
	}
	return spent, err
}

// addLimits writes max(what is stored, the first of it) plus what was taken.
func (s *Store) addLimits(ctx context.Context, rows []rateLimitRow, ahead time.Duration) error {
	least, greatest := "MIN", "MAX"
	if s.postgres {
		least, greatest = "LEAST", "GREATEST"
	}
	sum := fmt.Sprintf("%s(%s(rate_limits.full_at + excluded.added, excluded.full_at), excluded.full_at + ?)", least, greatest)
	return s.write(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "key_hash"}},
		DoUpdates: clause.Assignments(map[string]any{
			"full_at": clause.Expr{SQL: sum, Vars: []any{ahead.Microseconds()}}, "added": clause.Column{Table: "excluded", Name: "added"},
		}),
	}).CreateInBatches(rows, limitBatch).Error
}
