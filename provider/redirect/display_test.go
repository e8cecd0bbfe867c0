package redirect_test

import (
	"testing"

	"keymaker/provider/redirect"
)

func TestOpensApp(t *testing.T) {
	tests := []struct {
		name, uri string
		client    redirect.ApplicationType
		want      bool
	}{
		{"a private-use scheme", "com.example.app:/callback", redirect.Native, true},
		{"a claimed https address", "https://app.example.com/callback", redirect.Native, true},
		{"a web address", "https://app.example.com/callback", redirect.Web, false},
		{"a loopback address", "http://127.0.0.1:4711/callback", redirect.Native, false},
		{"[::1]", "http://[::1]/callback", redirect.Native, false},
		{"a scheme that runs code", "javascript:alert(1)", redirect.Native, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redirect.OpensApp(tt.uri, tt.client); got != tt.want {
				t.Errorf("OpensApp = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDisplay(t *testing.T) {
	tests := []struct {
		name, uri, host, origin string
		loopback                bool
	}{
		{"a web address", "https://App.example.com/callback?x=1", "app.example.com", "https://app.example.com", false},
		{"a web address with a port", "https://example.com:5173/", "example.com", "https://example.com:5173", false},
		{"a private-use scheme", "com.example.app:/callback", "com.example.app", "com.example.app:", false},
		{"localhost", "http://localhost/callback", "localhost", "http://localhost", true},
		{"localhost with a port", "http://localhost:5555/callback", "localhost", "http://localhost:5555", true},
		{"127.0.0.1 with a port", "http://127.0.0.1:5555", "127.0.0.1", "http://127.0.0.1:5555", true},
		{"[::1], which CSP cannot name", "http://[::1]:5555/callback", "[::1]", "http:", true},
		{"plain http elsewhere", "http://example.com/", "", "", false},
		{"a directive hidden in the host", "https://example.com;script-src/", "", "", false},
		{"a space in the host", "https://example.com script-src/", "", "", false},
		{"userinfo", "https://example.com@evil.net/", "", "", false},
		{"userinfo behind localhost", "http://localhost@evil.net/", "", "", false},
		{"a scheme that runs code", "javascript:alert(1)", "", "", false},
		{"a private-use scheme with an authority", "com.example.app://evil", "", "", false},
		{"nothing", "", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redirect.Host(tt.uri); got != tt.host {
				t.Errorf("Host = %q, want %q", got, tt.host)
			}
			if got := redirect.Origin(tt.uri); got != tt.origin {
				t.Errorf("Origin = %q, want %q", got, tt.origin)
			}
			if got := redirect.IsLoopback(tt.uri); got != tt.loopback {
				t.Errorf("IsLoopback = %v, want %v", got, tt.loopback)
			}
		})
	}
}
