package command

import (
	"context"
	"fmt"
	"strconv"

	"keymaker/internal/admin"
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

// Run implements the command.
func (c *AdminJobsListCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		jobs, err := admin.ListJobs.On(ctx, a.on, admin.JobsQuestion{Done: c.All, Limit: c.Limit})
		if err != nil {
			return err
		}
		var t text
		rows := make([][]string, 0, len(jobs))
		for _, j := range jobs {
			next := ""
			if j.NextAttempt != nil {
				next = when(*j.NextAttempt)
			}
			rows = append(rows, []string{j.ID, j.Kind, string(j.State), when(j.CreatedAt), strconv.Itoa(j.Attempts), next, j.LastError, string(j.Payload)})
		}
		t.table(rows, "JOB", "KIND", "STATE", "SINCE", "ATTEMPTS", "NEXT ATTEMPT", "LAST ERROR", "ABOUT")
		return a.answer(jobs, t.String())
	})
}

// Run implements the command.
func (c *AdminJobsRetryCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		return a.changeJob(ctx, admin.RetryJob, c.ID, "is due now. A server that runs does it within seconds.")
	})
}

// Run implements the command.
func (c *AdminJobsDropCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	return parent.run(ctx, streams, func(a *administration) error {
		if !c.Yes {
			if err := a.confirm(fmt.Sprintf("Drop job %s, so that it is never done?", admin.Printable(c.ID))); err != nil {
				return err
			}
		}
		return a.changeJob(ctx, admin.DropJob, c.ID, "is dropped.")
	})
}

func (a *administration) changeJob(ctx context.Context, change admin.Operation[string, admin.JobChange], id, what string) error {
	changed, err := change.On(ctx, a.on, id)
	if err != nil {
		return err
	}
	return a.answer(changed, fmt.Sprintf("Job %s %s\n", admin.Printable(id), what))
}
