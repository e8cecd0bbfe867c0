// Package errtext writes text that may stand in an OAuth error_description:
// the characters %x20-21 / %x23-5B / %x5D-7E (RFC 6749 §5.2), nothing else.
package errtext

import (
	"regexp"
	"strings"
)

// valueBytes is how much of an offending value is repeated to the client:
// enough to recognise it, too little to make an answer grow with the request.
const valueBytes = 100

// nameBytes is longer than the longest name of a parameter.
const nameBytes = 40

// Legal says whether every byte of s may stand in an error_description.
func Legal(s string) bool {
	for i := range len(s) {
		if !legal(rune(s[i])) {
			return false
		}
	}
	return true
}

// Clean returns s with every character that an error_description may not hold
// replaced: the double quote by a single one, the backslash by a slash,
// anything else by a question mark.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '\\':
			return '/'
		case !legal(r):
			return '?'
		}
		return r
	}, s)
}

// Quote returns v for use inside a sentence: cleaned, in single quotes, and cut
// with three dots after 100 bytes. A quote within it becomes a backtick, so that
// the sentence shows where the value ends.
func Quote(v string) string {
	more := ""
	if len(v) > valueBytes {
		v, more = v[:valueBytes], "..."
	}
	return "'" + strings.ReplaceAll(Clean(v), "'", "`") + more + "'"
}

var quoted = regexp.MustCompile(`(^|[ (])'[^']*'`)

// WithoutValues returns a sentence without what Quote has put into it: a log
// repeats nothing that somebody sent.
func WithoutValues(s string) string { return quoted.ReplaceAllString(s, "$1'...'") }

// Name returns the name of a parameter for use inside a sentence. What cannot
// be one is not shown: it may be a value that lost its name on the way, and so
// a secret.
func Name(name string) string {
	if len(name) > nameBytes || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" {
		return "(unreadable)"
	}
	return name
}

func legal(r rune) bool {
	return r >= 0x20 && r <= 0x7e && r != '"' && r != '\\'
}
