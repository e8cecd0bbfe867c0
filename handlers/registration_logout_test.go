package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestRegistrationForLogoutIsRefused(t *testing.T) {
	uris := func(list ...string) map[string]any { return map[string]any{"post_logout_redirect_uris": list} }
	told := func(uri any) map[string]any { return map[string]any{"backchannel_logout_uri": uri} }
	tests := []struct {
		name    string
		changes map[string]any
		says    string
	}{
		{"B-27: a post-logout redirect to another host", uris("https://app.example.com/", "https://evil.example.net/"), "post_logout_redirect_uris"},
		{"B-27: one with a fragment", uris("https://app.example.com/#x"), "fragment"},
		{"B-27: one on plain http", uris("http://app.example.com/"), "https"},
		{"B-27: one of a script", uris("javascript:alert(1)"), "javascript"},
		{"B-27: one with dot segments", uris("https://app.example.com/a/../b"), "segments"},
		{"B-27: a list that is none", map[string]any{"post_logout_redirect_uris": "https://app.example.com/"}, "array of strings"},
		{"B-27 E-34: a logout URI at another host", told("https://evil.example.net/logout"), "client_uri"},
		{"B-27 E-34: one on plain http", told("http://app.example.com/logout"), "https"},
		{"B-27 E-34: one with a fragment", told("https://app.example.com/logout#x"), "fragment"},
		{"B-27 E-34: one with a password", told("https://user:secret@app.example.com/"), "password"},
		{"B-27 E-34: one at an address", told("https://10.0.0.1/logout"), "IP address"},
		{"B-27 E-34: one that is none", told(7), "string"},
		{"B-27 E-34: one on loopback, where the issuer is not", told("http://127.0.0.1:8080/logout"), "https"},
		{"B-27: a demand that is neither true nor false", map[string]any{"backchannel_logout_session_required": "true"}, "true or false"},
	}
	e := harness.Start(t, func(o *harness.Options) { o.Issuer = "https://sso.example.org" })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := register(e.For(t), metadataOf(t, tt.changes))
			harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_client_metadata")
			if !strings.Contains(a.Text("error_description"), tt.says) {
				t.Errorf("it says %q, and nothing of %q", a.Text("error_description"), tt.says)
			}
		})
	}
}
