package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// expectPage wants a page of a status, with the headers of every page, that
// says something.
func expectPage(t *testing.T, p harness.Page, status int, says string) {
	t.Helper()
	if p.StatusCode != status {
		t.Fatalf("status %d, want %d, at %s:\n%s", p.StatusCode, status, p.Request.URL.Path, p.Text())
	}
	if kind := p.Header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Errorf("Content-Type is %q", kind)
	}
	expectPageHeaders(t, p.Header)
	if !strings.Contains(p.Text(), says) {
		t.Errorf("the page does not say %q:\n%s", says, p.Text())
	}
}

// expectPageHeaders wants what protects everything that a person sees
// (conformance L-08 to L-10, L-28).
func expectPageHeaders(t *testing.T, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none'", "style-src 'self'", "img-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, directive) {
			t.Errorf("L-08 L-09: the Content-Security-Policy lacks %q: %q", directive, policy)
		}
	}
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Pragma": "no-cache",
		"Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("L-08 L-10 L-28: %s is %q, want %q", name, got, want)
		}
	}
	if referrer := h.Get("Referrer-Policy"); referrer != "no-referrer" && referrer != "same-origin" {
		t.Errorf("L-10: Referrer-Policy is %q", referrer)
	}
	if h.Get("Permissions-Policy") == "" {
		t.Error("L-28: there is no Permissions-Policy")
	}
}
