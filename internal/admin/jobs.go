package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"keymaker/store"
)

// Job is what the server still has to tell others.
type Job struct {
	ID          string          `json:"id"`
	Kind        string          `json:"kind"`
	State       store.JobState  `json:"state"`
	Attempts    int             `json:"attempts"`
	CreatedAt   time.Time       `json:"created_at"`
	NextAttempt *time.Time      `json:"next_attempt_at,omitempty"`
	LeaseEnds   *time.Time      `json:"lease_ends_at,omitempty"`
	FinishedAt  *time.Time      `json:"finished_at,omitempty"`
	LastError   string          `json:"last_error,omitempty"`
	Payload     json.RawMessage `json:"payload"`
}

// JobsQuestion says which jobs to list.
type JobsQuestion struct {
	// Done lists those of the last day that are done, too.
	Done  bool `json:"done,omitempty"`
	Limit int  `json:"limit"`
}

// ListJobs lists jobs, the newest first.
var ListJobs = operation("list-jobs", (*Service).listJobs)

func (s *Service) listJobs(ctx context.Context, q JobsQuestion) ([]Job, error) {
	if _, err := (Page{Limit: q.Limit}).fetch(); err != nil {
		return nil, err
	}
	states := []store.JobState{store.JobWaiting, store.JobFailed}
	if q.Done {
		states = append(states, store.JobDone)
	}
	found, err := s.Store.Jobs(ctx, states, q.Limit)
	jobs := make([]Job, 0, len(found))
	for _, j := range found {
		job := Job{ID: j.ID, Kind: j.Kind, State: j.State, Attempts: j.Attempts, CreatedAt: j.CreatedAt,
			LeaseEnds: unlessZero(j.LeaseEnds), FinishedAt: unlessZero(j.FinishedAt), LastError: j.LastError, Payload: j.Payload}
		if j.State == store.JobWaiting {
			job.NextAttempt = &j.NextAttempt
		}
		jobs = append(jobs, job)
	}
	return jobs, err
}

// JobChange is what became of a job.
type JobChange struct {
	ID      string `json:"id"`
	Changed bool   `json:"changed"`
}

// What changes a job, which the question names.
var (
	// RetryJob makes a job due at once.
	RetryJob = jobChange("retry-job", (*store.Store).RetryJob)
	// DropJob removes a job, so that it is never done.
	DropJob = jobChange("drop-job", (*store.Store).DropJob)
)

func jobChange(name string, change func(*store.Store, context.Context, string) error) Operation[string, JobChange] {
	return operation(name, func(s *Service, ctx context.Context, id string) (JobChange, error) {
		switch err := change(s.Store, ctx, id); {
		case errors.Is(err, store.ErrNotFound):
			return JobChange{}, refused("there is no job %s that is still to be done", Printable(id))
		case errors.Is(err, store.ErrConflict):
			return JobChange{}, refused("a server is doing job %s right now: try again in a minute", Printable(id))
		case err != nil:
			return JobChange{}, err
		}
		return JobChange{ID: id, Changed: true}, nil
	})
}
