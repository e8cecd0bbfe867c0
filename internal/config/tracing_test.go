package config_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/secret"
	"keymaker/internal/tracing"
)

func TestTracing(t *testing.T) {
	const table = good + "[global.tracing]\n"
	usual := []string{tracing.Homeserver}
	tests := []struct {
		name, text string
		want       tracing.Config
	}{
		{"without the table nothing is traced", good, tracing.Config{OneIn: 1, PropagateTo: usual}},
		{"an endpoint is enough", table + `endpoint = "http://collector:4318"`, tracing.Config{Endpoint: "http://collector:4318", OneIn: 1, PropagateTo: usual}},
		{"everything can be set", table + "endpoint = \"https://collector.example/otlp\"\nheaders = \"\"\"\nauthorization: Bearer a:b\n\nX-Tenant:1\n\"\"\"\nsample_one_in = 50\naccept_parent = true\npropagate_to = [\"identity_providers\", \"homeserver\"]",
			tracing.Config{Endpoint: "https://collector.example/otlp", Headers: map[string]secret.Text{"Authorization": "Bearer a:b", "X-Tenant": "1"}, OneIn: 50, AcceptParent: true,
				PropagateTo: []string{tracing.IdentityProviders, tracing.Homeserver}}},
		{"nobody may be told", table + "endpoint = \"http://[::1]:4318\"\npropagate_to = []\nheaders = \"A: b\"",
			tracing.Config{Endpoint: "http://[::1]:4318", Headers: map[string]secret.Text{"A": "b"}, OneIn: 1, PropagateTo: []string{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustParse(t, tt.text)
			// cmp would print what it compares.
			same := maps.Equal(tt.want.Headers, c.Tracing.Headers)
			tt.want.Headers, c.Tracing.Headers = nil, nil
			if diff := cmp.Diff(tt.want, c.Tracing); diff != "" || !same {
				t.Errorf("headers as wanted: %t; -want +got\n%s", same, diff)
			}
		})
	}
	t.Run("the headers can stand in a file", func(t *testing.T) {
		t.Chdir(t.TempDir())
		write(t, "headers", "Authorization: Bearer abc\n")
		c, err := parseHere(table + "endpoint = \"http://127.0.0.1:4318\"\nheaders_file = \"headers\"")
		if err != nil || c.Tracing.Headers["Authorization"].Reveal() != "Bearer abc" {
			t.Errorf("error %v, or another header", err)
		}
	})
	t.Run("and everything in the environment", func(t *testing.T) {
		c, err := parse(t, good, "KEYMAKER_GLOBAL__TRACING__ENDPOINT=http://127.0.0.1:4318", "KEYMAKER_GLOBAL__TRACING__HEADERS=A: b",
			"KEYMAKER_GLOBAL__TRACING__SAMPLE_ONE_IN=7", `KEYMAKER_GLOBAL__TRACING__PROPAGATE_TO=[]`)
		if err != nil || c.Tracing.Endpoint != "http://127.0.0.1:4318" || c.Tracing.Headers["A"] != "b" || c.Tracing.OneIn != 7 || len(c.Tracing.PropagateTo) != 0 {
			t.Errorf("error %v, or something else", err)
		}
	})
	t.Run("what stands without an endpoint is warned of", func(t *testing.T) {
		c := mustParse(t, table+"sample_one_in = 5")
		if !slices.ContainsFunc(c.Warnings, func(w string) bool {
			return strings.Contains(w, "tracing.sample_one_in") && strings.Contains(w, "no effect")
		}) {
			t.Errorf("%q", c.Warnings)
		}
	})
}

func TestTracingThatCannotBe(t *testing.T) {
	const local = "endpoint = \"http://127.0.0.1:4318\"\n"
	for text, want := range map[string]string{
		`endpoint = "127.0.0.1:4318"`:                               "global.tracing.endpoint: is not a URL",
		`endpoint = "grpc://127.0.0.1:4317"`:                        "global.tracing.endpoint: is not a URL",
		`endpoint = "http://user:hunter2@127.0.0.1"`:                "must not have a user name or a password",
		`endpoint = "http://127.0.0.1:4318?key=hunter2"`:            "must not have a query",
		"endpoint = \"http://collector\"\nheaders = \"A: hunter2\"": "global.tracing.endpoint: is plain http, and the headers could be read on the way",
		local + `headers = "hunter2"`:                               "global.tracing.headers: is no list of headers",
		local + `headers = "A B: hunter2"`:                          "is no list of headers",
		local + `headers = "A: hunter2\u0001"`:                      "is no list of headers",
		local + `headers = "A:"`:                                    "is no list of headers",
		local + `headers = "\n"`:                                    "is empty",
		local + `headers = "content-type: hunter2"`:                 "has a header that the server writes itself",
		local + `headers = "A: hunter2\na: hunter2"`:                "has a header twice",
		local + `headers_file = "hunter2"`:                          "global.tracing.headers_file: the file cannot be read",
		local + `headers = { A = "hunter2" }`:                       "must be a string",
		local + `sample_one_in = 0`:                                 "0 is not between 1 and 1000000",
		local + `sample_one_in = 0.5`:                               "must be a whole number",
		local + `accept_parent = "yes"`:                             "must be true or false",
		local + `propagate_to = ["identity_provider"]`:              `did you mean "identity_providers"?`,
		local + `sample_ratio = 1`:                                  "unknown key",
	} {
		_, err := parse(t, good+"[global.tracing]\n"+text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
