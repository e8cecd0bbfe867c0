package handlers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// The benchmarks speak HTTP over loopback to the real server on SQLite with
// synchronous=FULL, so the time of a client is in every figure. BenchmarkFloor
// is what the same client gets from a handler that does nothing.

func bench(b *testing.B) *harness.Env {
	b.Helper()
	return harness.Start(b, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 0\nlog_level = \"warn\"" })
}

// exchange sends one request and wants one status back.
func exchange(b *testing.B, c *http.Client, r *http.Request, want int) []byte {
	b.Helper()
	response, err := c.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != want {
		b.Fatalf("status %d, want %d: %v %s", response.StatusCode, want, err, body)
	}
	return body
}

func request(b *testing.B, method, target, contentType, body string) *http.Request {
	b.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

const form = "application/x-www-form-urlencoded"

func BenchmarkFloor(b *testing.B) {
	e := bench(b)
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, http.DefaultClient, request(b, http.MethodGet, e.URL+"/livez", "", ""), http.StatusOK)
	}
}

func BenchmarkDiscovery(b *testing.B) {
	e := bench(b)
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, http.DefaultClient, request(b, http.MethodGet, e.URL+"/.well-known/openid-configuration", "", ""), http.StatusOK)
	}
}

func BenchmarkRegistration(b *testing.B) {
	e := bench(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		body := strings.Replace(harness.WebClient, "My App", fmt.Sprintf("My App %d", n), 1)
		exchange(b, http.DefaultClient, request(b, http.MethodPost, e.URL+"/_tuwunel/oidc/registration", "application/json", body), http.StatusCreated)
	}
}

func BenchmarkCodeExchange(b *testing.B) {
	e := bench(b)
	id, _ := e.Register(harness.WebClient)
	browser := e.NewBrowser()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		r := e.NewRequest(id, fmt.Sprintf("%sDEVICE%06d", harness.ScopeStable, n))
		code := browser.Approve(r, "alice").Get("code")
		values := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {harness.WebRedirect}, "client_id": {id}, "code_verifier": {r.Verifier}}
		b.StartTimer()
		exchange(b, http.DefaultClient, request(b, http.MethodPost, e.URL+"/_tuwunel/oidc/token", form, values.Encode()), http.StatusOK)
	}
}

func BenchmarkRefresh(b *testing.B) {
	e := bench(b)
	tokens := e.LogIn("alice", "BENCHDEVICE")
	refresh := tokens.Refresh
	b.ReportAllocs()
	for b.Loop() {
		values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {tokens.ClientID}}
		body := exchange(b, http.DefaultClient, request(b, http.MethodPost, e.URL+"/_tuwunel/oidc/token", form, values.Encode()), http.StatusOK)
		var answer struct {
			RefreshToken string `json:"refresh_token"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			b.Fatal(err)
		}
		refresh = answer.RefreshToken
	}
}

func BenchmarkIntrospection(b *testing.B) {
	e := bench(b)
	body := url.Values{"token": {e.LogIn("alice", "BENCHDEVICE").Access}}.Encode()
	b.ReportAllocs()
	for b.Loop() {
		r := request(b, http.MethodPost, e.URL+"/oauth2/introspect", form, body)
		r.Header.Set("Authorization", "Bearer "+harness.HomeserverSecret)
		exchange(b, http.DefaultClient, r, http.StatusOK)
	}
}
