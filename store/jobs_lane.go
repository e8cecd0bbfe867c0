package store

import (
	"context"
	"fmt"
	"time"

	"keymaker/internal/secret"
)

// takeLane leases the first job of a lane. On PostgreSQL the condition is asked
// again of one that somebody else has just taken.
const takeLane = `UPDATE jobs SET lease_owner = ?, lease_ends_at = ?, attempts = attempts + 1
	WHERE id = (SELECT id FROM jobs WHERE lane = ? AND state = 'waiting' ORDER BY position, id LIMIT 1)
		AND state = 'waiting' AND (lease_ends_at IS NULL OR lease_ends_at <= ?)
	RETURNING *`

// TakeLaneJob leases the job of a lane that is to be done first, whether it is
// due or waits for another attempt. ErrNotFound: the lane has none; ErrConflict:
// somebody is at it.
func (s *Store) TakeLaneJob(ctx context.Context, lane string, lease time.Duration) (Job, error) {
	now := s.clock.Now()
	var row jobRow
	result := s.write(ctx).Raw(takeLane, secret.Letters(16), now.Add(lease).UnixMilli(), lane, now.UnixMilli()).Scan(&row)
	if result.Error != nil {
		return Job{}, fault("take a job", result.Error)
	}
	if row.ID != "" {
		return row.job(), nil
	}
	waiting, err := s.LaneWaits(ctx, lane)
	if err == nil && waiting {
		err = fmt.Errorf("take a job: %w", ErrConflict)
	} else if err == nil {
		err = ErrNotFound
	}
	return Job{}, err
}

// LaneWaits tells whether a lane has a job that is not done, nor given up.
func (s *Store) LaneWaits(ctx context.Context, lane string) (bool, error) {
	var count int64
	err := s.write(ctx).Model(&jobRow{}).Where("lane = ? AND state = ?", lane, JobWaiting).Limit(1).Count(&count).Error
	return count > 0, fault("look into a lane", err)
}

// DeferJob lets a job that the caller took wait, because whom it is for was not
// there. The attempt does not count.
func (s *Store) DeferJob(ctx context.Context, j Job, until time.Time, why string) error {
	return s.settleJob(ctx, j, map[string]any{"next_attempt_at": until.UnixMilli(), "last_error": why, "attempts": j.Attempts - 1})
}

// Prompt has fn called with the lanes of the jobs that a transaction of this
// process has added as NewJob.Prompt, after its commit and before whoever
// committed goes on. It is to be called before the store is used.
func (s *Store) Prompt(fn func(ctx context.Context, lanes []string)) { s.prompt = fn }
