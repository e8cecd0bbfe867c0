package harness

import (
	"mime"
	"net/http"
	"testing"

	"keymaker/provider/errtext"
)

// ExpectJSON wants an answer of one status that is JSON and that nothing may
// keep (the checklist's NOSTORE).
func ExpectJSON(t testing.TB, a Answer, status int) {
	t.Helper()
	if a.Status != status {
		t.Fatalf("status %d, want %d: %s", a.Status, status, a.Body)
	}
	if kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		t.Errorf("Content-Type is %q, want application/json", a.Header.Get("Content-Type"))
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
		t.Errorf("Cache-Control %q, Pragma %q, want no-store and no-cache", a.Header.Get("Cache-Control"), a.Header.Get("Pragma"))
	}
	if a.JSON() == nil {
		t.Errorf("the body is no JSON object: %q", a.Body)
	}
}

// ExpectOAuthError wants the checklist's OAuthErr(status, code), which a client
// is asked to repeat when the fault is the server's.
func ExpectOAuthError(t testing.TB, a Answer, status int, code string) {
	t.Helper()
	ExpectJSON(t, a, status)
	if a.Text("error") != code {
		t.Errorf("error %q, want %q: %s", a.Text("error"), code, a.Body)
	}
	if d := a.Text("error_description"); d == "" || !errtext.Legal(d) {
		t.Errorf("error_description %q is empty or has characters that it may not have", d)
	}
	expectRetry(t, a)
}

// ExpectMatrixError wants the checklist's MxErr(status, code).
func ExpectMatrixError(t testing.TB, a Answer, status int, code string) {
	t.Helper()
	ExpectJSON(t, a, status)
	if a.Text("errcode") != code || a.Text("error") == "" {
		t.Errorf("errcode %q, error %q, want %q and a text", a.Text("errcode"), a.Text("error"), code)
	}
	expectRetry(t, a)
}

func expectRetry(t testing.TB, a Answer) {
	t.Helper()
	if a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}
