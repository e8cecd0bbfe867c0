package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"keymaker/internal/config"
	"keymaker/internal/server"
	"keymaker/internal/systemd"
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
	defer spareCollector(lookup(streams.Env))()
	var level slog.LevelVar
	setLevel := func(c *config.Config) { _ = level.UnmarshalText([]byte(c.LogLevel)) } // which was checked
	setLevel(cfg)
	log := telemetry.NewLoggerAt(streams.Err, cfg.LogFormat, &level)
	path := config.Find(c.Config, lookup(streams.Env))
	manager := systemd.New(lookup(streams.Env))
	opened, err := handedOver(manager)
	if err != nil {
		return err
	}
	s, err := server.New(ctx, server.Options{
		Config: cfg, Logger: log, Clock: streams.Clock,
		Load:     func() (*config.Config, error) { return config.Load(config.Options{Path: path, Env: streams.Env}) },
		Reloaded: setLevel, Stdout: streams.Out, Notify: notifier(ctx, manager, log),
	})
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	defer reloadOnHangup(ctx, s)()
	sockets, err := s.Open(ctx, opened)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	tellSockets(ctx, log, sockets, cfg.Issuer())
	defer keepAlive(ctx, manager, sockets, log)()
	debug.FreeOSMemory() // what the start has left behind
	err = errors.Join(s.Run(ctx, sockets), s.Close())
	log.InfoContext(ctx, "stopped")
	return err
}

// reloadOnHangup has the server read its configuration again at each SIGHUP,
// until the function that it returns is called.
func reloadOnHangup(ctx context.Context, s *server.Server) (stop func()) {
	hangups := make(chan os.Signal, 1) // one that waits stands for all
	signal.Notify(hangups, syscall.SIGHUP)
	var group sync.WaitGroup
	group.Go(func() {
		for range hangups {
			_ = s.Reload(ctx) // the log says what was wrong
		}
	})
	return func() {
		signal.Stop(hangups)
		close(hangups)
		group.Wait()
	}
}

// tellSockets logs what the server listens on.
func tellSockets(ctx context.Context, log *slog.Logger, sockets *server.Sockets, issuer string) {
	if sockets.Private != nil {
		log.InfoContext(ctx, "listening to administrators", "socket", sockets.Private.Addr().String())
	}
	if sockets.Metrics != nil {
		log.InfoContext(ctx, "listening to Prometheus", "address", sockets.Metrics.Addr().String())
	}
	for _, l := range sockets.Public {
		log.InfoContext(ctx, "listening", "address", l.Addr().String(), "issuer", issuer)
	}
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
