package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// balancer is a reverse proxy before several servers, as administrators run one.
// It asks each every 50 ms whether it is ready, sends requests in turn to those
// that are, and tries another where it could not connect, unless once is set. What
// was cut off after that is answered with 502, and counted.
type balancer struct {
	once    bool
	servers []*url.URL
	ready   []atomic.Bool
	turn    atomic.Int64
	cut     atomic.Int64
	// keep are connections that stay open, one pool for all.
	keep *http.Transport
}

const healthInterval = 50 * time.Millisecond

var errNoServer = errors.New("no server is ready")

func balance(t *testing.T, ports ...int) *balancer {
	b := &balancer{ready: make([]atomic.Bool, len(ports)), keep: &http.Transport{MaxIdleConnsPerHost: 50, DisableCompression: true}}
	for _, port := range ports {
		b.servers = append(b.servers, &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	ctx, stop := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	for i := range ports {
		asking.Go(func() { b.watch(ctx, i) })
	}
	t.Cleanup(func() { stop(); asking.Wait(); b.keep.CloseIdleConnections() })
	return b
}

// watch notes whether a server is ready.
func (b *balancer) watch(ctx context.Context, i int) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, b.servers[i].String()+"/readyz", http.NoBody)
		answer, err := client.Do(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		b.ready[i].Store(err == nil && answer.StatusCode == http.StatusOK)
		time.Sleep(healthInterval)
	}
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	var err error
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	err = errNoServer
	first := int(b.turn.Add(1))
	for n := range len(b.servers) {
		i := (first + n) % len(b.servers)
		if !b.ready[i].Load() {
			continue
		}
		out := r.Clone(r.Context())
		out.URL.Host, out.Body = b.servers[i].Host, io.NopCloser(bytes.NewReader(body))
		var answer *http.Response
		if answer, err = b.keep.RoundTrip(out); err == nil || b.once || !refused(err) {
			return answer, err
		}
	}
	return nil, err
}

// refused tells whether a request has not left, because nobody listens.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED)
}
