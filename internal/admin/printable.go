package admin

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable is text for a terminal. What people and clients call themselves may
// hold characters that a terminal obeys, or that turn the text around them, and
// those are quoted. Nothing is a dash.
func Printable(s string) string {
	if s == "" {
		return "-"
	}
	if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return strconv.Quote(s)
	}
	return s
}
