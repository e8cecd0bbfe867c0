package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"keymaker/store"
)

// AdminJobsCommand looks after what the server still has to tell others.
type AdminJobsCommand struct {
	List  AdminJobsListCommand  `cmd:"" help:"List what waits to be done for others, and what was given up, the newest first."`
	Retry AdminJobsRetryCommand `cmd:"" help:"Try a job at once that waits or was given up."`
	Drop  AdminJobsDropCommand  `cmd:"" help:"Remove a job. It is never done."`
}

type (
	// AdminJobsListCommand lists jobs.
	AdminJobsListCommand struct {
		All   bool `help:"Those of the last day that are done, too."`
		Limit int  `help:"At most so many jobs." default:"50" placeholder:"N"`
	}
	// AdminJobsRetryCommand makes a job due at once.
	AdminJobsRetryCommand struct {
		ID string `arg:"" help:"The job, as it is listed."`
	}
	// AdminJobsDropCommand removes a job.
	AdminJobsDropCommand struct {
		ID  string `arg:"" help:"The job, as it is listed."`
		Yes bool   `help:"Do not ask for confirmation."`
	}
)

// listedJob is a job as JSON has it.
type listedJob struct {
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

// Run implements the command.
func (c *AdminJobsListCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	if c.Limit < 1 {
		return &ExitError{Code: exitUsage, Err: fmt.Errorf("--limit %d: it must be 1 or more", c.Limit)}
	}
	states := []store.JobState{store.JobWaiting, store.JobFailed}
	if c.All {
		states = append(states, store.JobDone)
	}
	return parent.run(ctx, streams, func(a *admin) error {
		jobs, err := a.Jobs(ctx, states, c.Limit)
		if err != nil {
			return err
		}
		listed := make([]listedJob, 0, len(jobs))
		for _, j := range jobs {
			l := listedJob{ID: j.ID, Kind: j.Kind, State: j.State, Attempts: j.Attempts, CreatedAt: j.CreatedAt,
				LeaseEnds: unlessZero(j.LeaseEnds), FinishedAt: unlessZero(j.FinishedAt), LastError: j.LastError, Payload: j.Payload}
			if j.State == store.JobWaiting {
				l.NextAttempt = &j.NextAttempt
			}
			listed = append(listed, l)
		}
		return a.answer(listed, jobText(listed))
	})
}

func jobText(jobs []listedJob) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "JOB\tKIND\tSTATE\tSINCE\tATTEMPTS\tNEXT ATTEMPT\tLAST ERROR\tABOUT") // a strings.Builder takes everything
	for _, j := range jobs {
		next := "-"
		if j.NextAttempt != nil {
			next = when(*j.NextAttempt)
		}
		cells := []string{j.ID, j.Kind, string(j.State), when(j.CreatedAt), strconv.Itoa(j.Attempts), next, printable(j.LastError), printable(string(j.Payload))}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush()
	return out.String()
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Run implements the command.
func (c *AdminJobsRetryCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *admin) error {
		if err := a.RetryJob(ctx, c.ID); err != nil {
			return knownJob(c.ID, err)
		}
		return a.changedJob(c.ID, "is due now. A server that runs does it within seconds.")
	})
}

// Run implements the command.
func (c *AdminJobsDropCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *admin) error {
		if !c.Yes {
			if err := a.confirm(fmt.Sprintf("Drop job %s, so that it is never done?", printable(c.ID))); err != nil {
				return err
			}
		}
		if err := a.DropJob(ctx, c.ID); err != nil {
			return knownJob(c.ID, err)
		}
		return a.changedJob(c.ID, "is dropped.")
	})
}

func (a *admin) changedJob(id, what string) error {
	answer := struct {
		ID      string `json:"id"`
		Changed bool   `json:"changed"`
	}{id, true}
	return a.answer(answer, fmt.Sprintf("Job %s %s\n", printable(id), what))
}

// knownJob names the job in an error that says why it cannot be changed.
func knownJob(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("there is no job %s that is still to be done", printable(id))
	case errors.Is(err, store.ErrConflict):
		return fmt.Errorf("a server is doing job %s right now: try again in a minute", printable(id))
	}
	return err
}
