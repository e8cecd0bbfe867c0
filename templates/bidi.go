package templates

import (
	"strings"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/bidi"
)

// say is a message as text, with its values set apart.
func say(tag language.Tag, parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		if p.Value {
			b.WriteString(isolate(tag, p.Text))
		} else {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// isolate sets a value apart from the direction of the text around it, where the
// two can differ: what bdi does in HTML.
func isolate(tag language.Tag, value string) string {
	const first, end = "\u2068", "\u2069" // FIRST STRONG ISOLATE, POP DIRECTIONAL ISOLATE
	if direction(tag) == "ltr" && !strings.ContainsFunc(value, leftwards) {
		return value
	}
	return first + value + end
}

// leftwards tells whether a letter is written from right to left.
func leftwards(r rune) bool {
	if r < unicode.MaxLatin1 {
		return false
	}
	p, _ := bidi.LookupRune(r)
	return p.Class() == bidi.R || p.Class() == bidi.AL
}
