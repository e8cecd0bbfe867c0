package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what is looked up whenever Prometheus asks.
type State struct {
	Jobs  []JobState
	Keys  []KeyState
	Pools []PoolState
}

// JobState is what waits to be told to others, of one kind in one state.
type JobState struct {
	Kind, State string
	Count       int64
	// Oldest is how long the oldest of them has been there.
	Oldest time.Duration
}

// KeyState is a signing key. Age is since it began to sign, or for one that is
// still to sign, since it was published.
type KeyState struct {
	Alg, State string
	Age        time.Duration
}

// PoolState is a pool of database connections.
type PoolState struct {
	Name        string
	Idle, InUse int
	// Waited is how long requests have waited for a connection since the start.
	Waited time.Duration
}

// lookTimeout is how long Prometheus waits for the database.
const lookTimeout = 5 * time.Second

// watch looks up the state at every scrape.
type watch struct {
	look                                                   func(context.Context) (State, error)
	up, depth, oldest, keyAge, connections, connectionWait *prometheus.Desc
}

// Watch has the state looked up whenever Prometheus asks. If that fails, the
// database is shown as down, and what it holds is left out.
func (m *Metrics) Watch(look func(context.Context) (State, error)) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.registry.MustRegister(&watch{
		look:           look,
		up:             desc("keymaker_database_up", "Whether the database answered for these metrics: 1 or 0."),
		depth:          desc("keymaker_outbox_jobs", "What others are still to be told, by kind and state: waiting or failed. All servers on one database show the same.", "kind", "state"),
		oldest:         desc("keymaker_outbox_oldest_seconds", "How old the oldest of them is.", "kind", "state"),
		keyAge:         desc("keymaker_signing_key_age_seconds", "How long the key has signed, by algorithm and state: next, active or retiring. Of a next one: how long it has been published.", "alg", "state"),
		connections:    desc("keymaker_database_connections", "Connections to the database, by pool and state: idle or in_use.", "pool", "state"),
		connectionWait: desc("keymaker_database_connection_wait_seconds_total", "How long requests have waited for a connection.", "pool"),
	})
}

// Describe implements prometheus.Collector.
func (w *watch) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{w.up, w.depth, w.oldest, w.keyAge, w.connections, w.connectionWait} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (w *watch) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	state, err := w.look(ctx)
	for _, p := range state.Pools {
		gauge(w.connections, float64(p.Idle), p.Name, "idle")
		gauge(w.connections, float64(p.InUse), p.Name, "in_use")
		to <- prometheus.MustNewConstMetric(w.connectionWait, prometheus.CounterValue, p.Waited.Seconds(), p.Name)
	}
	if err != nil {
		gauge(w.up, 0)
		return
	}
	gauge(w.up, 1)
	for _, j := range state.Jobs {
		gauge(w.depth, float64(j.Count), j.Kind, j.State)
		gauge(w.oldest, j.Oldest.Seconds(), j.Kind, j.State)
	}
	for _, k := range state.Keys {
		gauge(w.keyAge, k.Age.Seconds(), k.Alg, k.State)
	}
}
