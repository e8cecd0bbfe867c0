package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/internal/tracing"
	"keymaker/internal/tracing/tracingtest"
)

// fixture is a tracer, its log, and what it has told.
type fixture struct {
	*tracing.Tracer
	t     *testing.T
	clock *clock.Manual
	mu    sync.Mutex
	log   bytes.Buffer
	told  map[string]int
}

func (f *fixture) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(p)
}

func (f *fixture) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

func (f *fixture) count(outcome string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told[outcome]
}

// start makes a tracer with a configuration.
func start(t *testing.T, c tracing.Config) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: clock.NewManual(time.Now()), told: map[string]int{}}
	f.Tracer = tracing.New(tracing.Options{ServerName: "example.org", Version: "1", Clock: f.clock, Logger: slog.New(slog.NewTextHandler(f, nil)),
		Observe: func(outcome string, n int) { f.mu.Lock(); f.told[outcome] += n; f.mu.Unlock() }})
	if err := f.Follow(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f
}

// request traces a request with a part.
func (f *fixture) request(header ...string) {
	r := httptest.NewRequest(http.MethodGet, "/secret-path?secret=query", nil)
	for _, value := range header {
		r.Header.Add("traceparent", value)
	}
	ctx, span := f.Request(r, http.MethodGet, "id", func() bool { return true })
	_, part := f.Start(ctx, "part", attribute.String("what", "it is"))
	part.End(errors.New("secret text"))
	span.Answered(http.MethodGet, "/template/{id}", http.StatusOK)
}

// flush ends the tracing, which sends what there is.
func (f *fixture) flush() {
	f.t.Helper()
	if err := f.Close(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func TestSpansReachTheCollector(t *testing.T) {
	c := tracingtest.Start(t)
	f := start(t, tracing.Config{Endpoint: c.URL + "/", Headers: map[string]secret.Text{"Authorization": "Bearer abc"}})
	f.request()
	f.flush()
	spans := c.Spans()
	if len(spans) != 2 {
		t.Fatalf("%v", tracingtest.Names(spans))
	}
	part, whole := spans[0], spans[1]
	if part.GetName() != "part" || whole.GetName() != "GET /template/{id}" || !bytes.Equal(part.GetParentSpanId(), whole.GetSpanId()) || !bytes.Equal(part.GetTraceId(), whole.GetTraceId()) {
		t.Errorf("%v", spans)
	}
	if !strings.Contains(whole.Resource["service.name"], "keymaker") || !strings.Contains(whole.Resource["service.namespace"], "example.org") {
		t.Errorf("they come from %v", whole.Resource)
	}
	if strings.Contains(c.Raw(), "secret") {
		t.Error("what was sent, or the text of an error, is in a span")
	}
	if got := c.Headers()[0].Get("Authorization"); got != "Bearer abc" {
		t.Errorf("Authorization: %q", got)
	}
	if f.count(tracing.Sent) != 2 || f.count(tracing.Failed)+f.count(tracing.Dropped) != 0 {
		t.Errorf("told %v", f.told)
	}
}

func TestWithoutAnEndpointNothingIsTraced(t *testing.T) {
	f := start(t, tracing.Config{})
	ctx, span := f.Begin(t.Context(), "job")
	if f.On() || span != nil || ctx != t.Context() {
		t.Error("something is traced")
	}
	var none *tracing.Tracer
	if ctx, span := none.Begin(t.Context(), "job"); none.On() || span != nil || ctx != t.Context() || none.Close(ctx) != nil {
		t.Error("something is traced by nobody")
	}
	span.End(nil)
	span.Set()
	span.Answered("", "", 0)
}

// The variables of OpenTelemetry change nothing but what describes where the
// server runs.
func TestEnvironmentIsNotRead(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS": "X-Stranger=1",
		"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere", "OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
		"OTEL_TRACES_SAMPLER": "always_off", "OTEL_BSP_MAX_QUEUE_SIZE": "1", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0", "OTEL_SDK_DISABLED": "true",
		"OTEL_SERVICE_NAME": "another", "OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=keymaker-0",
	} {
		t.Setenv(name, value)
	}
	c := tracingtest.Start(t)
	f := start(t, tracing.Config{Endpoint: c.URL})
	f.request()
	f.flush()
	spans := c.Spans()
	if len(spans) != 2 || spans[0].Attributes["what"] == "" || c.Headers()[0].Get("X-Stranger") != "" {
		t.Fatalf("%v", spans)
	}
	if r := spans[0].Resource; !strings.Contains(r["service.name"], "keymaker") || !strings.Contains(r["k8s.pod.name"], "keymaker-0") {
		t.Errorf("they come from %v", r)
	}
}

func TestParentOfARequest(t *testing.T) {
	const trace, sampled, not = "0af7651916cd43dd8448eb211c80319c", "-b7ad6b7169203331-01", "-b7ad6b7169203331-00"
	tests := []struct {
		name            string
		accept, trusted bool
		header          []string
		continued       bool
		spans           int
	}{
		{"is nobody's by default", false, true, []string{"00-" + trace + sampled}, false, 2},
		{"is not a stranger's", true, false, []string{"00-" + trace + sampled}, false, 2},
		{"is a trusted proxy's where that is wanted", true, true, []string{"00-" + trace + sampled}, true, 2},
		{"may say that it is not traced", true, true, []string{"00-" + trace + not}, true, 0},
		{"is none when it is malformed", true, true, []string{"00-" + trace}, false, 2},
		{"is none when it is all zero", true, true, []string{"00-00000000000000000000000000000000" + sampled}, false, 2},
		{"is none when there are two", true, true, []string{"00-" + trace + sampled, "00-" + trace + sampled}, false, 2},
		{"is none when it is huge", true, true, []string{strings.Repeat("0", 20000)}, false, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tracingtest.Start(t)
			f := start(t, tracing.Config{Endpoint: c.URL, AcceptParent: tt.accept})
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Traceparent"] = tt.header
			r.Header.Set("Tracestate", "vendor=stranger")
			r.Header.Set("Baggage", "who=stranger")
			ctx, span := f.Request(r, http.MethodGet, "id", func() bool { return tt.trusted })
			if got := tracing.ID(ctx) == trace; got != tt.continued {
				t.Errorf("the trace is %s", tracing.ID(ctx))
			}
			_, part := f.Start(ctx, "part")
			part.End(nil)
			span.Answered(http.MethodGet, "", http.StatusOK)
			f.flush()
			if len(c.Spans()) != tt.spans || strings.Contains(c.Raw(), "stranger") {
				t.Errorf("%d spans, with %q", len(c.Spans()), c.Raw())
			}
		})
	}
}

// Strangers who ask for it are traced as often as all others.
func TestStrangersForceNoSampling(t *testing.T) {
	c := tracingtest.Start(t)
	f := start(t, tracing.Config{Endpoint: c.URL, OneIn: 1_000_000})
	for range 200 {
		f.request("00-0000000000000000000000000000000f-b7ad6b7169203331-01")
	}
	f.flush()
	if n := len(c.Spans()); n > 4 {
		t.Errorf("%d spans of 200 requests, of which one in a million is traced", n)
	}
}

func TestPartOfTheRequestsIsTraced(t *testing.T) {
	c := tracingtest.Start(t)
	f := start(t, tracing.Config{Endpoint: c.URL, OneIn: 4})
	for range 400 {
		f.request()
	}
	f.flush()
	if n := len(c.Spans()) / 2; n < 50 || n > 150 {
		t.Errorf("%d of 400 requests, want one in four", n)
	}
}

func TestTracesArePropagated(t *testing.T) {
	for _, peer := range []string{tracing.Homeserver, tracing.IdentityProviders} {
		c := tracingtest.Start(t)
		f := start(t, tracing.Config{Endpoint: c.URL, PropagateTo: []string{tracing.Homeserver}})
		var got http.Header
		asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r.Header; w.WriteHeader(http.StatusTeapot) }))
		client := &http.Client{Transport: f.Transport(http.DefaultTransport, peer, func(*http.Request) string { return "ask" })}
		ctx, span := f.Begin(t.Context(), "job")
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, asked.URL+"/secret-path?secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		asked.Close()
		span.End(nil)
		f.flush()
		if want := peer == tracing.Homeserver; strings.Contains(got.Get("Traceparent"), tracing.ID(ctx)) != want || (got.Get("Traceparent") != "") != want || r.Header.Get("Traceparent") != "" {
			t.Errorf("%s was told %q", peer, got.Get("Traceparent"))
		}
		if s := c.Wait("ask")[0]; !strings.Contains(s.Attributes["http.response.status_code"], "418") || strings.Contains(c.Raw(), "secret") || strings.Contains(c.Raw(), "127.0.0.1") {
			t.Errorf("the span is %v", s)
		}
	}
}

// Whatever is wrong with a collector costs spans and nothing else.
func TestCollectorsThatTakeNothing(t *testing.T) {
	away := httptest.NewServer(nil)
	away.Close()
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("secret ", 1000)); err != nil {
				return
			}
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc // nil: it is away
		says   string
	}{
		{"is away", nil, "refused"},
		{"does not know us", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "secret "+r.Header.Get("Authorization"))
		}, "it answered 401 Unauthorized"},
		{"has too much to do", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "it answered 429"},
		{"sends us elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://secret.invalid/", http.StatusTemporaryRedirect)
		}, "it answered 307"},
		{"answers without end", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			endless(w, r)
		}, "not what a collector answers"},
		{"refuses without end", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			endless(w, r)
		}, "it answered 400"},
		{"answers nonsense", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = io.WriteString(w, "secret")
		}, "not what a collector answers"},
		{"takes a part", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"secret"}}`)
		}, "did not take all"},
		{"speaks something else", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "secret\r\n")
				_ = conn.Close()
			}
		}, "not what a collector answers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			endpoint := away.URL
			if tt.answer != nil {
				c := tracingtest.Start(t)
				c.Answer(tt.answer)
				endpoint = c.URL
			}
			f := start(t, tracing.Config{Endpoint: endpoint, Headers: map[string]secret.Text{"Authorization": "secret token"}})
			f.request()
			f.flush()
			if f.count(tracing.Failed) != 2 || f.count(tracing.Sent) != 0 {
				t.Errorf("told %v", f.told)
			}
			if log := f.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, tt.says) || strings.Contains(log, "secret") {
				t.Errorf("the log says %q, want %q", log, tt.says)
			}
		})
	}
}

// A collector that does not answer holds up no request, and no more memory than
// so many spans take.
func TestSlowCollector(t *testing.T) {
	c := tracingtest.Start(t)
	release := make(chan struct{})
	c.Answer(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	f := start(t, tracing.Config{Endpoint: c.URL})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	for range 20_000 {
		f.request()
	}
	took := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if took > 5*time.Second {
		t.Errorf("20000 requests took %s", took)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("%d bytes are held", grown)
	}
	if dropped := f.count(tracing.Dropped); dropped < 40_000-2048 {
		t.Errorf("%d spans were dropped", dropped)
	}
	began = time.Now()
	if err := f.Close(t.Context()); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("the end took %s: %v", time.Since(began), err)
	}
}

func TestTheLogSaysItNowAndThen(t *testing.T) {
	c := tracingtest.Start(t)
	c.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	f := start(t, tracing.Config{Endpoint: c.URL})
	lose := func() {
		t.Helper()
		lost := f.count(tracing.Failed)
		for range 600 { // more than one batch
			f.request()
		}
		for end := time.Now().Add(20 * time.Second); f.count(tracing.Failed) < lost+1200; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("told %v", f.told)
			}
		}
	}
	lose()
	lose()
	if n := strings.Count(f.logged(), "\n"); n != 1 {
		t.Errorf("%d lines within a minute:\n%s", n, f.logged())
	}
	f.clock.Advance(2 * time.Minute)
	lose()
	if n := strings.Count(f.logged(), "\n"); n != 2 {
		t.Errorf("%d lines a minute later:\n%s", n, f.logged())
	}
}

func TestAnotherConfigurationIsTakenIntoUse(t *testing.T) {
	first, second := tracingtest.Start(t), tracingtest.Start(t)
	f := start(t, tracing.Config{Endpoint: first.URL})
	f.request()
	follow := func(c tracing.Config) {
		t.Helper()
		if err := f.Follow(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	follow(tracing.Config{Endpoint: second.URL})
	first.Wait("part") // what had ended is sent to where it was meant for
	f.request()
	follow(tracing.Config{})
	second.Wait("part")
	if f.On() || len(first.Spans()) != 2 || len(second.Spans()) != 2 {
		t.Errorf("%v and %v", tracingtest.Names(first.Spans()), tracingtest.Names(second.Spans()))
	}
}

func TestLinesOfATraceSayWhich(t *testing.T) {
	c := tracingtest.Start(t)
	f := start(t, tracing.Config{Endpoint: c.URL})
	var out bytes.Buffer
	log := slog.New(f.Logged(slog.NewTextHandler(&out, nil))).With("a", 1)
	ctx, span := f.Begin(t.Context(), "job")
	log.InfoContext(ctx, "within")
	log.InfoContext(t.Context(), "without")
	span.End(nil)
	if got := out.String(); strings.Count(got, "trace_id=") != 1 || !strings.Contains(got, "msg=within a=1 trace_id="+tracing.ID(ctx)) {
		t.Error(got)
	}
}

// BenchmarkOff is what tracing costs where it is off.
func BenchmarkOff(b *testing.B) {
	t := tracing.New(tracing.Options{Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, span := t.Start(ctx, "part")
		span.End(nil)
	}
}
