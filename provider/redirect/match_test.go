package redirect_test

import (
	"testing"

	"keymaker/provider/redirect"
)

func TestMatch(t *testing.T) {
	web := []string{"https://app.example.com/callback", "https://example.com:5173/?query=value"}
	native := []string{
		"http://localhost/callback", "http://127.0.0.1/callback?a=b", "http://[::1]/callback", "http://localhost",
		"com.example.app:/callback", "https://app.example.com/callback",
	}
	tests := []struct {
		name      string
		app       redirect.ApplicationType
		requested string
		want      bool
	}{
		{"C-12: the registered URI", redirect.Web, "https://app.example.com/callback", true},
		{"C-12: the registered URI with port and query", redirect.Web, "https://example.com:5173/?query=value", true},
		{"C-12: a trailing slash", redirect.Web, "https://app.example.com/callback/", false},
		{"C-12: an extra query", redirect.Web, "https://app.example.com/callback?x=1", false},
		{"C-12: an empty query", redirect.Web, "https://app.example.com/callback?", false},
		{"C-12: another case of the path", redirect.Web, "https://app.example.com/Callback", false},
		{"C-12: another case of the host", redirect.Web, "https://App.example.com/callback", false},
		{"C-12: another case of the scheme", redirect.Web, "HTTPS://app.example.com/callback", false},
		{"C-12: an encoded character", redirect.Web, "https://app.example.com/call%62ack", false},
		{"C-12: an encoded dot", redirect.Web, "https://app%2eexample.com/callback", false},
		{"C-12: userinfo", redirect.Web, "https://u@app.example.com/callback", false},
		{"C-12: a port", redirect.Web, "https://app.example.com:443/callback", false},
		{"C-12: a parent segment", redirect.Web, "https://app.example.com/callback/../x", false},
		{"C-12: a parent segment that leads back", redirect.Web, "https://app.example.com/x/../callback", false},
		{"C-12: another query value", redirect.Web, "https://example.com:5173/?query=other", false},
		{"C-12: white space around it", redirect.Web, " https://app.example.com/callback", false},
		{"C-15: no redirect_uri", redirect.Web, "", false},
		{"C-16: a fragment", redirect.Web, "https://app.example.com/callback#f", false},
		{"C-16: an empty fragment", redirect.Web, "https://app.example.com/callback#", false},

		{"C-12: the registered private-use scheme", redirect.Native, "com.example.app:/callback", true},
		{"C-12: a private-use scheme with an authority", redirect.Native, "com.example.app://callback", false},
		{"C-14: claimed https has no port exception", redirect.Native, "https://app.example.com:8443/callback", false},

		{"C-13: localhost without port", redirect.Native, "http://localhost/callback", true},
		{"C-13: localhost with a port", redirect.Native, "http://localhost:5555/callback", true},
		{"C-13: port 1", redirect.Native, "http://localhost:1/callback", true},
		{"C-13: port 65535", redirect.Native, "http://localhost:65535/callback", true},
		{"C-13: 127.0.0.1 with a port and the same query", redirect.Native, "http://127.0.0.1:5555/callback?a=b", true},
		{"C-13: [::1] with a port", redirect.Native, "http://[::1]:5555/callback", true},
		{"C-13: a port without a path, as registered", redirect.Native, "http://localhost:5555", true},
		{"C-13: another path", redirect.Native, "http://localhost:5555/other", false},
		{"C-13: a trailing slash", redirect.Native, "http://localhost:5555/callback/", false},
		{"C-13: another query", redirect.Native, "http://127.0.0.1:5555/callback?a=c", false},
		{"C-13: a missing query", redirect.Native, "http://127.0.0.1:5555/callback", false},
		{"C-13: an added query", redirect.Native, "http://localhost:5555/callback?a=b", false},
		{"C-13: https", redirect.Native, "https://localhost:5555/callback", false},
		{"C-13: another case of the host", redirect.Native, "http://LOCALHOST:5555/callback", false},
		{"C-13: port 0", redirect.Native, "http://localhost:0/callback", false},
		{"C-13: port 65536", redirect.Native, "http://localhost:65536/callback", false},
		{"C-13: an empty port", redirect.Native, "http://localhost:/callback", false},
		{"C-13: a port with a leading zero", redirect.Native, "http://localhost:05555/callback", false},
		{"C-13: a signed port", redirect.Native, "http://localhost:+5555/callback", false},
		{"C-13: two ports", redirect.Native, "http://localhost:5555:6666/callback", false},
		{"C-13: userinfo that looks like a port", redirect.Native, "http://localhost:5555@evil.net/callback", false},
		{"C-13: userinfo", redirect.Native, "http://u@localhost:5555/callback", false},
		{"C-13: a backslash after the port", redirect.Native, `http://localhost:5555\callback`, false},
		{"C-14: 127.0.0.1 is not localhost", redirect.Native, "http://127.0.0.1:5555/callback", false},
		{"C-14: [::1] is not 127.0.0.1", redirect.Native, "http://[::1]:5555/callback?a=b", false},
		{"C-14: another address of the loopback net", redirect.Native, "http://127.0.0.2:5555/callback?a=b", false},
		{"C-16: a fragment on loopback", redirect.Native, "http://localhost:5555/callback#", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			registered := web
			if tt.app == redirect.Native {
				registered = native
			}
			if got := redirect.Match(registered, tt.requested, tt.app); got != tt.want {
				t.Errorf("Match(%q) = %v", tt.requested, got)
			}
		})
	}
}

func TestMatchPortExceptionIsNativeOnly(t *testing.T) {
	registered := []string{"http://localhost/callback"}
	if redirect.Match(registered, "http://localhost:5555/callback", redirect.Web) {
		t.Error("C-14: a web client got the loopback port exception")
	}
	if redirect.Match([]string{"http://localhost:1234/callback"}, "http://localhost:5555/callback", redirect.Native) {
		t.Error("C-13: a URI registered with a port matched another port")
	}
	if redirect.Match(nil, "http://localhost:5555/callback", redirect.Native) || redirect.Match(nil, "", redirect.Web) {
		t.Error("C-12: something matched although nothing is registered")
	}
	if redirect.Match([]string{"https://example.com/#f"}, "https://example.com/#f", redirect.Web) {
		t.Error("C-16: a fragment matched because it was registered")
	}
}
