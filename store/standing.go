package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"
)

// JobCount is how many jobs of a kind wait or were given up.
type JobCount struct {
	Kind   string
	State  JobState
	Count  int64
	Oldest time.Time // when the oldest of them was stored
}

// JobCounts counts the jobs that are not done, by kind and state.
func (s *Store) JobCounts(ctx context.Context) ([]JobCount, error) {
	var rows []struct {
		Kind   string
		State  JobState
		Count  int64
		Oldest int64
	}
	// One half of them is found by each of two indexes, however many are done.
	err := s.read(ctx).Raw(`SELECT kind, state, count(*) AS count, min(created_at) AS oldest FROM jobs WHERE state = ? AND next_attempt_at IS NOT NULL GROUP BY kind, state
		UNION ALL SELECT kind, state, count(*) AS count, min(created_at) AS oldest FROM jobs WHERE state = ? AND finished_at IS NOT NULL GROUP BY kind, state`,
		JobWaiting, JobFailed).Scan(&rows).Error
	counts := make([]JobCount, 0, len(rows))
	for _, r := range rows {
		counts = append(counts, JobCount{Kind: r.Kind, State: r.State, Count: r.Count, Oldest: fromMilli(r.Oldest)})
	}
	return counts, fault("count the jobs", err)
}

// KeyStates returns the signing keys without their private halves, oldest
// first.
func (s *Store) KeyStates(ctx context.Context) ([]SigningKey, error) {
	var rows []signingKeyRow
	err := s.read(ctx).Select("kid", "alg", "state", "not_before", "retire_after", "created_at").Order("created_at, kid").Find(&rows).Error
	keys := make([]SigningKey, 0, len(rows))
	for _, r := range rows {
		keys = append(keys, SigningKey{KID: r.KID, Alg: r.Alg, State: r.State, Published: fromMilli(r.CreatedAt), NotBefore: fromMilli(r.NotBefore)})
	}
	return keys, fault("read the signing keys", err)
}

// Pools returns what is known of the pools of connections, by name. Whoever waits
// for a turn on the one that writes to SQLite waits for a connection.
func (s *Store) Pools() map[string]sql.DBStats {
	stats := map[string]sql.DBStats{}
	for name, db := range map[string]*gorm.DB{"reader": s.reader, "writer": s.writer} {
		if p, err := pool(db); err == nil && (name == "writer" || !s.postgres) {
			stats[name] = p.Stats()
		}
	}
	if s.turns != nil {
		stats["writer"] = s.turns.stats()
	}
	return stats
}
