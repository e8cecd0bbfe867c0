package clienturi_test

import (
	"strings"
	"testing"

	"keymaker/provider/clienturi"
	"keymaker/provider/errtext"
)

func TestParseHTTPS(t *testing.T) {
	host := strings.Repeat("a", 63) + "."
	tests := []struct {
		name, uri string
		says      string // "" = accepted
	}{
		{"a host alone", "https://example.com", ""},
		{"path, port, query and fragment", "https://app.example.com:5173/a/b?c=d%20e#f", ""},
		{"an international host as A-label", "https://xn--bcher-kva.example/", ""},
		{"a host with digits, hyphens and underscores", "https://a-1_b.9.example.com/", ""},
		{"a host in upper case", "https://EXAMPLE.com/", ""},
		{"the empty string", "", "is empty"},
		{"2049 bytes", "https://example.com/" + strings.Repeat("a", 2029), "longer than 2048"},
		{"B-31: plain http", "http://example.com/", "begin with https://"},
		{"a scheme in upper case", "HTTPS://example.com/", "begin with https://"},
		{"L-02: no slashes", "https:example.com", "begin with https://"},
		{"L-02: no scheme", "//example.com/", "begin with https://"},
		{"no host", "https:///example.com", "host name"},
		{"B-31: user and password", "https://u:p@example.com/", "user or password"},
		{"B-31: an empty user", "https://@example.com/", "user or password"},
		{"B-35: a backslash", `https://example.com\@evil.net/`, "RFC 3986"},
		{"B-35: a space", "https://example.com/a b", "RFC 3986"},
		{"B-35: a line break", "https://example.com/a\n", "RFC 3986"},
		{"B-35: a tab within the host", "https://exam\tple.com/", "RFC 3986"},
		{"B-35: NUL", "https://example.com/\x00", "RFC 3986"},
		{"B-35: a non-ASCII host", "https://bücher.example/", "RFC 3986"},
		{"B-35: a non-ASCII path", "https://example.com/ü", "RFC 3986"},
		{"a byte that is no UTF-8", "https://example.com/\xff", "RFC 3986"},
		{"a percent sign alone", "https://example.com/100%", "percent sign"},
		{"a percent sign before other characters", "https://example.com/?a=%zz", "percent sign"},
		{"an encoded character in the host", "https://ex%61mple.com/", "not a valid URI"},
		{"B-35: an IPv4 address", "https://192.0.2.1/", "not an IP address"},
		{"B-35: an IPv4 address in short form", "https://127.1/", "not an IP address"},
		{"B-35: an IPv4 address as one number", "https://2130706433/", "not an IP address"},
		{"B-35: an IPv4 address in hexadecimal", "https://0x7F.0x1/", "not an IP address"},
		{"B-35: an IPv4 address that ends in 0x", "https://1.0x/", "not an IP address"},
		{"B-35: an IPv6 address", "https://[2001:db8::1]/", "no IP address"},
		{"B-35: a wildcard host", "https://*.example.com/", "no wildcard"},
		{"a trailing dot", "https://example.com./", "no trailing dot"},
		{"an empty label", "https://example..com/", "DNS name"},
		{"a label of 64 characters", "https://a" + host + "com/", "DNS name"},
		{"a host of 254 characters", "https://" + strings.Repeat("a.", 125) + "aaaa/", "253"},
		{"a semicolon in the host", "https://example.com;evil.net/", "DNS name"},
		{"an empty port", "https://example.com:/", "port"},
		{"port 0", "https://example.com:0/", "port"},
		{"a port with a leading zero", "https://example.com:0443/", "port"},
		{"port 65536", "https://example.com:65536/", "port"},
		{"a port that is no number", "https://example.com:https/", "not a valid URI"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := clienturi.ParseHTTPS(tt.uri)
			checkError(t, err, tt.says)
			if (u == nil) != (err != nil) {
				t.Errorf("ParseHTTPS returned %v with %v", u, err)
			}
		})
	}
}

func TestCheckBase(t *testing.T) {
	tests := []struct {
		name, host string
		says       string // "" = accepted
	}{
		{"B-12: a registered name", "example.com", ""},
		{"B-12: a name below a public suffix of two labels", "example.co.uk", ""},
		{"B-12: a name below a private suffix", "someone.github.io", ""},
		{"B-12: a name below an unlisted top level", "chat.lan", ""},
		{"B-12: a top level domain", "com", "public suffix"},
		{"B-12: a suffix of two labels", "co.uk", "public suffix"},
		{"B-12: a private suffix", "github.io", "public suffix"},
		{"B-12: a private suffix in upper case", "GitHub.IO", "public suffix"},
		{"B-12: an unlisted single label", "localhost", "public suffix"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, clienturi.CheckBase(tt.host), tt.says)
		})
	}
}

func TestWithin(t *testing.T) {
	tests := []struct {
		name, host, base string
		want             bool
	}{
		{"B-11: the same host", "example.com", "example.com", true},
		{"B-11: a subdomain", "app.example.com", "example.com", true},
		{"B-11: a deeper subdomain", "a.b.example.com", "example.com", true},
		{"B-11: case does not matter", "APP.Example.com", "exaMple.com", true},
		{"B-11: the same ending without a label boundary", "notexample.com", "example.com", false},
		{"B-11: another domain", "app.com", "example.com", false},
		{"B-11: the base as a subdomain of another", "example.com.evil.net", "example.com", false},
		{"B-11: the parent of the base", "example.com", "app.example.com", false},
		{"B-11: a sibling of the base", "www.example.com", "app.example.com", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := clienturi.Within(tt.host, tt.base); got != tt.want {
				t.Errorf("Within(%q, %q) = %v", tt.host, tt.base, got)
			}
		})
	}
}

func checkError(t *testing.T, err error, says string) {
	t.Helper()
	switch {
	case says == "" && err != nil:
		t.Errorf("refused: %v", err)
	case says != "" && err == nil:
		t.Errorf("accepted, want a refusal that says %q", says)
	case says != "" && !strings.Contains(err.Error(), says):
		t.Errorf("message %q does not say %q", err, says)
	case err != nil && !errtext.Legal(err.Error()):
		t.Errorf("message %q holds characters that an error_description may not", err)
	}
}
