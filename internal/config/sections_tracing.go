package config

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"keymaker/internal/secret"
	"keymaker/internal/tracing"
)

// tracingOptions are the keys of [global.tracing].
var tracingOptions = []option{
	{
		key: "endpoint", sample: "http://127.0.0.1:4318",
		takes: text(func(d *draft) *string { return &d.config.Tracing.Endpoint }, checkPlainURL),
		doc:   "Where an OpenTelemetry collector takes OTLP over HTTP; /v1/traces is appended. Without it nothing is traced.",
	},
	{
		key: "headers", sample: "Authorization: Bearer a long random text",
		takes: take(aText, func(d *draft, v string) error { return readHeaders(d, secret.Text(v)) }),
		doc:   "What the collector is sent with each request, one header in a line. Over http, it may only be on a loopback host then.",
	},
	{
		key: "headers_file", inline: "headers", sample: "/etc/keymaker/collector_headers",
		takes: take(aText, func(d *draft, v string) error {
			t, err := readSecret(v)
			if err != nil {
				return err
			}
			return readHeaders(d, t)
		}),
		doc: "The same, read from a file.",
	},
	{
		key: "sample_one_in", fallback: int64(1),
		takes: number(1, 1_000_000, func(d *draft) *int { return &d.config.Tracing.OneIn }),
		doc:   "Of how many requests one is traced, chosen at random. 1: every one.",
	},
	{
		key: "accept_parent", fallback: false,
		takes: flag(func(d *draft) *bool { return &d.config.Tracing.AcceptParent }),
		doc: "Whether a request from trusted_proxies continues the trace that its traceparent header names, and is traced whenever that says so. " +
			"Only for proxies that write the header themselves: one that hands on what clients send lets anybody have everything traced.",
	},
	{
		key: "propagate_to", fallback: []string{tracing.Homeserver},
		takes: texts(func(d *draft) *[]string { return &d.config.Tracing.PropagateTo }, among(tracing.Homeserver, tracing.IdentityProviders)),
		doc:   "Who is told in a traceparent header to which trace a request of this server belongs: homeserver, identity_providers. [] is nobody.",
	},
}

// checkTracing looks at the table as a whole.
func checkTracing(r *reader, n *node, path string) {
	c := r.draft.config.Tracing
	if !c.Enabled() {
		for _, key := range []string{"headers", "headers_file", "sample_one_in", "accept_parent", "propagate_to"} {
			if n.has(key) && !n.has("endpoint") {
				r.warn(n.at(key), join(path, key), "has no effect without an endpoint")
			}
		}
		return
	}
	if u, err := parseURL(c.Endpoint); err == nil && !protected(u) && len(c.Headers) > 0 {
		r.problem(n.at("endpoint"), join(path, "endpoint"), refuse("is plain http, and the headers could be read on the way: use https, or a collector on a loopback host"))
	}
}

// ownHeaders are those that the server itself chooses.
var ownHeaders = map[string]bool{"Content-Type": true, "Content-Length": true, "Content-Encoding": true, "Host": true, "Transfer-Encoding": true, "Connection": true}

// readHeaders reads headers, one in a line. No error repeats any of them.
func readHeaders(d *draft, t secret.Text) error {
	headers := map[string]secret.Text{}
	for line := range strings.Lines(t.Reveal()) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok || !httpguts.ValidHeaderFieldName(name) || value == "" || !httpguts.ValidHeaderFieldValue(value):
			return refuse("is no list of headers: write each as Name: value, in a line of its own")
		case ownHeaders[name]:
			return refuse("has a header that the server writes itself")
		case headers[name] != "":
			return refuse("has a header twice")
		}
		headers[name] = secret.Text(value)
	}
	if len(headers) == 0 {
		return errEmpty
	}
	d.config.Tracing.Headers = headers
	return nil
}
