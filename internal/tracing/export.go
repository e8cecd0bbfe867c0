package tracing

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"keymaker/internal/clock"
	"keymaker/internal/outbound"
)

const (
	// maxSpans is how many spans wait for the collector at most, those that are
	// being sent included: a few megabytes.
	maxSpans = 2048
	// maxBatch is how many are sent at once, and maxDelay how long they wait for
	// each other.
	maxBatch = 512
	maxDelay = 2 * time.Second
	// maxAnswer is how much of an answer is read (bytes).
	maxAnswer = 16 << 10
	// sayInterval is how often the log says that spans are lost.
	sayInterval = time.Minute
)

// exporter sends spans to the collector. Whatever does not fit, or is not taken,
// is lost and counted: nothing waits for a collector.
type exporter struct {
	next    sdktrace.SpanExporter
	clock   clock.Clock
	log     *slog.Logger
	observe func(outcome string, spans int)
	ended   context.Context // when nobody waits for the collector any more
	stop    context.CancelFunc
	pending atomic.Int64
	// lost are the spans of which the log has not said yet that they are, and said
	// is when it last did, in milliseconds.
	lost, said atomic.Int64
}

func newExporter(ctx context.Context, c Config, o Options) (*exporter, error) {
	headers := map[string]string{}
	for name, value := range c.Headers {
		headers[name] = value.Reveal()
	}
	client := outbound.NewFor(outbound.Anywhere, maxAnswer)
	client.Transport = plain{client.Transport}
	// Every option is given: what is not is read from the environment.
	next, err := otlptrace.New(ctx, otlptracehttp.NewClient(
		otlptracehttp.WithTLSClientConfig(nil), otlptracehttp.WithEndpointURL(strings.TrimRight(c.Endpoint, "/")+"/v1/traces"),
		otlptracehttp.WithHeaders(headers), otlptracehttp.WithHTTPClient(client), otlptracehttp.WithTimeout(outbound.Timeout),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf),
		otlptracehttp.WithMaxResponseSize(maxAnswer), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}),
	))
	if err != nil {
		return nil, fmt.Errorf("prepare the exporter: %w", err)
	}
	e := &exporter{next: next, clock: o.Clock, log: o.Logger, observe: o.Observe}
	e.ended, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	return e, nil
}

// processor gathers spans that have ended into batches.
func (e *exporter) processor() sdktrace.SpanProcessor {
	return bounded{e, sdktrace.NewBatchSpanProcessor(e, sdktrace.WithMaxQueueSize(maxSpans), sdktrace.WithMaxExportBatchSize(maxBatch),
		sdktrace.WithBatchTimeout(maxDelay), sdktrace.WithExportTimeout(outbound.Timeout))}
}

// bounded lets no more spans wait than maxSpans. The SDK's own limit drops without
// a word.
type bounded struct {
	exporter *exporter
	sdktrace.SpanProcessor
}

// OnEnd implements sdktrace.SpanProcessor.
func (b bounded) OnEnd(s sdktrace.ReadOnlySpan) {
	if b.exporter.pending.Add(1) > maxSpans {
		b.exporter.pending.Add(-1)
		b.exporter.tell(Dropped, 1)
		b.exporter.lost.Add(1)
		return
	}
	b.SpanProcessor.OnEnd(s)
}

// ExportSpans implements sdktrace.SpanExporter. It never fails: the SDK would
// print the error.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	defer e.pending.Add(-int64(len(spans)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ended, cancel)()
	err := e.next.ExportSpans(ctx, spans)
	if err == nil {
		e.tell(Sent, len(spans))
		return nil
	}
	e.tell(Failed, len(spans))
	e.lost.Add(int64(len(spans)))
	e.say(ctx, err)
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(ctx context.Context) error { return e.next.Shutdown(ctx) }

func (e *exporter) tell(outcome string, spans int) {
	if e.observe != nil {
		e.observe(outcome, spans)
	}
}

// say logs that spans are lost, now and then.
func (e *exporter) say(ctx context.Context, err error) {
	now, last := e.clock.Now().UnixMilli(), e.said.Load()
	if last != 0 && now-last < sayInterval.Milliseconds() || !e.said.CompareAndSwap(last, now) {
		return
	}
	e.log.WarnContext(ctx, "the collector does not take traces, which are lost", "spans", e.lost.Swap(0), "error", words(err))
}

// words say what is wrong, with nothing that the collector has sent.
func words(err error) string {
	var status *statusError
	var network net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.As(err, &certificate):
		return certificate.Error()
	case errors.Is(err, context.Canceled):
		return "the server ended before they were sent"
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Error()
	}
	return "its answer is not what a collector answers, or it did not take all"
}

// statusError is an answer that is no success.
type statusError struct{ status int }

// Error implements error.
func (e *statusError) Error() string {
	return fmt.Sprintf("it answered %d %s", e.status, http.StatusText(e.status))
}

// plain hands on of an answer only what is needed, so that nothing else of it can
// get into an error.
type plain struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := p.next.RoundTrip(r)
	if err != nil || answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // so that the connection can be used again
	_ = answer.Body.Close()
	return nil, &statusError{answer.StatusCode}
}
