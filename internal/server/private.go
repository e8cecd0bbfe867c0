package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"syscall"

	"keymaker/internal/admin"
	"keymaker/internal/telemetry"
)

// ListenPrivate opens the socket for administrators, which only the user that
// the server runs as can open; nil where none is configured. What a server that
// crashed has left in its place is removed, and what is no socket is not. The
// server goes on without a socket that nobody has asked for: not every file
// system can hold one.
func (s *Server) ListenPrivate(ctx context.Context) (net.Listener, error) {
	private := s.current.Load().config.Private
	path := private.Socket()
	if path == "" {
		return nil, nil
	}
	l, err := listenUnix(ctx, path)
	if err != nil && private.Implied {
		s.log.WarnContext(ctx, "there is no private socket: set [global.private] address to another path, or to none", "error", err)
		return nil, nil
	}
	return l, err
}

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("look for the private socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("the private socket %s: something else has that name", path)
	default:
		if c, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("the private socket %s: another server listens on it", path), c.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the private socket of before: %w", err)
		}
	}
	// It is nobody else's from the first moment on.
	mask := syscall.Umask(0o177)
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("listen on the private socket: %w", err)
	}
	return l, nil
}

// ListenMetrics opens the address for Prometheus; nil where none is configured.
func (s *Server) ListenMetrics(ctx context.Context) (net.Listener, error) {
	address := s.current.Load().config.Private.MetricsAddress
	if address == "" {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen to Prometheus: %w", err)
	}
	return l, nil
}

// ServePrivate does what administrators ask on the listener until ctx ends; with
// nil it does nothing.
func (s *Server) ServePrivate(ctx context.Context, l net.Listener) error {
	return s.serveAside(ctx, l, s.Private())
}

// ServeMetrics answers Prometheus on the listener until ctx ends; with nil it
// does nothing.
func (s *Server) ServeMetrics(ctx context.Context, l net.Listener) error {
	return s.serveAside(ctx, l, s.Monitoring())
}

// Private is what the private socket answers: administration, metrics, health
// and profiles.
func (s *Server) Private() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/admin/", s.administration())
	mux.Handle("/", s.Monitoring())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // the named profiles as well
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// administration answers each question by the configuration in use.
func (s *Server) administration() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service := &admin.Service{Store: s.store, Config: s.current.Load().config, Clock: s.clock, Reload: s.reloadForAdmin}
		service.Handler(s.log).ServeHTTP(w, r)
	})
}

// Monitoring is what programs ask that watch the server: metrics, and health
// with the reasons.
func (s *Server) Monitoring() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler(s.log))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { telemetry.WriteHealth(w, nil, true) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { telemetry.WriteHealth(w, s.health(r.Context()), true) })
	return mux
}

func (s *Server) serveAside(ctx context.Context, l net.Listener, h http.Handler) error {
	if l == nil {
		return nil
	}
	hs := &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		MaxHeaderBytes: maxHeader}
	ended := make(chan error, 1)
	go func() { ended <- hs.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.current.Load().config.ShutdownTimeout)
	defer cancel()
	if err := hs.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests on %s were cut off: %w", l.Addr(), err), hs.Close())
	}
	return nil
}
