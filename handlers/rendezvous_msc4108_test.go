package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const msc4108Path = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous"

// unlimited lets a test begin many sessions.
func unlimited(o *harness.Options) { o.Global = "oidc_rc_per_second = 0" }

// plain sends a payload as MSC4108's clients do. Headers are name and value in
// turn.
func plain(e *harness.Env, method, path, body string, headers ...string) harness.Answer {
	e.T.Helper()
	header := map[string]string{"Origin": webOrigin}
	if method == http.MethodPost || method == http.MethodPut {
		header["Content-Type"] = "text/plain"
	}
	for i := 0; i < len(headers); i += 2 {
		header[headers[i]] = headers[i+1]
	}
	return e.Do(method, path, header, body)
}

// meet begins a session of MSC4108 and returns its path and its entity tag.
func meet(e *harness.Env, payload string) (path, etag string) {
	e.T.Helper()
	a := plain(e, http.MethodPost, msc4108Path, payload)
	expectStatus(e, a, http.StatusCreated)
	path, ok := strings.CutPrefix(a.Text("url"), strings.TrimSuffix(e.Issuer, "/"))
	if !ok || a.Header.Get("ETag") == "" {
		e.T.Fatalf("the answer is %s with %v", a.Body, a.Header)
	}
	return path, a.Header.Get("ETag")
}

// expectTagged wants the headers that MSC4108 asks of every answer about a
// payload.
func expectTagged(t *testing.T, a harness.Answer, changed, expires time.Time) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store, no-transform", "Pragma": "no-cache",
		"Last-Modified": changed.UTC().Format(http.TimeFormat), "Expires": expires.UTC().Format(http.TimeFormat),
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !regexp.MustCompile(`^"[!#-~]+"$`).MatchString(a.Header.Get("ETag")) {
		t.Errorf("ETag is %q", a.Header.Get("ETag"))
	}
}

// expectNone wants the answer about a session that is not there.
func expectNone(t *testing.T, a harness.Answer) {
	t.Helper()
	harness.ExpectMatrixError(t, a, http.StatusNotFound, "M_NOT_FOUND")
}

func TestMSC4108(t *testing.T) {
	const life = 10 * time.Minute
	tests := []struct {
		name string
		do   func(t *testing.T, e *harness.Env)
	}{
		{"G-30: a session begins with a URL on the public origin, and its headers", func(t *testing.T, e *harness.Env) {
			a := plain(e, http.MethodPost, msc4108Path, "", "Host", "evil.example", "X-Forwarded-Host", "evil.example")
			expectStatus(e, a, http.StatusCreated)
			expectTagged(t, a, e.Clock.Now(), e.Clock.Now().Add(life))
			if !regexp.MustCompile(`^`+regexp.QuoteMeta(e.URL+msc4108Path)+`/[A-Za-z0-9_-]{43}$`).MatchString(a.Text("url")) || a.Header.Get("Content-Type") != "application/json" {
				t.Errorf("the answer is %s with %v", a.Body, a.Header)
			}
		}},
		{"G-30: a payload is read as it was written, as plain text and nothing else", func(t *testing.T, e *harness.Env) {
			for _, payload := range []string{"", "Hello from A", "<html><script>alert(1)</script>", "\x00\xff\xfe\r\n", strings.Repeat("x", 4096)} {
				path, etag := meet(e, payload)
				a := plain(e, http.MethodGet, path, "")
				if a.Status != http.StatusOK || string(a.Body) != payload || a.Header.Get("ETag") != etag {
					t.Errorf("status %d, ETag %s, %q for %q", a.Status, a.Header.Get("ETag"), a.Body, payload)
				}
				// js-sdk compares the whole value.
				if a.Header.Get("Content-Type") != "text/plain" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("the headers are %v", a.Header)
				}
				expectTagged(t, a, e.Clock.Now(), e.Clock.Now().Add(life))
			}
		}},
		{"G-30: who has the payload gets 304 with its entity tag", func(t *testing.T, e *harness.Env) {
			path, etag := meet(e, "x")
			for _, names := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
				a := plain(e, http.MethodGet, path, "", "If-None-Match", names)
				if a.Status != http.StatusNotModified || len(a.Body) != 0 || a.Header.Get("ETag") != etag {
					t.Errorf("%s: status %d, ETag %q, %q", names, a.Status, a.Header.Get("ETag"), a.Body)
				}
				expectTagged(t, a, e.Clock.Now(), e.Clock.Now().Add(life))
			}
			if a := plain(e, http.MethodGet, path, "", "If-None-Match", `"other"`); a.Status != http.StatusOK {
				t.Errorf("another tag: status %d", a.Status)
			}
		}},
		{"G-30: a write that has seen the payload replaces it, and does not live longer", func(t *testing.T, e *harness.Env) {
			path, first := meet(e, "one")
			began := e.Clock.Now()
			e.Clock.Advance(time.Minute)
			a := plain(e, http.MethodPut, path, "two", "If-Match", first)
			second := a.Header.Get("ETag")
			if a.Status != http.StatusAccepted || second == first || len(a.Body) != 0 {
				t.Errorf("status %d, ETag %s after %s: %s", a.Status, second, first, a.Body)
			}
			expectTagged(t, a, e.Clock.Now(), began.Add(life))
			if a := plain(e, http.MethodGet, path, "", "If-None-Match", first); string(a.Body) != "two" || a.Header.Get("ETag") != second {
				t.Errorf("read: status %d, %q", a.Status, a.Body)
			}
			if a := plain(e, http.MethodPut, path, "two", "If-Match", second); a.Status != http.StatusAccepted || a.Header.Get("ETag") == second {
				t.Errorf("the same payload again: status %d, ETag %s", a.Status, a.Header.Get("ETag"))
			}
		}},
		{"G-30: a write that has not seen it is refused, and told what is there", func(t *testing.T, e *harness.Env) {
			path, first := meet(e, "one")
			second := plain(e, http.MethodPut, path, "two", "If-Match", first).Header.Get("ETag")
			for _, name := range []string{first, `"nonsense"`, `""`, `"02"`, `"99999999999999999999"`} {
				a := plain(e, http.MethodPut, path, "three", "If-Match", name)
				if a.Status != http.StatusPreconditionFailed || a.Text("errcode") != "M_UNKNOWN" || a.Text("org.matrix.msc4108.errcode") != "M_CONCURRENT_WRITE" ||
					a.Header.Get("ETag") != second {
					t.Errorf("%s: status %d, ETag %q: %s", name, a.Status, a.Header.Get("ETag"), a.Body)
				}
				expectTagged(t, a, e.Clock.Now(), e.Clock.Now().Add(life))
			}
			if a := plain(e, http.MethodGet, path, ""); string(a.Body) != "two" {
				t.Errorf("the payload is %q", a.Body)
			}
		}},
		{"G-30: an ended session is gone", func(t *testing.T, e *harness.Env) {
			path, etag := meet(e, "x")
			if a := plain(e, http.MethodDelete, path, ""); a.Status != http.StatusNoContent || len(a.Body) != 0 {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
			expectNone(t, plain(e, http.MethodDelete, path, ""))
			expectNone(t, plain(e, http.MethodGet, path, ""))
			expectNone(t, plain(e, http.MethodPut, path, "y", "If-Match", etag))
		}},
		{"G-30: a session ends after ten minutes", func(t *testing.T, e *harness.Env) {
			path, etag := meet(e, "x")
			e.Clock.Advance(life - time.Second)
			expectStatus(e, plain(e, http.MethodGet, path, ""), http.StatusOK)
			e.Clock.Advance(time.Second)
			expectNone(t, plain(e, http.MethodGet, path, ""))
			expectNone(t, plain(e, http.MethodPut, path, "y", "If-Match", etag))
			expectNone(t, plain(e, http.MethodDelete, path, ""))
		}},
		{"G-30: of a hundred writes at once one counts", func(t *testing.T, e *harness.Env) {
			path, etag := meet(e, "x")
			statuses := make([]int, 100)
			var writes sync.WaitGroup
			for i := range statuses {
				writes.Go(func() {
					a, _ := e.Try(http.MethodPut, path, map[string]string{"Content-Type": "text/plain", "If-Match": etag}, fmt.Sprint(i))
					statuses[i] = a.Status
				})
			}
			writes.Wait()
			counts, winner := map[int]int{}, -1
			for i, status := range statuses {
				counts[status]++
				if status == http.StatusAccepted {
					winner = i
				}
			}
			if counts[http.StatusAccepted] != 1 || counts[http.StatusPreconditionFailed] != 99 {
				t.Errorf("the statuses are %v", counts)
			}
			if a := plain(e, http.MethodGet, path, ""); string(a.Body) != fmt.Sprint(winner) {
				t.Errorf("the payload is %q, the winner %d", a.Body, winner)
			}
		}},
	}
	onEach(t, func(t *testing.T, e *harness.Env) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) { tt.do(t, e.For(t)) })
		}
	})
}

func TestMSC4108Refusals(t *testing.T) {
	e := harness.Start(t, unlimited)
	path, etag := meet(e, "mine")
	tooLarge := strings.Repeat("x", 4097)
	tests := []struct {
		name         string
		method, path string
		body         string
		headers      []string
		status       int
		code         string
	}{
		{"a payload beyond 4 KiB to begin with", http.MethodPost, msc4108Path, tooLarge, nil, 413, "M_TOO_LARGE"},
		{"a payload beyond 4 KiB", http.MethodPut, path, tooLarge, []string{"If-Match", etag}, 413, "M_TOO_LARGE"},
		{"a megabyte", http.MethodPost, msc4108Path, strings.Repeat("x", 1<<20), nil, 413, "M_TOO_LARGE"},
		{"HTML", http.MethodPost, msc4108Path, "<p>", []string{"Content-Type", "text/html"}, 400, "M_INVALID_PARAM"},
		{"JSON", http.MethodPost, msc4108Path, "{}", []string{"Content-Type", "application/json"}, 400, "M_INVALID_PARAM"},
		{"no Content-Type", http.MethodPost, msc4108Path, "x", []string{"Content-Type", ""}, 400, "M_MISSING_PARAM"},
		{"a broken Content-Type", http.MethodPost, msc4108Path, "x", []string{"Content-Type", "text/plain; ="}, 400, "M_INVALID_PARAM"},
		{"a write of HTML", http.MethodPut, path, "<p>", []string{"Content-Type", "text/html", "If-Match", etag}, 400, "M_INVALID_PARAM"},
		{"a write without If-Match", http.MethodPut, path, "x", nil, 400, "M_MISSING_PARAM"},
		{"a write whatever is there", http.MethodPut, path, "x", []string{"If-Match", "*"}, 400, "M_INVALID_PARAM"},
		{"a write with a weak tag", http.MethodPut, path, "x", []string{"If-Match", "W/" + etag}, 400, "M_INVALID_PARAM"},
		{"a write with two tags", http.MethodPut, path, "x", []string{"If-Match", etag + `, "2"`}, 400, "M_INVALID_PARAM"},
		{"a write with a bare tag", http.MethodPut, path, "x", []string{"If-Match", strings.Trim(etag, `"`)}, 400, "M_INVALID_PARAM"},
		{"a session that nobody began", http.MethodGet, msc4108Path + "/" + strings.Repeat("A", 43), "", nil, 404, "M_NOT_FOUND"},
		{"an id with a NUL", http.MethodGet, msc4108Path + "/%00", "", nil, 400, "M_INVALID_PARAM"},
		{"no id", http.MethodGet, msc4108Path + "/", "", nil, 404, "M_UNRECOGNIZED"},
		{"a path below a session", http.MethodGet, path + "/x", "", nil, 404, "M_UNRECOGNIZED"},
		{"another method", http.MethodPatch, path, "", nil, 405, "M_UNRECOGNIZED"},
		{"a session of the other proposal's", http.MethodGet, strings.Replace(path, "org.matrix.msc4108", "io.element.msc4388", 1), "", nil, 404, "M_NOT_FOUND"},
		{"a navigation to a payload", http.MethodGet, path, "", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403, "M_FORBIDDEN"},
	}
	for _, tt := range tests {
		t.Run("G-30: "+tt.name+" is refused", func(t *testing.T) {
			e := e.For(t)
			harness.ExpectMatrixError(t, plain(e, tt.method, tt.path, tt.body, tt.headers...), tt.status, tt.code)
			if a := plain(e, http.MethodGet, path, ""); string(a.Body) != "mine" || a.Header.Get("ETag") != etag {
				t.Errorf("afterwards the payload is %q with %s", a.Body, a.Header.Get("ETag"))
			}
		})
	}
	t.Run("G-30: a body of unknown length is refused", func(t *testing.T) {
		e := e.For(t)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+msc4108Path, struct{ io.Reader }{strings.NewReader("x")})
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/plain")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "M_MISSING_PARAM") {
			t.Errorf("status %d, %v: %s", response.StatusCode, err, body)
		}
	})
	t.Run("G-30: a parameter of the Content-Type does no harm", func(t *testing.T) {
		expectStatus(e.For(t), plain(e, http.MethodPost, msc4108Path, "x", "Content-Type", "Text/Plain; charset=UTF-8"), http.StatusCreated)
	})
	t.Run("no payload and no id is in the log (L-18)", func(t *testing.T) {
		log := e.Log.String()
		for _, hidden := range []string{`"mine"`, path[strings.LastIndex(path, "/")+1:]} {
			if strings.Contains(log, hidden) {
				t.Errorf("the log has %s", hidden)
			}
		}
	})
}

func TestMSC4108CORS(t *testing.T) {
	e := harness.Start(t)
	path, etag := meet(e, "x")
	expect := func(t *testing.T, a harness.Answer) {
		t.Helper()
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS", "Access-Control-Expose-Headers": "ETag",
			"Access-Control-Allow-Headers": "X-Requested-With, Content-Type, Authorization, If-Match, If-None-Match",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		expectNoCredentials(t, a)
	}
	requests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
	}{
		{"the beginning", http.MethodPost, msc4108Path, "x", nil, 201},
		{"a read", http.MethodGet, path, "", nil, 200},
		{"a read of what is known", http.MethodGet, path, "", []string{"If-None-Match", etag}, 304},
		{"a write that comes too late", http.MethodPut, path, "y", []string{"If-Match", `"other"`}, 412},
		{"a write without If-Match", http.MethodPut, path, "y", nil, 400},
		{"a payload too large", http.MethodPost, msc4108Path, strings.Repeat("x", 5000), nil, 413},
		{"a session that is not there", http.MethodGet, msc4108Path + "/nothing", "", nil, 404},
		{"another method", http.MethodPatch, path, "", nil, 405},
		{"an end", http.MethodDelete, path, "", nil, 204},
	}
	for _, r := range requests {
		t.Run("A-38: every origin can read the answer to "+r.name+", and its entity tag", func(t *testing.T) {
			e := e.For(t)
			a := plain(e, r.method, r.path, r.body, r.headers...)
			expectStatus(e, a, r.status)
			expect(t, a)
		})
	}
	for _, path := range []string{msc4108Path, path, msc4108Path + "/nothing"} {
		t.Run("A-38: the preflight of "+harmlessPath(path)+" allows the conditional headers", func(t *testing.T) {
			e := e.For(t)
			a := e.Do(http.MethodOptions, path, map[string]string{"Origin": webOrigin, "Access-Control-Request-Method": http.MethodPut,
				"Access-Control-Request-Headers": "content-type,if-match"}, "")
			expectStatus(e, a, http.StatusNoContent)
			expect(t, a)
		})
	}
}

// harmlessPath is a path in the name of a test, which must not change with each
// run.
func harmlessPath(path string) string {
	return regexp.MustCompile(`/[A-Za-z0-9_-]{43}$`).ReplaceAllString(path, "/{id}")
}

func TestRendezvousLimits(t *testing.T) {
	t.Run("G-30 G-31: who begins too many at once is told to wait", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 1\noidc_rc_burst_count = 2" })
		path, _ := meet(e, "x")
		begin4388(e, "x")
		for _, a := range []harness.Answer{plain(e, http.MethodPost, msc4108Path, "x"), e.Do(http.MethodPost, msc4388Path, jsonType, `{"data":"x"}`)} {
			harness.ExpectMatrixError(t, a, http.StatusTooManyRequests, "M_LIMIT_EXCEEDED")
			if a.Header.Get("Retry-After") == "" || a.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("the headers are %v", a.Header)
			}
		}
		for range 20 { // polling is not limited
			expectStatus(e, plain(e, http.MethodGet, path, ""), http.StatusOK)
		}
	})
	t.Run("G-30 G-31: an address has only so many sessions, and another one its own", func(t *testing.T) {
		e := harness.Start(t, unlimited)
		from := func(address string) harness.Answer {
			return plain(e, http.MethodPost, msc4108Path, "x", "X-Forwarded-For", address)
		}
		for range 50 {
			expectStatus(e, from("2001:db8::1"), http.StatusCreated)
		}
		for _, same := range []string{"2001:db8::1", "2001:db8::ffff:1"} { // one /64
			harness.ExpectMatrixError(t, from(same), http.StatusTooManyRequests, "M_LIMIT_EXCEEDED")
		}
		expectStatus(e, from("2001:db8:0:1::1"), http.StatusCreated)
		e.Clock.Advance(10 * time.Minute)
		expectStatus(e, from("2001:db8::1"), http.StatusCreated)
	})
	t.Run("G-30 G-31: switched off there is no such endpoint, and versions says so", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "rendezvous = false" })
		harness.ExpectMatrixError(t, plain(e, http.MethodPost, msc4108Path, "x"), http.StatusNotFound, "M_UNRECOGNIZED")
		harness.ExpectMatrixError(t, e.Get(msc4388Path), http.StatusNotFound, "M_UNRECOGNIZED")
		flags, _ := e.Get("/_matrix/client/versions").JSON()["unstable_features"].(map[string]any)
		if on, ok := flags["org.matrix.msc4108"]; !ok || on != false {
			t.Errorf("the flag is %v", on)
		}
	})
	t.Run("A-14 G-30: versions names the proposal", func(t *testing.T) {
		flags, _ := harness.Start(t).For(t).Get("/_matrix/client/versions").JSON()["unstable_features"].(map[string]any)
		if flags["org.matrix.msc4108"] != true {
			t.Errorf("the flags are %v", flags)
		}
	})
}
