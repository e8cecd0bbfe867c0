package server

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// errDraining is why a server that was told to stop is not ready.
var errDraining = errors.New("the server was told to stop")

// drained is a context that ends when the server stops taking requests: for the
// configured time after ctx it goes on with everything, but says that it is not
// ready, so that a proxy sends requests to others before it is gone. The function
// that it returns ends it at once.
func (s *Server) drained(ctx context.Context) (context.Context, context.CancelFunc) {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	end := context.AfterFunc(ctx, func() {
		s.draining.Store(true)
		delay := s.current.Load().config.ShutdownDelay
		if delay > 0 {
			s.log.InfoContext(serving, "told to stop: not ready any more", "delay", delay.String())
		}
		select {
		case <-time.After(delay):
		case <-serving.Done():
		}
		stop()
	})
	return serving, func() { end(); stop() }
}

// closing makes every answer of a server that was told to stop the last one on
// its connection. Connections that nothing goes over stay open until the end: to
// close one at the moment of a request would lose that.
func (s *Server) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
