package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"

	"keymaker/internal/admin"
)

// ListenPrivate opens the socket for administrators, which only the user that
// the server runs as can open; nil where none is configured. What a server that
// crashed has left in its place is removed, and what is no socket is not.
func (s *Server) ListenPrivate(ctx context.Context) (net.Listener, error) {
	path := s.config.Private.Socket()
	if path == "" {
		return nil, nil
	}
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

// ServePrivate does what administrators ask on the listener until ctx ends; with
// nil it does nothing.
func (s *Server) ServePrivate(ctx context.Context, l net.Listener) error {
	if l == nil {
		return nil
	}
	service := &admin.Service{Store: s.store, Config: s.config, Clock: s.clock}
	hs := &http.Server{Handler: service.Handler(s.log), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		MaxHeaderBytes: maxHeader}
	ended := make(chan error, 1)
	go func() { ended <- hs.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve administrators: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownTimeout)
	defer cancel()
	if err := hs.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("administrators were cut off: %w", err), hs.Close())
	}
	return nil
}
