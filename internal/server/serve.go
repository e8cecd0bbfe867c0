package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"keymaker/internal/auditlog"
	"keymaker/internal/secret"
	"keymaker/provider/signing"
)

const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeader         = 32 << 10 // bytes

	// usageInterval is how late the first use of a token is written, and how late
	// servers on one database learn what others took of a rate limit.
	usageInterval = time.Second
	// seenTurns is how many of these intervals it takes until it is written that a
	// device is in use.
	seenTurns = 10
	// usageTimeout is how long either of them may take.
	usageTimeout  = 5 * time.Second
	sweepInterval = 10 * time.Minute
)

// Listen opens the configured addresses.
func (s *Server) Listen(ctx context.Context) ([]net.Listener, error) {
	var listeners []net.Listener
	c := s.current.Load().config
	for _, address := range c.Address {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(c.Port)))
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			return nil, fmt.Errorf("listen: %w", err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// Serve answers on the listeners until ctx ends. Then it takes no new request,
// finishes those that it has within the configured time, and returns nil.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	audit := auditlog.New(s.store, s.stdout, s.clock) // before anything happens
	hs := HTTP(s)
	group, running := errgroup.WithContext(ctx)
	for _, l := range listeners {
		group.Go(func() error {
			if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error { return s.background(running) })
	group.Go(func() error { return s.keepKeys(running) })
	group.Go(func() error { return s.runJobs(running) })
	group.Go(func() error { return s.watchProviders(running) })
	group.Go(func() error { return s.writeAudit(running, audit) })
	group.Go(func() error {
		<-running.Done()
		// The deadline is a new one: the context that ended is what ends us.
		limit := s.current.Load().config.ShutdownTimeout
		ctx, cancel := context.WithTimeout(context.WithoutCancel(running), limit)
		defer cancel()
		if err := hs.Shutdown(ctx); err != nil {
			return errors.Join(fmt.Errorf("requests were cut off after %s: %w", limit, err), hs.Close())
		}
		return nil
	})
	return group.Wait()
}

// HTTP is the HTTP server with the limits and protocols of production.
func HTTP(s *Server) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // Synapse's force_http2
	return &http.Server{
		Handler: s.closing(s), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, Protocols: protocols,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// background writes what requests leave behind and removes what has expired.
// What fails is tried again at the next turn.
func (s *Server) background(ctx context.Context) error {
	usage := time.NewTicker(usageInterval)
	defer usage.Stop()
	swept := s.clock.Now()
	for turn := 1; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-usage.C:
			s.tell(ctx, turn)
		}
		// The clock may have been put back.
		if now := s.clock.Now(); now.Before(swept) || now.Sub(swept) >= sweepInterval {
			swept = now
			s.sweep(ctx)
		}
	}
}

// sweep removes what has expired.
func (s *Server) sweep(ctx context.Context) {
	removed, err := s.store.Sweep(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "remove what has expired", "error", err)
	}
	s.log.DebugContext(ctx, "removed what has expired", "rows", removed)
}

// tell writes what this process has only in memory and others should know: which
// devices are in use every seenTurns turns.
func (s *Server) tell(ctx context.Context, turn int) {
	flush := s.store.FlushFirstUses
	if turn%seenTurns == 0 {
		flush = s.store.FlushUsage
	}
	for what, do := range map[string]func(context.Context) error{"write the use of tokens": flush, "share the rate limits": s.ShareLimits} {
		limited, cancel := context.WithTimeout(ctx, usageTimeout)
		if err := do(limited); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, what, "error", err)
		}
		cancel()
	}
}

// keepKeys rotates the signing keys, and follows what other processes do to
// them. Its first turn makes the RSA key of a new database, which would hold up
// the start.
func (s *Server) keepKeys(ctx context.Context) error {
	turn := time.NewTicker(signing.ReloadInterval)
	defer turn.Stop()
	for {
		switch err := s.TurnKeys(ctx); {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, secret.ErrSealed):
			s.log.ErrorContext(ctx, "the signing keys are sealed with another secret file by now: restart with that one as secret_file", "error", err)
		default:
			s.log.ErrorContext(ctx, "keep the signing keys", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-turn.C:
		}
	}
}
