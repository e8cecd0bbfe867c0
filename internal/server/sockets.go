package server

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sync/errgroup"
)

// Sockets are what a server listens on.
type Sockets struct {
	Public []net.Listener
	// Private is for administrators, and Metrics for Prometheus; nil for none.
	Private, Metrics net.Listener
}

// Open opens every configured address and socket, or none of them.
func (s *Server) Open(ctx context.Context) (_ *Sockets, err error) {
	sockets := &Sockets{}
	defer func() {
		if err != nil {
			err = errors.Join(err, sockets.Close())
		}
	}()
	if sockets.Public, err = s.Listen(ctx); err != nil {
		return nil, err
	}
	if sockets.Private, err = s.ListenPrivate(ctx); err != nil {
		return nil, err
	}
	sockets.Metrics, err = s.ListenMetrics(ctx)
	return sockets, err
}

// Close closes them. What has served has closed its own already.
func (o *Sockets) Close() error {
	var errs []error
	for _, l := range append(o.Public[:len(o.Public):len(o.Public)], o.Private, o.Metrics) {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// Run serves on all of them until ctx ends, and returns when what has begun is
// done.
func (s *Server) Run(ctx context.Context, o *Sockets) error {
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Serve(running, o.Public...) })
	group.Go(func() error { return s.ServePrivate(running, o.Private) })
	group.Go(func() error { return s.ServeMetrics(running, o.Metrics) })
	return group.Wait()
}
