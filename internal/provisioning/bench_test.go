package provisioning_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"keymaker/internal/provisioning"
)

// counting answers every call, and counts the connections.
func counting(t testing.TB) (url string, connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	}))
	h.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	h.Start()
	t.Cleanup(h.Close)
	return h.URL, connections
}

func TestManyCallsAtOnceShareFewConnections(t *testing.T) {
	url, connections := counting(t)
	c := newClient(t, url)
	for range 10 {
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if _, err := c.UpsertDevice(t.Context(), "alice", fmt.Sprint(i), "Phone"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if n := connections.Load(); n > provisioning.Connections {
		t.Errorf("%d connections", n)
	}
}

// BenchmarkUpsertDevice is what a login costs beside the homeserver's own work.
// connections/op is near 0 when connections are used again.
func BenchmarkUpsertDevice(b *testing.B) {
	url, connections := counting(b)
	c := newClient(b, url)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.UpsertDevice(b.Context(), "alice", "DEVICE", "Phone"); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(connections.Load())/float64(b.N), "connections/op")
}
