package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"keymaker/internal/admin"
)

// RestartError says that a configuration differs in what a server cannot change
// while it runs.
type RestartError struct{ Keys []string }

// Error implements error.
func (e *RestartError) Error() string {
	return "what has changed needs a restart, and so nothing was changed: " + strings.Join(e.Keys, ", ")
}

// Reload reads the configuration again, with the secrets, templates, languages
// and clients that it names, and takes it into use as a whole. If anything is
// wrong with it, or needs a restart (RestartError), everything stays as it is.
// Requests and jobs that have begun end as they began.
func (s *Server) Reload(ctx context.Context) error {
	if s.load == nil {
		return errors.New("this server has no configuration to read again")
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.notify(Reloading)
	defer s.notify(Ready)
	err := s.reload(ctx)
	if err != nil {
		s.log.ErrorContext(ctx, "the configuration was not read again: the one of before stays in use", "error", err)
		return err
	}
	s.log.InfoContext(ctx, "the configuration was read again")
	return nil
}

func (s *Server) reload(ctx context.Context) error {
	next, err := s.load()
	if err != nil {
		return err
	}
	now := s.current.Load()
	if keys := now.config.NeedsRestart(next); len(keys) > 0 {
		return &RestartError{Keys: keys}
	}
	a, err := s.assemble(ctx, next)
	if err != nil {
		return fmt.Errorf("take the configuration into use: %w", err)
	}
	// What was taken of the rate limits counts on: it goes through the database.
	shared := now.handler.ShareLimits(ctx)
	shared = errors.Join(shared, a.handler.ShareLimits(ctx))
	if shared != nil {
		s.log.WarnContext(ctx, "the rate limits begin anew", "error", shared)
	}
	if err := s.tracer.Follow(ctx, next.Tracing); err != nil {
		return err
	}
	warn(ctx, next, s.log)
	s.use(ctx, a)
	close(now.replaced)
	return nil
}

// use lets an assembly answer from now on.
func (s *Server) use(ctx context.Context, a *assembly) {
	s.store.Follow(a.config.SMTP.Enabled(), !a.config.KeepsPictures())
	a.provider.Activate(ctx)
	s.metrics.ForgetProviders()
	s.current.Store(a)
	if s.reloaded != nil {
		s.reloaded(a.config)
	}
}

// runJobs does jobs until ctx ends, always by the configuration in use. Those
// that have begun by an older one end by it.
func (s *Server) runJobs(ctx context.Context) error {
	var group errgroup.Group
	for ctx.Err() == nil {
		a := s.current.Load()
		running, stop := context.WithCancel(ctx)
		group.Go(func() error { return a.jobs.Run(running) })
		select {
		case <-ctx.Done():
		case <-a.replaced:
		}
		stop()
	}
	return group.Wait()
}

// reloadForAdmin is Reload for an administrator, who is told what is wrong.
func (s *Server) reloadForAdmin(ctx context.Context) error {
	// Whoever asks may go: what has begun is done.
	if err := s.Reload(context.WithoutCancel(ctx)); err != nil {
		return &admin.Error{Text: err.Error()}
	}
	return nil
}
