package telemetry

import (
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"keymaker/internal/tracing"
)

// Metrics count what the server does, for Prometheus. Every label has few
// values: those of the configuration and of the program, and nothing that a
// client, a person or a network chooses. It is safe for concurrent use; a nil one
// counts nothing.
type Metrics struct {
	registry *prometheus.Registry

	requests      *prometheus.CounterVec
	tokens        *prometheus.CounterVec
	refreshes     *prometheus.CounterVec
	introspection *prometheus.HistogramVec
	logins        *prometheus.CounterVec
	limited       *prometheus.CounterVec
	database      map[string]prometheus.Observer
	providerUp    *prometheus.GaugeVec
	jobs          *prometheus.CounterVec
	spans         *prometheus.CounterVec
}

// Operations of the database.
const (
	Read        = "read"
	Write       = "write"
	Transaction = "transaction" // from its begin to its commit
)

// quick are the buckets, in seconds, of what is answered from the database.
var quick = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// NewMetrics returns metrics that have counted nothing yet. version is that of
// the program.
func NewMetrics(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: quick}, labels)
	}
	database := histogram("keymaker_database_duration_seconds", "How long the database took, by operation: read, write or transaction.", "operation")
	m := &Metrics{
		registry:      prometheus.NewRegistry(),
		requests:      counter("keymaker_http_requests_total", "Requests by route and class of status.", "route", "code"),
		tokens:        counter("keymaker_token_requests_total", "Token requests by grant and outcome: ok, or the error code.", "grant", "outcome"),
		refreshes:     counter("keymaker_refreshes_total", "Refreshes by API and outcome: fresh, replayed, or why it was refused.", "api", "outcome"),
		introspection: histogram("keymaker_introspection_duration_seconds", "How long introspection took, by outcome: active, inactive, refused or unavailable.", "outcome"),
		logins:        counter("keymaker_logins_total", "What became of people at an identity provider, by purpose and outcome.", "provider", "purpose", "outcome"),
		limited:       counter("keymaker_limited_requests_total", "Requests that a rate limit refused, by limit.", "limit"),
		database:      map[string]prometheus.Observer{},
		providerUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "keymaker_provider_up",
			Help: "Whether the identity provider answered when it was last asked: 1 or 0. It is asked once a minute."}, []string{"provider"}),
		jobs:  counter("keymaker_outbox_attempts_total", "Attempts to tell others what changed, by kind and outcome: done, retried or given_up.", "kind", "outcome"),
		spans: counter("keymaker_trace_spans_total", "Spans of traces by what became of them: sent, dropped because too many waited, or failed because the collector did not take them.", "outcome"),
	}
	for _, operation := range []string{Read, Write, Transaction} {
		m.database[operation] = database.WithLabelValues(operation)
	}
	for _, outcome := range []string{tracing.Sent, tracing.Dropped, tracing.Failed} {
		m.spans.WithLabelValues(outcome)
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "keymaker_build_info", Help: "Always 1: the version of the program is in the labels."}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.requests, m.tokens, m.refreshes, m.introspection, m.logins, m.limited, database, m.providerUp, m.jobs, m.spans, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers Prometheus in its text format.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError})
}

// Token counts an answer of the token endpoint, or of a legacy login.
func (m *Metrics) Token(grant, outcome string) {
	if m != nil {
		m.tokens.WithLabelValues(grant, outcome).Inc()
	}
}

// Refresh counts an answer to a refresh, at the API "oauth" or "legacy".
func (m *Metrics) Refresh(api, outcome string) {
	if m != nil {
		m.refreshes.WithLabelValues(api, outcome).Inc()
	}
}

// Introspection notes how long an introspection took.
func (m *Metrics) Introspection(outcome string, took time.Duration) {
	if m != nil {
		m.introspection.WithLabelValues(outcome).Observe(took.Seconds())
	}
}

// Login counts what became of a person whom an identity provider was asked
// about.
func (m *Metrics) Login(provider, purpose, outcome string) {
	if m != nil {
		m.logins.WithLabelValues(provider, purpose, outcome).Inc()
	}
}

// Limited counts a request that a rate limit refused.
func (m *Metrics) Limited(limit string) {
	if m != nil {
		m.limited.WithLabelValues(limit).Inc()
	}
}

// Database notes how long Read, Write or Transaction took.
func (m *Metrics) Database(operation string, took time.Duration) {
	if o := m.database[operation]; o != nil {
		o.Observe(took.Seconds())
	}
}

// Job counts an attempt at a job.
func (m *Metrics) Job(kind, outcome string) { m.jobs.WithLabelValues(kind, outcome).Inc() }

// Spans counts spans of traces.
func (m *Metrics) Spans(outcome string, n int) { m.spans.WithLabelValues(outcome).Add(float64(n)) }

// Provider notes whether an identity provider answers.
func (m *Metrics) Provider(provider string, up bool) {
	value := 0.0
	if up {
		value = 1
	}
	m.providerUp.WithLabelValues(provider).Set(value)
}

// ForgetProviders drops what is known of the identity providers, whose list has
// changed.
func (m *Metrics) ForgetProviders() { m.providerUp.Reset() }

// Route counts the requests of one route.
type Route struct {
	classes [6]prometheus.Counter
}

// Route returns the counters of a route, which is a path of the program's own
// and never one that was sent.
func (m *Metrics) Route(path string) *Route {
	if m == nil {
		return nil
	}
	r := &Route{}
	for class := range r.classes {
		r.classes[class] = m.requests.WithLabelValues(path, strconv.Itoa(class)+"xx")
	}
	return r
}

// Answered counts an answer with a status.
func (r *Route) Answered(status int) {
	if class := status / 100; r != nil && class > 0 && class < len(r.classes) {
		r.classes[class].Inc()
	}
}
