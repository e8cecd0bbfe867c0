package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a listener to which one client has come.
type pipe struct {
	conn  chan net.Conn
	ended chan struct{}
}

func (p pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conn:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p pipe) Close() error {
	close(p.ended)
	return nil
}

func (pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// Whoever holds a connection open and sends next to nothing, or takes nothing of
// the answer, is cut off.
func TestSlowClientsAreCutOff(t *testing.T) {
	tests := []struct {
		name, sends string
		reads       bool
		within      time.Duration
	}{
		{"a header that does not end", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", true, 10 * time.Second},
		{"a body that does not come", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", true, 30 * time.Second},
		{"an answer that nobody reads", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, 60 * time.Second},
		{"nothing more after an answer", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, 120 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Duration, 1)
				began := time.Now()
				hs := HTTP(&Server{log: slog.New(slog.DiscardHandler)})
				hs.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = w.Write(make([]byte, 1<<20))
				})
				hs.ConnState = func(_ net.Conn, s http.ConnState) {
					if s == http.StateClosed {
						ended <- time.Since(began)
					}
				}
				mine, theirs := net.Pipe()
				l := pipe{make(chan net.Conn, 1), make(chan struct{})}
				l.conn <- theirs
				go func() { _ = hs.Serve(l) }()
				if _, err := io.WriteString(mine, tt.sends); err != nil {
					t.Fatal(err)
				}
				if tt.reads {
					go func() { _, _ = io.Copy(io.Discard, mine) }()
				}
				if took := <-ended; took != tt.within {
					t.Errorf("it took %v, want %v", took, tt.within)
				}
				_ = mine.Close()
				_ = hs.Close()
			})
		})
	}
}
