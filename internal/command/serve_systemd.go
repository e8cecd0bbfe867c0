package command

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"keymaker/internal/server"
	"keymaker/internal/systemd"
)

// Names of sockets that the service manager hands over, beside those for
// everybody.
const (
	privateSocket = "private"
	metricsSocket = "metrics"
)

// handedOver are the sockets that the service manager has opened.
func handedOver(m *systemd.Manager) (opened server.Sockets, err error) {
	sockets, err := m.Sockets()
	for _, s := range sockets {
		switch s.Name {
		case privateSocket:
			opened.Private = s.Listener
		case metricsSocket:
			opened.Metrics = s.Listener
		default:
			opened.Public = append(opened.Public, s.Listener)
		}
	}
	return opened, err
}

// notifyTimeout is how long the service manager may take to be told something.
const notifyTimeout = 5 * time.Second

// notifier tells the service manager how the server is doing.
func notifier(ctx context.Context, m *systemd.Manager, log *slog.Logger) func(server.Notice) {
	return func(n server.Notice) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyTimeout)
		defer cancel()
		states := map[server.Notice][]string{
			server.Ready:     {"READY=1", "STATUS=Serving."},
			server.Reloading: append(systemd.Reloading(), "STATUS=Reading the configuration again."),
			server.Stopping:  {"STOPPING=1", "STATUS=Finishing what has begun."},
		}[n]
		if err := m.Notify(ctx, states...); err != nil {
			log.WarnContext(ctx, "tell the service manager", "error", err)
		}
	}
}

// keepAlive tells the service manager that the server is alive, for as long as it
// answers itself, until the function that it returns is called.
func keepAlive(ctx context.Context, m *systemd.Manager, sockets *server.Sockets, log *slog.Logger) (stop func()) {
	interval := m.Watchdog() / 2
	if interval <= 0 {
		return func() {}
	}
	// While what has begun is being finished nobody listens any more, and yet the
	// server is alive.
	stopping := ctx
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() {
		turn := time.NewTicker(interval)
		defer turn.Stop()
		for {
			beat(ctx, stopping, m, sockets, interval, log)
			select {
			case <-ctx.Done():
				return
			case <-turn.C:
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// beat is one sign of life.
func beat(ctx, stopping context.Context, m *systemd.Manager, sockets *server.Sockets, limit time.Duration, log *slog.Logger) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := sockets.Alive(limited)
	if err == nil || stopping.Err() != nil {
		err = m.Notify(limited, "WATCHDOG=1")
	}
	if err != nil && ctx.Err() == nil {
		log.ErrorContext(ctx, "give the service manager a sign of life", "error", err)
	}
}
