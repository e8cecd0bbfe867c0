package loginhint_test

import (
	"strings"
	"testing"

	"keymaker/provider/loginhint"
)

// FuzzParse checks what must hold for every input: at most one field is set, its
// value stands in the hint, holds nothing that could be more than a name, and
// reads back to itself.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "alice", "@alice:example.org", "mxid:@alice:example.org", "mxid:@alice:example.com", "mxid:@:example.org", "mxid:", "@", ":", "@@",
		"alice@example.org", "a@b@c", "acct:alice@example.org", `"><script>`, "\x00", "\xff", "mxid:@a:b:example.org", strings.Repeat("a", 321),
	} {
		f.Add(seed, "example.org")
	}
	f.Add("mxid:@alice:", "")
	f.Fuzz(func(t *testing.T, raw, serverName string) {
		h := loginhint.Parse(raw, serverName)
		if h.Localpart != "" && h.Email != "" {
			t.Fatalf("Parse(%q) = %+v", raw, h)
		}
		text := h.Text()
		if !strings.Contains(raw, text) || strings.ContainsAny(text, " \t\r\n\x00<>\"\\:,;") || len(text) > 320 {
			t.Fatalf("Parse(%q) = %+v", raw, h)
		}
		if text != "" && loginhint.Parse(text, serverName) != h {
			t.Fatalf("%+v reads back as %+v", h, loginhint.Parse(text, serverName))
		}
	})
}
