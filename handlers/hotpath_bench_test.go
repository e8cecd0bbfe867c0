package handlers_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"keymaker/handlers"
	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/harness"
	"keymaker/internal/homeserver"
	"keymaker/internal/secret"
	"keymaker/internal/telemetry"
	"keymaker/internal/tracing"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// around is what a benchmark puts around the same handlers.
type around struct {
	name            string
	metrics, limits bool
	logger          *slog.Logger
	tracer          *tracing.Tracer
}

// arounds are what an administrator can have on: "usual" is the default, with a
// tracer that is off.
func arounds(b *testing.B) []around {
	b.Helper()
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(collector.Close)
	tracer := func(c tracing.Config) *tracing.Tracer {
		t := tracing.New(tracing.Options{Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
		if err := t.Follow(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = t.Close(context.Background()) })
		return t
	}
	off := tracer(tracing.Config{})
	none := slog.New(slog.DiscardHandler)
	text := func(level slog.Level) *slog.Logger { return telemetry.NewLoggerAt(io.Discard, "text", level) }
	return []around{
		{name: "nothing", logger: none},
		{name: "metrics", logger: none, metrics: true},
		{name: "log", logger: text(slog.LevelInfo)},
		{name: "limits", logger: none, limits: true},
		{name: "tracer", logger: none, tracer: off},
		{name: "usual", logger: text(slog.LevelInfo), metrics: true, limits: true, tracer: off},
		{name: "debug", logger: text(slog.LevelDebug), metrics: true, limits: true, tracer: off},
		{name: "traced 1 in 100", logger: text(slog.LevelInfo), metrics: true, limits: true, tracer: tracer(tracing.Config{Endpoint: collector.URL, OneIn: 100})},
		{name: "traced", logger: text(slog.LevelInfo), metrics: true, limits: true, tracer: tracer(tracing.Config{Endpoint: collector.URL})},
	}
}

// serving is the handlers on the database of an environment, with what is around
// them.
func serving(b *testing.B, e *harness.Env, a around) http.Handler {
	b.Helper()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	text := e.Config
	if !a.limits {
		text = strings.Replace(text, "[global]", "[global]\noidc_rc_per_second = 0", 1)
	}
	c, err := config.Parse("keymaker.toml", []byte(text), nil)
	must(err)
	key, err := secret.ReadKey(filepath.Clean(c.SecretFile))
	must(err)
	sealer, err := secret.NewSealer(key)
	must(err)
	opened := store.Options{URL: c.Database.URL, ServerName: c.ServerName, Clock: e.Clock, Sealer: sealer, Logger: a.logger, Tracer: a.tracer}
	o := handlers.Options{Config: c, Clock: e.Clock, Logger: a.logger, FormKey: secret.Bytes(32), LimitKey: secret.Bytes(32), Tracer: a.tracer}
	if a.metrics {
		o.Metrics = telemetry.NewMetrics("bench")
		opened.Observe = o.Metrics.Database
	}
	db, err := store.Open(b.Context(), opened)
	must(err)
	b.Cleanup(func() { _ = db.Close() })
	o.Pages, err = templates.New(templates.Options{ServerName: c.ServerName})
	must(err)
	home := homeserver.Embedded{Store: db}
	o.Provider, err = provider.New(b.Context(), provider.Options{Config: c, Store: db, Homeserver: home, Clock: e.Clock, Logger: a.logger})
	must(err)
	for _, p := range c.IdentityProviders {
		o.Upstreams = append(o.Upstreams, upstream.New(p, c.CallbackURL(p), upstream.Options{Clock: e.Clock, Logger: a.logger}))
	}
	o.Logins, o.Account, o.Proofs, o.Resets, o.Matrix, o.Limits = db, db, db, db, db, db
	o.Health = func(context.Context) []telemetry.Check { return nil }
	s, err := handlers.New(o)
	must(err)
	return s
}

// nowhere takes an answer and keeps none of it.
type nowhere struct {
	header http.Header
	status int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(status int)      { w.status = status }
func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }

// askAgain sends one request again and again to a handler itself, without a
// network.
func askAgain(b *testing.B, h http.Handler, method, path, body string, header http.Header) {
	b.Helper()
	first := httptest.NewRequest(method, path, strings.NewReader(body))
	for name, values := range header {
		first.Header[name] = values
	}
	b.ReportAllocs()
	began := cpu(b)
	for b.Loop() {
		r := *first
		r.Body = io.NopCloser(strings.NewReader(body))
		w := &nowhere{header: http.Header{}}
		h.ServeHTTP(w, &r)
		if w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
	}
	b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpu is the time of the processor that the process has had, which says more than
// that of a clock on a machine that others use.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkAround is what it costs to have metrics, a log and limits, each alone
// and all of them, at what is asked most. "empty" is a handler that does nothing,
// on a router of its own.
func BenchmarkAround(b *testing.B) {
	e := harness.Start(b)
	form := url.Values{"token": {e.LogIn("alice", "BENCHDEVICE").Access}}.Encode()
	header := http.Header{"Authorization": {"Bearer " + harness.HomeserverSecret}, "Content-Type": {"application/x-www-form-urlencoded"}}
	empty := mux.NewRouter()
	empty.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "{}\n")
	})
	b.Run("empty", func(b *testing.B) { askAgain(b, empty, http.MethodGet, "/empty", "", nil) })
	for _, a := range arounds(b) {
		h := serving(b, e, a)
		b.Run("discovery/"+a.name, func(b *testing.B) { askAgain(b, h, http.MethodGet, "/.well-known/openid-configuration", "", nil) })
		b.Run("jwks/"+a.name, func(b *testing.B) { askAgain(b, h, http.MethodGet, "/_tuwunel/oidc/jwks", "", nil) })
		b.Run("introspection/"+a.name, func(b *testing.B) { askAgain(b, h, http.MethodPost, "/oauth2/introspect", form, header) })
	}
}
