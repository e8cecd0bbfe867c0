package store

import (
	"context"
	"fmt"
	"time"

	"keymaker/internal/secret"
)

// takeJob leases the job that has been due for longest among the first ones of
// their lanes. On PostgreSQL a row that somebody else is just taking is passed
// over, and the conditions are asked again of one that somebody has taken.
const takeJob = `UPDATE jobs SET lease_owner = ?, lease_ends_at = ?, attempts = attempts + 1
	WHERE id = (SELECT j.id FROM jobs j
		WHERE j.state = 'waiting' AND j.kind IN ? AND j.next_attempt_at <= ? AND (j.lease_ends_at IS NULL OR j.lease_ends_at <= ?)
			AND NOT EXISTS (SELECT 1 FROM jobs b WHERE b.lane = j.lane AND b.state = 'waiting'
				AND (b.position < j.position OR (b.position = j.position AND b.id < j.id)))
		ORDER BY j.next_attempt_at, j.id LIMIT 1 %s)
	RETURNING *`

// TakeJob leases a job of one of these kinds that is due: until the lease ends
// nobody else gets it, in any process. If its holder is gone by then, somebody
// else does the job again. ErrNotFound: nothing is due.
func (s *Store) TakeJob(ctx context.Context, kinds []string, lease time.Duration) (Job, error) {
	lock := ""
	if s.postgres {
		lock = "FOR UPDATE OF j SKIP LOCKED"
	}
	now := s.clock.Now()
	var row jobRow
	result := s.write(ctx).Raw(fmt.Sprintf(takeJob, lock), secret.Letters(16), now.Add(lease).UnixMilli(), kinds, now.UnixMilli(), now.UnixMilli()).Scan(&row)
	if result.Error == nil && row.ID == "" {
		return Job{}, ErrNotFound
	}
	return row.job(), fault("take a job", result.Error)
}

// FinishJob marks a job that the caller took as done. ErrConflict, as for
// the other methods: the lease has ended and somebody else has taken the job, or
// it was dropped.
func (s *Store) FinishJob(ctx context.Context, j Job) error {
	return s.settleJob(ctx, j, map[string]any{"state": JobDone, "finished_at": s.now(), "secret_sealed": nil, "last_error": ""})
}

// PostponeJob lets a job wait for another attempt, and notes why the last one
// failed.
func (s *Store) PostponeJob(ctx context.Context, j Job, until time.Time, why string) error {
	return s.settleJob(ctx, j, map[string]any{"next_attempt_at": until.UnixMilli(), "last_error": why})
}

// FailJob gives a job up. It stays visible, and keeps no other from being done.
// Whom a notice was for is forgotten: tried again, it goes to the user's address
// of then.
func (s *Store) FailJob(ctx context.Context, j Job, why string) error {
	changes := map[string]any{"state": JobFailed, "finished_at": s.now(), "last_error": why}
	if j.Kind == JobNotice {
		changes["secret_sealed"] = nil
	}
	return s.settleJob(ctx, j, changes)
}

// KeepJob begins the lease of a job that the caller took anew.
func (s *Store) KeepJob(ctx context.Context, j Job, lease time.Duration) error {
	return one("keep job "+j.ID, s.write(ctx).Model(&jobRow{}).Where("id = ? AND lease_owner = ?", j.ID, j.leaseOwner).
		Update("lease_ends_at", s.clock.Now().Add(lease).UnixMilli()), ErrConflict)
}

// freeJobs ends every lease: those who hold them were servers, and there is none
// beside the one that starts.
func (s *Store) freeJobs(ctx context.Context) error {
	err := s.write(ctx).Model(&jobRow{}).Where("state = ? AND lease_ends_at IS NOT NULL", JobWaiting).Updates(map[string]any{"lease_owner": nil, "lease_ends_at": nil}).Error
	return fault("free the jobs of servers that are gone", err)
}

// ReturnJob undoes TakeJob: the attempt was cut short by the end of the process.
func (s *Store) ReturnJob(ctx context.Context, j Job) error {
	return s.settleJob(ctx, j, map[string]any{"attempts": j.Attempts - 1})
}

// settleJob ends a lease that is still the caller's.
func (s *Store) settleJob(ctx context.Context, j Job, changes map[string]any) error {
	changes["lease_owner"], changes["lease_ends_at"] = nil, nil
	err := one("settle job "+j.ID, s.write(ctx).Model(&jobRow{}).Where("id = ? AND lease_owner = ?", j.ID, j.leaseOwner).Updates(changes), ErrConflict)
	if err == nil {
		s.jobAdded(ctx) // the next one of the lane may be due
	}
	return err
}
