package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/sync/errgroup"

	"keymaker/internal/config"
	"keymaker/internal/server"
	"keymaker/internal/telemetry"
)

// ServeCommand runs the server until it is told to stop.
type ServeCommand struct {
	Config string `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
}

// Run implements the command.
func (c *ServeCommand) Run(ctx context.Context, streams *Streams) error {
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(streams.Err, cfg.LogFormat, cfg.LogLevel)
	if err != nil {
		return err
	}
	s, err := server.New(ctx, server.Options{Config: cfg, Logger: log})
	if err != nil {
		return err
	}
	listeners, err := s.Listen(ctx)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	private, err := s.ListenPrivate(ctx)
	if err != nil {
		return errors.Join(err, closeAll(listeners), s.Close())
	}
	if private != nil {
		log.InfoContext(ctx, "listening to administrators", "socket", private.Addr().String())
	}
	for _, l := range listeners {
		log.InfoContext(ctx, "listening", "address", l.Addr().String(), "issuer", cfg.Issuer())
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Serve(running, listeners...) })
	group.Go(func() error { return s.ServePrivate(running, private) })
	err = errors.Join(group.Wait(), s.Close())
	log.InfoContext(ctx, "stopped")
	return err
}

func closeAll(listeners []net.Listener) error {
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// loadConfig reads the configuration and tells everything that is wrong with it
// at once.
func loadConfig(flag string, streams *Streams) (*config.Config, error) {
	path := config.Find(flag, lookup(streams.Env))
	cfg, err := config.Load(config.Options{Path: path, Env: streams.Env})
	var problems config.Problems
	if errors.As(err, &problems) {
		_, _ = fmt.Fprintln(streams.Err, problems.Error())
		return nil, &ExitError{Code: exitUsage, Quiet: true, Err: err}
	}
	if err != nil {
		return nil, &ExitError{Code: exitUsage, Err: err}
	}
	return cfg, nil
}

// lookup reads a variable of an environment.
func lookup(env []string) func(string) string {
	return func(name string) string {
		for i := len(env) - 1; i >= 0; i-- {
			if value, ok := strings.CutPrefix(env[i], name+"="); ok {
				return value
			}
		}
		return ""
	}
}
