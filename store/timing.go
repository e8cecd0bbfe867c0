package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gorm.io/gorm"
)

// What Options.Observe is told the time of.
const (
	operationRead        = "read"
	operationWrite       = "write"
	operationTransaction = "transaction"
)

// beganKey is where a statement keeps when it began.
const beganKey = "keymaker:began"

// took tells how long something has taken that began then.
func (s *Store) took(operation string, began time.Time) {
	if s.observe != nil {
		s.observe(operation, time.Since(began))
	}
}

// timeStatements has every statement observed.
func (s *Store) timeStatements(db *gorm.DB) error {
	if s.observe == nil {
		return nil
	}
	before := func(db *gorm.DB) {
		if !db.DryRun { // which renders a statement inside of another
			db.Statement.Settings.Store(beganKey, time.Now()) //nolint:forbidigo // a duration, not a point in time
		}
	}
	after := func(operation string) func(*gorm.DB) {
		return func(db *gorm.DB) {
			if began, ok := db.Statement.Settings.LoadAndDelete(beganKey); ok {
				if t, ok := began.(time.Time); ok {
					s.took(operation, t)
				}
			}
		}
	}
	c := db.Callback()
	return errors.Join(
		c.Create().Before("gorm:create").Register("keymaker:begin", before), c.Create().After("gorm:create").Register("keymaker:end", after(operationWrite)),
		c.Query().Before("gorm:query").Register("keymaker:begin", before), c.Query().After("gorm:query").Register("keymaker:end", after(operationRead)),
		c.Update().Before("gorm:update").Register("keymaker:begin", before), c.Update().After("gorm:update").Register("keymaker:end", after(operationWrite)),
		c.Delete().Before("gorm:delete").Register("keymaker:begin", before), c.Delete().After("gorm:delete").Register("keymaker:end", after(operationWrite)),
		c.Row().Before("gorm:row").Register("keymaker:begin", before), c.Row().After("gorm:row").Register("keymaker:end", after(operationRead)),
		c.Raw().Before("gorm:raw").Register("keymaker:begin", before), c.Raw().After("gorm:raw").Register("keymaker:end", after(operationWrite)),
	)
}

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

// Pools returns what is known of the pools of connections, by name.
func (s *Store) Pools() map[string]sql.DBStats {
	stats := map[string]sql.DBStats{}
	for name, db := range map[string]*gorm.DB{"reader": s.reader, "writer": s.writer} {
		if p, err := pool(db); err == nil && (name == "writer" || !s.postgres) {
			stats[name] = p.Stats()
		}
	}
	return stats
}
