package errtext_test

import (
	"strings"
	"testing"

	"keymaker/provider/errtext"
)

// FuzzTexts checks that whatever stands in a request may stand in the error
// about it, and does not make it grow (RFC 6749 §5.2).
func FuzzTexts(f *testing.F) {
	for _, seed := range []string{"", "plain", `"\`, "\x00\n\x7f", "ü\u202e", "\xff", strings.Repeat("x", 300), "client_id", "redirect_uri[]", "kma_ABC"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if clean := errtext.Clean(s); !errtext.Legal(clean) || len(clean) > len(s) {
			t.Fatalf("Clean(%q) is %q", s, clean)
		}
		if quoted := errtext.Quote(s); !errtext.Legal(quoted) || len(quoted) > 110 {
			t.Fatalf("Quote(%q) is %q", s, quoted)
		}
		if name := errtext.Name(s); !errtext.Legal(name) || len(name) > 40 {
			t.Fatalf("Name(%q) is %q", s, name)
		}
	})
}
