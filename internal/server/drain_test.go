package server_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"keymaker/internal/server"
)

// run serves as a process does, until stop or the end of the test.
func run(t *testing.T, lines string) (l net.Listener, stop context.CancelFunc, ended chan error) {
	t.Helper()
	s := startAlone(t, lines)
	if err := s.TurnKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- s.Run(ctx, &server.Sockets{Public: []net.Listener{l}}) }()
	return l, stop, ended
}

func TestAServerThatWasToldToStopSaysSoAndGoesOn(t *testing.T) {
	l, stop, ended := run(t, "shutdown_delay = 3600")
	get := func(path string) *http.Response {
		t.Helper()
		response, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response
	}
	if r := get("/readyz"); r.StatusCode != http.StatusOK || r.Close {
		t.Fatalf("before: status %d, closes %v", r.StatusCode, r.Close)
	}
	stop()
	for deadline := time.Now().Add(10 * time.Second); get("/readyz").StatusCode == http.StatusOK && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if r := get("/readyz"); r.StatusCode != http.StatusServiceUnavailable || !r.Close {
		t.Errorf("ready: status %d, closes %v, want 503 on a connection that ends", r.StatusCode, r.Close)
	}
	for _, path := range []string{"/livez", "/_tuwunel/oidc/jwks"} {
		if r := get(path); r.StatusCode != http.StatusOK || !r.Close {
			t.Errorf("%s: status %d, closes %v, want 200 on a connection that ends", path, r.StatusCode, r.Close)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("it has stopped at once: %v", err)
	default:
	}
	_ = l.Close() // an hour is too long for a test
	if err := <-ended; err == nil {
		t.Error("it ends without an error when its listener does")
	}
}

func TestAServerThatWasToldToStopStopsAfterTheDelay(t *testing.T) {
	for text, delay := range map[string]time.Duration{"": 0, "shutdown_delay = 1": time.Second} {
		_, stop, ended := run(t, text)
		begun := time.Now()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%q: it ends with %v", text, err)
		}
		if took := time.Since(begun); took < delay {
			t.Errorf("%q: it ends after %v", text, took)
		}
	}
}
