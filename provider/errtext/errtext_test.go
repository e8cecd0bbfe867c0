package errtext_test

import (
	"strings"
	"testing"

	"keymaker/provider/errtext"
)

func TestClean(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"legal text stays as it is", "a b!#[]~'", "a b!#[]~'"},
		{"a double quote becomes a single one", `say "x"`, "say 'x'"},
		{"a backslash becomes a slash", `a\b`, "a/b"},
		{"control characters, DEL and NUL become question marks", "a\r\nb\x7fc\x00", "a??b?c?"},
		{"a non-ASCII character becomes one question mark", "é", "?"},
		{"a byte that is no UTF-8 becomes a question mark", "\xff", "?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := errtext.Clean(tt.in)
			if got != tt.want {
				t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if !errtext.Legal(got) {
				t.Errorf("Clean(%q) = %q, which is not legal", tt.in, got)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	if got, want := errtext.Quote(`a"b`), "'a`b'"; got != want {
		t.Errorf("Quote = %q, want %q", got, want)
	}
	long := errtext.Quote(strings.Repeat("é", 1000))
	if !errtext.Legal(long) || len(long) > 120 || !strings.HasSuffix(long, "...'") {
		t.Errorf("a long value is not cut to something legal: %q (%d bytes)", long, len(long))
	}
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"code_challenge_method":     "code_challenge_method",
		"org.matrix.msc3824.action": "org.matrix.msc3824.action",
		"kmr_AaILhN7prwKYUIUHzPy":   "(unreadable)",
		"a b":                       "(unreadable)",
		strings.Repeat("a", 41):     "(unreadable)",
	} {
		t.Run(in, func(t *testing.T) {
			if got := errtext.Name(in); got != want {
				t.Errorf("Name = %q, want %q", got, want)
			}
		})
	}
}

func TestLegal(t *testing.T) {
	for c := range 256 {
		want := c == 0x20 || c == 0x21 || c >= 0x23 && c <= 0x5b || c >= 0x5d && c <= 0x7e
		if got := errtext.Legal(string([]byte{byte(c)})); got != want {
			t.Errorf("Legal(%#x) = %v, want %v", c, got, want)
		}
	}
}

func TestWithoutValues(t *testing.T) {
	for sentence, want := range map[string]string{
		"the scope " + errtext.Quote("it's 'mine'") + " is refused": "the scope '...' is refused",
		errtext.Quote("a") + " and " + errtext.Quote("b"):           "'...' and '...'",
		"the client's secret is not the person's":                   "the client's secret is not the person's",
	} {
		if got := errtext.WithoutValues(sentence); got != want {
			t.Errorf("%q became %q, want %q", sentence, got, want)
		}
	}
}
