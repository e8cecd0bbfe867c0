package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// Sockets are what a server listens on.
type Sockets struct {
	Public []net.Listener
	// Private is for administrators, and Metrics for Prometheus; nil for none.
	Private, Metrics net.Listener
}

// Open opens every configured address and socket, or none of them. Those that
// somebody else has opened stand in the place of the configured ones.
func (s *Server) Open(ctx context.Context, opened Sockets) (_ *Sockets, err error) {
	sockets := &opened
	defer func() {
		if err != nil {
			err = errors.Join(err, sockets.Close())
		}
	}()
	if len(sockets.Public) == 0 {
		if sockets.Public, err = s.Listen(ctx); err != nil {
			return nil, err
		}
	}
	if sockets.Private == nil {
		if sockets.Private, err = s.ListenPrivate(ctx); err != nil {
			return nil, err
		}
	}
	if sockets.Metrics == nil {
		sockets.Metrics, err = s.ListenMetrics(ctx)
	}
	return sockets, err
}

// Alive asks the server itself, through the first of its public sockets, whether
// it answers.
func (o *Sockets) Alive(ctx context.Context) error {
	if len(o.Public) == 0 {
		return nil
	}
	at := o.Public[0].Addr()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, at.Network(), at.String())
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/livez", nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers itself with status %d", response.StatusCode)
	}
	return nil
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

// Run serves on all of them until ctx ends, and for the configured delay after
// that (see drained). It returns when what has begun is done.
func (s *Server) Run(ctx context.Context, o *Sockets) error {
	serving, stop := s.drained(ctx)
	defer stop()
	group, running := errgroup.WithContext(serving)
	group.Go(func() error { return s.Serve(running, o.Public...) })
	group.Go(func() error { return s.ServePrivate(running, o.Private) })
	group.Go(func() error { return s.ServeMetrics(running, o.Metrics) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-running.Done(): // one of them does not go on
		}
		s.notify(Stopping)
		return nil
	})
	s.notify(Ready)
	return group.Wait()
}
