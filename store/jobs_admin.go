package store

import (
	"context"

	"gorm.io/gorm/clause"
)

// Actions of the audit log. Their reason names the kind and the job.
const (
	ActionJobRetried = "job_retried"
	ActionJobDropped = "job_dropped"
)

// Jobs returns the newest jobs in one of the states, newest first, at most
// limit.
func (s *Store) Jobs(ctx context.Context, states []JobState, limit int) ([]Job, error) {
	var rows []jobRow
	if err := s.read(ctx).Where("state IN ?", states).Order("created_at DESC, id DESC").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fault("read the jobs", err)
	}
	jobs := make([]Job, 0, len(rows))
	for _, r := range rows {
		jobs = append(jobs, r.job())
	}
	return jobs, nil
}

// RetryJob makes a job that waits or was given up due at once, with all its
// attempts before it. ErrNotFound: there is no such job, or it is done;
// ErrConflict: somebody is at it right now.
func (s *Store) RetryJob(ctx context.Context, id string) error {
	return s.onIdleJob(ctx, id, ActionJobRetried, func(ctx context.Context, r jobRow) error {
		changes := map[string]any{"state": JobWaiting, "attempts": 0, "next_attempt_at": s.now(), "finished_at": nil}
		if r.State == JobDone {
			return ErrNotFound
		}
		s.jobAdded(ctx)
		return s.write(ctx).Model(&r).Where("id = ?", id).Updates(changes).Error
	})
}

// DropJob removes a job, so that it is never done again. Errors are those of
// RetryJob, but a job that is done can be removed too.
func (s *Store) DropJob(ctx context.Context, id string) error {
	return s.onIdleJob(ctx, id, ActionJobDropped, func(ctx context.Context, r jobRow) error {
		return s.write(ctx).Where("id = ?", id).Delete(&r).Error
	})
}

// onIdleJob does something to a job that nobody is at, and records it. The
// row's lock keeps everybody else from beginning meanwhile.
func (s *Store) onIdleJob(ctx context.Context, id, action string, do func(ctx context.Context, r jobRow) error) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		var row jobRow
		err := s.write(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", id).Take(&row).Error
		if err != nil {
			return fault("read job "+id, err)
		}
		if row.LeaseEndsAt != nil && *row.LeaseEndsAt > s.now() {
			return ErrConflict
		}
		if err := do(ctx, row); err != nil {
			return fault("change job "+id, err)
		}
		return s.Record(ctx, Event{Action: action, Actor: ActorAdmin, Reason: row.Kind + " " + id})
	})
}
