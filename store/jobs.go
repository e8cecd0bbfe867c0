package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// JobState is how far a job is.
type JobState string

// The states of a job.
const (
	JobWaiting JobState = "waiting" // to be done, perhaps being done right now
	JobDone    JobState = "done"
	JobFailed  JobState = "failed" // given up; an administrator may have it tried again
)

// NewJob is work for others that a change causes: a notice to a client, a mail,
// a call of the homeserver.
type NewJob struct {
	// Kind says who does it.
	Kind string
	// Lane keeps jobs in order: of one lane one is done at a time, the oldest
	// first, and those behind it wait until it is done or given up. Transactions
	// that add to one lane are in the order in which they commit if they exclude
	// each other, as by the lock of a user; otherwise in either.
	Lane string
	// Payload becomes JSON. It can be read in the database and by administrators,
	// so no secret may be in it.
	Payload any
	// Secret is stored sealed until the job is done; nil for none.
	Secret []byte
	// Prompt has it tried before whoever commits the transaction goes on
	// (Store.Prompt).
	Prompt bool
}

// Job is a job as it is stored.
type Job struct {
	// ID is the same at every attempt, so that a receiver can tell a repetition.
	ID        string
	Kind      string
	Lane      string
	Payload   json.RawMessage
	State     JobState
	Attempts  int // begun so far, the current one included
	CreatedAt time.Time
	// NextAttempt is when a waiting job is due.
	NextAttempt time.Time
	// LeaseEnds is until when somebody is at it; zero if nobody is.
	LeaseEnds time.Time
	// FinishedAt is when it was done or given up; zero before.
	FinishedAt time.Time
	// LastError is why the last attempt failed; "" if none did.
	LastError string

	leaseOwner string
	sealed     []byte
}

const purposeJob = "job"

type jobRow struct {
	ID            string
	Kind          string
	Lane          string
	Position      int64
	Payload       string
	SecretSealed  []byte
	State         JobState
	Attempts      int64
	NextAttemptAt int64
	LeaseOwner    *string
	LeaseEndsAt   *int64
	LastError     string
	CreatedAt     int64
	FinishedAt    *int64
}

func (jobRow) TableName() string { return "jobs" }

func (r jobRow) job() Job {
	j := Job{ID: r.ID, Kind: r.Kind, Lane: r.Lane, Payload: json.RawMessage(r.Payload), State: r.State, Attempts: int(r.Attempts),
		CreatedAt: fromMilli(r.CreatedAt), NextAttempt: fromMilli(r.NextAttemptAt), LastError: r.LastError, leaseOwner: deref(r.LeaseOwner), sealed: r.SecretSealed}
	if r.LeaseEndsAt != nil {
		j.LeaseEnds = fromMilli(*r.LeaseEndsAt)
	}
	if r.FinishedAt != nil {
		j.FinishedAt = fromMilli(*r.FinishedAt)
	}
	return j
}

// AddJob stores a job, in the transaction of ctx: it is done if and only if
// that commits. It returns the job's id.
func (s *Store) AddJob(ctx context.Context, n NewJob) (id string, err error) {
	payload, err := json.Marshal(n.Payload)
	if err != nil {
		return "", fmt.Errorf("store a job: %w", err)
	}
	id = s.eventID(s.clock.Now())
	var sealed []byte
	if n.Secret != nil {
		if sealed, err = s.sealer.Seal(purposeJob, id, n.Secret); err != nil {
			return "", fmt.Errorf("store a job: %w", err)
		}
	}
	err = s.write(ctx).Exec(`INSERT INTO jobs (id, kind, lane, position, payload, secret_sealed, state, attempts, next_attempt_at, last_error, created_at)
		VALUES (?, ?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM jobs WHERE lane = ?), ?, ?, ?, 0, ?, '', ?)`,
		id, n.Kind, n.Lane, n.Lane, string(payload), sealed, JobWaiting, s.now(), s.now()).Error
	if err != nil {
		return "", fault("store a job", err)
	}
	if n.Prompt {
		s.promptJob(ctx, n.Lane)
	} else {
		s.jobAdded(ctx)
	}
	return id, nil
}

// promptJob has a lane looked after once the transaction of ctx has committed.
func (s *Store) promptJob(ctx context.Context, lane string) {
	if t := txFrom(ctx); t != nil {
		t.outer.jobs = true
		if !slices.Contains(t.outer.lanes, lane) {
			t.outer.lanes = append(t.outer.lanes, lane)
		}
		return
	}
	s.added(ctx, &tx{jobs: true, lanes: []string{lane}})
}

// added lets the jobs of a transaction that has committed be done: the prompt
// ones first, which any worker may do that is told of the others.
func (s *Store) added(ctx context.Context, t *tx) {
	if len(t.lanes) > 0 && s.prompt != nil {
		s.prompt(context.WithValue(ctx, txKey{}, nil), t.lanes)
	}
	if t.jobs {
		s.signalJobs()
	}
}

// JobSecret is the secret that a job was stored with; nil for none. The error
// wraps secret.ErrSealed when it was sealed with another secret file.
func (s *Store) JobSecret(j Job) ([]byte, error) {
	if j.sealed == nil {
		return nil, nil
	}
	plain, err := s.sealer.Open(purposeJob, j.ID, j.sealed)
	if err != nil {
		return nil, fmt.Errorf("open the secret of job %s: %w", j.ID, err)
	}
	return plain, nil
}

// JobsAdded has a value when this process has stored a job, or is about to be
// told of several at once. Other processes' jobs are to be looked for.
func (s *Store) JobsAdded() <-chan struct{} { return s.jobs }

// jobAdded signals once the transaction of ctx has committed.
func (s *Store) jobAdded(ctx context.Context) {
	if t := txFrom(ctx); t != nil {
		t.outer.jobs = true
		return
	}
	s.signalJobs()
}

func (s *Store) signalJobs() {
	select {
	case s.jobs <- struct{}{}:
	default: // somebody is to look already
	}
}
