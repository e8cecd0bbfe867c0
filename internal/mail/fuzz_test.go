package mail

import (
	"strings"
	"testing"
	"unicode"
)

// FuzzAddress: what an identity provider says to be an address goes into a
// command and a header.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"alice@example.org", "jürgen@bücher.example", `"a b"@example.org`, "a@b (c)", "A <a@example.org>", "a@[127.0.0.1]", "a@example.org\r\nRCPT TO:<b@example.org>",
		"a@xn--a.example", "\"\r\n\"@example.org", "a@example.org>", "=?utf-8?q?a?=@example.org", "a@。example", "a@example。org", "@", "a@b@c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s)
		if err != nil {
			return
		}
		if len(a.text) > maxAddress || strings.ContainsAny(a.text, "<> \r\n\t,;\"") || strings.ContainsFunc(a.text, unicode.IsControl) {
			t.Errorf("%q became %q", s, a.text)
		}
		name, domain, ok := strings.Cut(a.text, "@")
		if !ok || name == "" || domain == "" || strings.Contains(domain, "@") || strings.ContainsFunc(domain, func(r rune) bool { return r > unicode.MaxASCII }) {
			t.Errorf("%q became %q", s, a.text)
		}
		if again, err := parseAddress(a.text); err != nil || again != a {
			t.Errorf("%q became %v, and that %v, error %v", s, a, again, err)
		}
	})
}
