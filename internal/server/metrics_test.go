package server_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
	"keymaker/internal/server"
	"keymaker/store"
	"keymaker/templates"
)

// ask asks the server what programs ask that watch it.
func ask(s *server.Server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Monitoring().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// scrape returns every series with its value.
func scrape(t *testing.T, s *server.Server) map[string]float64 {
	t.Helper()
	w := ask(s, "/metrics")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	series := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndex(line, " ")
		value, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		series[line[:i]] = value
	}
	return series
}

func TestMetrics(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 1\noidc_rc_burst_count = 20\n" })
	tokens := e.LogIn("alice", "METRICS")
	next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
	e.MustRefresh(tokens.ClientID, tokens.Refresh)
	e.Introspect(next.Access)
	e.Introspect("kma_unknown")
	e.Do(http.MethodPost, "/_tuwunel/oidc/introspect", nil, "")
	e.WhoAmI(next.Access)
	e.Clock.Advance(time.Minute)
	e.Refresh(tokens.ClientID, tokens.Refresh)
	e.Refresh(tokens.ClientID, "kmr_made_up")
	legacy := e.LogInLegacy("bob", "LEGACY")
	legacyRefresh := func() {
		e.Do(http.MethodPost, "/_matrix/client/v3/refresh", nil, `{"refresh_token":"`+legacy.Refresh+`"}`)
	}
	legacyRefresh()
	legacyRefresh()
	e.Get("/somewhere/kma_secret")
	for range 40 {
		e.Get("/_tuwunel/oidc/authorize")
	}
	if err := e.Server.TurnKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Server.LookAtProviders(t.Context(), map[string]bool{})
	got := scrape(t, e.Server)
	for series, want := range map[string]float64{
		`keymaker_logins_total{outcome="ok",provider="keymaker",purpose="begin"}`:      2,
		`keymaker_logins_total{outcome="ok",provider="keymaker",purpose="sign_in"}`:    2,
		`keymaker_refreshes_total{api="oauth",outcome="fresh"}`:                        1,
		`keymaker_refreshes_total{api="oauth",outcome="replayed"}`:                     1,
		`keymaker_refreshes_total{api="oauth",outcome="reused"}`:                       1,
		`keymaker_refreshes_total{api="oauth",outcome="unknown"}`:                      1,
		`keymaker_refreshes_total{api="legacy",outcome="fresh"}`:                       1,
		`keymaker_refreshes_total{api="legacy",outcome="replayed"}`:                    1,
		`keymaker_token_requests_total{grant="authorization_code",outcome="ok"}`:       1,
		`keymaker_token_requests_total{grant="refresh_token",outcome="ok"}`:            2,
		`keymaker_token_requests_total{grant="refresh_token",outcome="invalid_grant"}`: 2,
		`keymaker_token_requests_total{grant="m.login.token",outcome="ok"}`:            1,
		`keymaker_introspection_duration_seconds_count{outcome="active"}`:              1,
		`keymaker_introspection_duration_seconds_count{outcome="inactive"}`:            1,
		`keymaker_introspection_duration_seconds_count{outcome="refused"}`:             1,
		`keymaker_http_requests_total{code="2xx",route="/_tuwunel/oidc/token"}`:        3,
		`keymaker_http_requests_total{code="4xx",route="none"}`:                        1,
		`keymaker_provider_up{provider="keymaker"}`:                                    1,
		`keymaker_database_up`: 1,
		`keymaker_signing_key_age_seconds{alg="ES256",state="active"}`: 60,
	} {
		if value, there := got[series]; !there || value != want {
			t.Errorf("%s is %v (there: %v), want %v", series, value, there, want)
		}
	}
	for _, series := range []string{
		`keymaker_limited_requests_total{limit="address"}`, `keymaker_database_duration_seconds_count{operation="read"}`,
		`keymaker_database_duration_seconds_count{operation="write"}`, `keymaker_database_duration_seconds_count{operation="transaction"}`,
		`keymaker_database_connections{pool="reader",state="idle"}`, "go_goroutines", "process_start_time_seconds",
	} {
		if got[series] <= 0 {
			t.Errorf("%s is %v", series, got[series])
		}
	}
	t.Run("no label names what a client, a person or a network has chosen", func(t *testing.T) {
		for series := range got {
			for _, chosen := range []string{"kma_", "kmr_", "alice", "bob", "METRICS", "LEGACY", "127.0.0.1", tokens.ClientID, "somewhere"} {
				if strings.Contains(series, chosen) {
					t.Errorf("%s has %s", series, chosen)
				}
			}
		}
	})
}

func TestMetricsOfWhatFails(t *testing.T) {
	var down atomic.Bool
	e := harness.Start(t, func(o *harness.Options) {
		o.IDP = func(p *demoidptest.Options) {
			p.Wrap = func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if down.Load() {
						w.WriteHeader(http.StatusBadGateway)
						return
					}
					next.ServeHTTP(w, r)
				})
			}
		}
	})
	known := map[string]bool{}
	e.Server.LookAtProviders(t.Context(), known)
	down.Store(true)
	e.Server.LookAtProviders(t.Context(), known)
	e.Server.LookAtProviders(t.Context(), known)
	if up := scrape(t, e.Server)[`keymaker_provider_up{provider="keymaker"}`]; up != 0 {
		t.Errorf("the provider that is down is shown as %v", up)
	}
	if n := strings.Count(e.Log.String(), "the identity provider does not answer"); n != 1 {
		t.Errorf("the log says so %d times", n)
	}
	e.Clock.Advance(100 * 24 * time.Hour)
	if age := scrape(t, e.Server)[`keymaker_signing_key_age_seconds{alg="ES256",state="active"}`]; age != (100 * 24 * time.Hour).Seconds() {
		t.Errorf("the key is %v seconds old", age)
	}
}

// The document's table lists what there is, and all of it.
func TestTheDocumentListsEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(keymaker_[a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = true
	}
	exposed := exposedNames(t)
	for name := range exposed {
		if strings.HasPrefix(name, "keymaker_") && !documented[name] {
			t.Errorf("docs/monitoring.md does not list %s", name)
		}
	}
	for name := range documented {
		if !exposed[name] {
			t.Errorf("docs/monitoring.md lists %s, which is not there", name)
		}
	}
}

// exposedNames are the names of all metrics that the server has.
func exposedNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for line := range strings.Lines(ask(busyServer(t), "/metrics").Body.String()) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[1] == "TYPE" {
			names[fields[2]] = true
		}
	}
	return names
}

// busyServer is a server to which everything has happened that is counted.
func busyServer(t *testing.T) *server.Server {
	t.Helper()
	e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 1\noidc_rc_burst_count = 9\n" })
	tokens := e.LogIn("alice", "NAMES")
	next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
	e.Introspect(next.Access)
	e.Do(http.MethodPost, "/_tuwunel/oidc/introspect", nil, "")
	e.Clock.Advance(time.Minute)
	e.Refresh(tokens.ClientID, tokens.Refresh)
	for range 20 {
		e.Get("/_tuwunel/oidc/authorize")
	}
	if err := e.Server.TurnKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Server.LookAtProviders(t.Context(), map[string]bool{})
	leave := func() {
		if _, err := e.Server.Store().AddJob(t.Context(), store.NewJob{Kind: store.JobPicture, Payload: "unreadable"}); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	if _, err := e.Server.RunJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	leave()
	unheardOf(e)
	return e.Server
}

// unheardOf counts what takes an outage, a crowd or a failing provider.
func unheardOf(e *harness.Env) {
	m := e.Server.Metrics()
	m.Refresh("oauth", "unavailable")
	m.Login("keymaker", "sign_in", string(templates.ReasonProviderInvalid))
	m.Job(store.JobPicture, "given_up")
	m.Limited("busy")
}

func TestHealthSaysWhy(t *testing.T) {
	e := harness.Start(t)
	for _, path := range []string{"/livez", "/readyz"} {
		if w := ask(e.Server, path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"status":"ok"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if err := e.Server.Store().Close(); err != nil {
		t.Fatal(err)
	}
	w := ask(e.Server, "/readyz")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"database":"ping: `) {
		t.Errorf("the private listener: %d %s", w.Code, w.Body)
	}
	if a := e.Get("/readyz"); a.Status != http.StatusServiceUnavailable || string(a.Body) != `{"status":"unavailable","checks":{"database":"failed","signing_keys":"ok"}}`+"\n" {
		t.Errorf("the public one: %d %s", a.Status, a.Body)
	}
	if w := ask(e.Server, "/livez"); w.Code != http.StatusOK {
		t.Errorf("without a database the process is not alive: %d", w.Code)
	}
	if up := scrape(t, e.Server)["keymaker_database_up"]; up != 0 {
		t.Errorf("the database is shown as %v", up)
	}
}

func TestOnlyTheSocketHasProfilesAndAdministration(t *testing.T) {
	s := startAlone(t, "")
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/metrics", "/readyz"} {
		w := httptest.NewRecorder()
		s.Private().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s on the socket: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/admin/v1/list-users"} {
		if w := ask(s, path); w.Code != http.StatusNotFound {
			t.Errorf("%s for Prometheus: %d", path, w.Code)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s for everybody: %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("/metrics for everybody: %d", w.Code)
	}
}
