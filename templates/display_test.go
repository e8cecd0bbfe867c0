package templates

import (
	"strings"
	"testing"
)

func TestCleanText(t *testing.T) {
	tests := []struct{ name, give, want string }{
		{"words stay", "Element X – für Ärzte 東京 🔑", "Element X – für Ärzte 東京 🔑"},
		{"white space becomes one space", " a\t\r\n b\u00a0\u2003\u2028c ", "a b c"},
		{"L-23: control characters", "a\x00\x1b\u0085b\x7f", "a b"},
		{"L-23: bidirectional overrides, embeddings and isolates", "\u202aa\u202bb\u202cc\u202dd\u202ee\u2066f\u2067g\u2068h\u2069\u200e\u200f\u061c", "abcdefgh"},
		{"L-23: zero-width characters", "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg", "abcdefg"},
		{"L-23: tags that spell hidden text", "a\U000E0041\U000E0042b", "ab"},
		{"L-23: fillers that look like nothing", "a\u3164\u115f\u1160\uffa0\u034f\u2800b", "ab"},
		{"private use, in which fonts draw what they like", "a\ue000\U000F0000b", "ab"},
		{"bytes that are no UTF-8", "a\xff\xc0b", "ab"},
		{"nothing visible", "\u200b \u202e", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := CleanText(tt.give); got != tt.want {
				t.Errorf("got %+q, want %+q", got, tt.want)
			}
		})
	}
}

func TestCleanName(t *testing.T) {
	tests := []struct{ name, give, want string }{
		{"100 characters stay", strings.Repeat("ä", 100), strings.Repeat("ä", 100)},
		{"B-13: one more is cut", strings.Repeat("ä", 101), strings.Repeat("ä", 99) + "…"},
		{"what is invisible does not count", strings.Repeat("a\u200b", 100), strings.Repeat("a", 100)},
		{"no space before the ellipsis", strings.Repeat("a", 98) + " bcd", strings.Repeat("a", 98) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := CleanName(tt.give); got != tt.want {
				t.Errorf("got %+q, want %+q", got, tt.want)
			}
		})
	}
}

func TestHost(t *testing.T) {
	tests := []struct{ name, give, want string }{
		{"lower case", "https://App.Example.COM/x", "app.example.com"},
		{"L-25: an international name in punycode", "https://bücher.example/", "xn--bcher-kva.example"},
		{"L-25: as browsers fold it", "https://BÜCHER。example/", "xn--bcher-kva.example"},
		{"punycode stays", "https://xn--bcher-kva.example/", "xn--bcher-kva.example"},
		{"the final dot goes", "https://example.com./", "example.com"},
		{"an unusual port stays", "https://example.com:8443/", "example.com:8443"},
		{"the usual port goes", "https://example.com:443/", "example.com"},
		{"the usual port of http goes", "http://example.com:80/", "example.com"},
		{"the port of the other scheme stays", "http://example.com:443/", "example.com:443"},
		{"an empty port goes", "https://example.com:/", "example.com"},
		{"IPv4", "http://127.0.0.1:8080/", "127.0.0.1:8080"},
		{"IPv6", "http://[0:0:0::1]:8080/", "[::1]:8080"},
		{"no IPv6 with a zone", "http://[fe80::1%25eth0]/", ""},
		{"underscores", "https://a_b.example.com/", "a_b.example.com"},
		{"user information is no host", "https://example.com@evil.example/", "evil.example"},
		{"a long host is never cut", "https://" + strings.Repeat("a.", 100) + "example/", strings.Repeat("a.", 100) + "example"},
		{"an impossible host", "https://" + strings.Repeat("a.", 130) + "example/", ""},
		{"a host that is no name", "https://a%20b/", ""},
		{"invisible characters in a host", "https://exam\u200bple.com\u202e/", ""},
		{"no host", "com.example.app:/callback", ""},
		{"no URI", "https://example.com:port/", ""},
		{"nothing", "", ""},
		{"a port alone is no host", "http://:1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Host(tt.give); got != tt.want {
				t.Errorf("Host(%q) = %q, want %q", tt.give, got, tt.want)
			}
		})
	}
}

func TestSafeLink(t *testing.T) {
	tests := []struct{ name, give, want string }{
		{"https", "https://example.com/tos?lang=en#x", "https://example.com/tos?lang=en#x"},
		{"B-15: no http", "http://example.com/tos", ""},
		{"B-15: no user information", "https://u:p@example.com/tos", ""},
		{"L-24: no javascript", "javascript:alert(1)//https://example.com", ""},
		{"L-24: no data", "data:text/html,<script>alert(1)</script>", ""},
		{"no host", "https:///tos", ""},
		{"no scheme", "//example.com/tos", ""},
		{"no line breaks", "https://example.com/\ntos", ""},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := SafeLink(tt.give); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestInitial(t *testing.T) {
	for give, want := range map[string]string{"element": "E", "@alice:example.org": "A", "\u202e7zip": "7", "östlich": "Ö", "東京": "東", "🔑": "?", "": "?"} {
		if got := initial(give); got != want {
			t.Errorf("initial(%q) = %q, want %q", give, got, want)
		}
	}
}
