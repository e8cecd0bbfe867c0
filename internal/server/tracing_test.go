package server_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/fakesynapse"
	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/internal/tracing/tracingtest"
)

// parents are the traceparent headers that somebody is sent.
type parents struct {
	mu   sync.Mutex
	sent []string
	next http.RoundTripper
}

func (p *parents) note(h http.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, h.Get("Traceparent"))
}

func (p *parents) RoundTrip(r *http.Request) (*http.Response, error) {
	p.note(r.Header)
	return p.next.RoundTrip(r)
}

// traced is a server behind a homeserver that traces everything, and what was
// sent to others.
func traced(t *testing.T, lines string) (e *harness.Env, c *tracingtest.Collector, home, idp *parents) {
	t.Helper()
	c, home, idp = tracingtest.Start(t), &parents{}, &parents{next: http.DefaultTransport}
	synapse := fakesynapse.New(clock.System{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		home.note(r.Header)
		synapse.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	e = harness.Start(t, func(o *harness.Options) {
		o.HTTPClient = &http.Client{Transport: idp}
		o.Homeserver = "kind = \"synapse\"\nendpoint = \"" + s.URL + "\""
		o.Extra = "[global.tracing]\nendpoint = \"" + c.URL + "\"\nheaders = \"X-Collector: collector-secret\"\n" + lines
	})
	synapse.Delegate(e.URL, secret.Text(harness.HomeserverSecret))
	return e, c, home, idp
}

// A whole login, a refresh, and what strangers send.
func TestTracesOfALoginAndARefresh(t *testing.T) {
	e, c, home, idp := traced(t, "")
	tokens := e.LogIn("alice", "TRACEDDEVICE")
	next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
	legacy := e.LogInLegacy("bob", "TRACEDLEGACY")
	e.Introspect(next.Access)
	e.As(next.Access, http.MethodGet, "/_tuwunel/oidc/userinfo", "")
	e.Get("/livez")
	e.Get("/somewhere/stranger-path?q=stranger-query")
	e.Do(http.MethodGet, "/_matrix/client/v3/login/sso/redirect/stranger-provider?redirectUrl=https://stranger.example", map[string]string{
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate": "stranger=1", "X-Forwarded-For": "192.0.2.77", "Cookie": "stranger=cookie", "User-Agent": "stranger-agent"}, "")
	e.Do("STRANGER", "/_tuwunel/oidc/token", nil, "")
	if _, err := e.Server.RunJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Restart() // which sends what there is
	spans := c.Spans()
	names := tracingtest.Names(spans)
	for _, want := range []string{
		"POST /_tuwunel/oidc/token", "POST /_tuwunel/oidc/registration", "GET /_tuwunel/oidc/authorize", "POST /_tuwunel/oidc/_complete", "POST /oauth2/introspect",
		"GET /_matrix/client/{version}/login/sso/callback/{provider}", "GET /_matrix/client/{version}/login/sso/redirect/{idp}", "GET", "* /_tuwunel/oidc/token", "GET /_tuwunel/oidc/userinfo",
		"database transaction", "database select", "database insert", "database update", "identity provider GET", "identity provider POST",
		"homeserver provision_user", "homeserver upsert_device", "job homeserver",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no %q", want)
		}
	}
	t.Run("health is not traced", func(t *testing.T) {
		if slices.Contains(names, "GET /livez") {
			t.Error("it is")
		}
	})
	t.Run("nothing that was sent, read or answered is in them", func(t *testing.T) {
		all := c.Raw()
		for _, secret := range []string{
			tokens.Access, tokens.Refresh, tokens.IDToken, next.Access, next.Refresh, legacy.Access, legacy.Refresh, tokens.ClientID, harness.HomeserverSecret, e.IDP.ClientSecret, "collector-secret",
			"alice", "bob", "Alice", "example.com", "TRACED", "kma_", "kmr_", "127.0.0.1", "192.0.2.77", "[::1]", "stranger", "STRANGER", "0af7651916cd43dd8448eb211c80319c", "SELECT", "INSERT",
			"code=", "state=", "secret_file", "http://", "https://", "urn:matrix",
		} {
			if secret != "" && strings.Contains(all, secret) {
				t.Errorf("%q is in the spans", secret)
			}
		}
	})
	t.Run("whatever they say is from a list", func(t *testing.T) {
		known := regexp.MustCompile(`^(http\.(request\.method|route|response\.status_code)|keymaker\.(request_id|job\.attempt)|db\.(operation\.name|collection\.name|system\.name)|peer\.service|error\.type)$`)
		for _, s := range spans {
			if s.GetStatus().GetMessage() != "" || len(s.GetEvents())+len(s.GetLinks()) > 0 || s.GetTraceState() != "" {
				t.Errorf("%s says %v", s.GetName(), s)
			}
			for key := range s.Attributes {
				if !known.MatchString(key) {
					t.Errorf("%s has %s", s.GetName(), key)
				}
			}
		}
	})
	t.Run("the homeserver is told of the trace, and nobody else", func(t *testing.T) {
		if len(home.sent) == 0 || slices.Contains(home.sent, "") {
			t.Errorf("the homeserver was told %q", home.sent)
		}
		if slices.ContainsFunc(idp.sent, func(sent string) bool { return sent != "" }) || len(idp.sent) == 0 {
			t.Errorf("the identity provider was told %q", idp.sent)
		}
	})
	t.Run("the parts of a request are those of its trace", func(t *testing.T) {
		for _, s := range spans {
			if s.GetName() == "database transaction" && len(s.GetParentSpanId()) == 0 {
				t.Error("a transaction is a trace of its own")
			}
		}
	})
	t.Run("the log says to which trace a line belongs", func(t *testing.T) {
		if !regexp.MustCompile(`"msg":"request".*"path":"/_tuwunel/oidc/token".*"trace_id":"[0-9a-f]{32}"`).MatchString(e.Log.String()) {
			t.Error("it does not")
		}
	})
}

func TestTracingFollowsAReload(t *testing.T) {
	c := tracingtest.Start(t)
	e := harness.Start(t)
	e.Get("/.well-known/openid-configuration")
	before := e.Config
	e.Config = before + "[global.tracing]\nendpoint = \"" + c.URL + "\"\n"
	if err := e.Server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Get("/_tuwunel/oidc/jwks")
	e.Config = before + "[global.tracing]\nendpoint = \"no URL\"\n"
	if err := e.Server.Reload(t.Context()); err == nil {
		t.Error("no URL is taken for one")
	}
	e.Get("/_matrix/client/v3/login")
	e.Config = before
	if err := e.Server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Get("/.well-known/matrix/client")
	c.Wait("GET /_tuwunel/oidc/jwks")
	names := tracingtest.Names(c.Spans())
	if !slices.Contains(names, "GET /_matrix/client/{version}/login") || slices.Contains(names, "GET /.well-known/openid-configuration") || slices.Contains(names, "GET /.well-known/matrix/client") {
		t.Errorf("%q", names)
	}
	sent := func() float64 { return scrape(t, e.Server)[`keymaker_trace_spans_total{outcome="sent"}`] }
	for end := time.Now().Add(10 * time.Second); sent() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) { // they are counted when the collector has answered
			t.Fatalf("%v spans were sent", sent())
		}
	}
}

// A collector that is away makes nothing unready, and nobody wait.
func TestServerWithoutItsCollector(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Extra = "[global.tracing]\nendpoint = \"http://127.0.0.1:1\"\n" })
	tokens := e.LogIn("alice", "ALONE")
	e.MustRefresh(tokens.ClientID, tokens.Refresh)
	if w := ask(e.Server, "/readyz"); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
