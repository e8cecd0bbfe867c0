// Package tracingtest is an OTLP collector for tests: it takes traces over HTTP as
// a real one does, and lets a test look at what has come.
package tracingtest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span that has come.
type Span struct {
	*tracepb.Span
	// Attributes are its attributes as text, by key, and Resource those of what it
	// comes from.
	Attributes, Resource map[string]string
}

// Collector takes spans until the test ends.
type Collector struct {
	// URL is its endpoint.
	URL string

	t       testing.TB
	mu      sync.Mutex
	spans   []Span
	raw     bytes.Buffer
	headers []http.Header
	answer  http.HandlerFunc
}

// Start runs a collector.
func Start(t testing.TB) *Collector {
	c := &Collector{t: t}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// Answer has requests answered in another way, and their spans not taken; nil for
// the usual one.
func (c *Collector) Answer(h http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = h
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	answer := c.answer
	c.headers = append(c.headers, r.Header.Clone())
	c.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	if err := c.take(r); err != nil {
		c.t.Errorf("the collector: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(nil) // an empty message is the whole answer
}

func (c *Collector) take(r *http.Request) error {
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(unzipped)
	if err != nil {
		return err
	}
	var message collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(data, &message); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(data)
	for _, resource := range message.GetResourceSpans() {
		from := map[string]string{}
		for _, a := range resource.GetResource().GetAttributes() {
			from[a.GetKey()] = a.GetValue().String()
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				attributes := map[string]string{}
				for _, a := range s.GetAttributes() {
					attributes[a.GetKey()] = a.GetValue().String()
				}
				c.spans = append(c.spans, Span{s, attributes, from})
			}
		}
	}
	return nil
}

// Spans are all that have come.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Raw is everything that has come, as it was sent.
func (c *Collector) Raw() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw.String()
}

// Headers are those of each request that has come.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.headers)
}

// Wait returns the spans once there is one with that name.
func (c *Collector) Wait(name string) []Span {
	c.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		spans := c.Spans()
		if slices.ContainsFunc(spans, func(s Span) bool { return s.GetName() == name }) {
			return spans
		}
	}
	c.t.Fatalf("no span %q has come, but %v", name, Names(c.Spans()))
	return nil
}

// Names are the names of spans.
func Names(spans []Span) []string {
	var names []string
	for _, s := range spans {
		names = append(names, s.GetName())
	}
	return names
}
