package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with the configuration. It never holds
// the value of a secret.
type Problem struct {
	File       string // the file, or the environment variable that holds the value
	Line       int    // in the file, from 1; 0 = the problem has no line
	Key        string // the dotted path of the key, entries of lists counted from 0; "" = the file itself
	Message    string // what is wrong
	Suggestion string // what was probably meant, or ""
}

// String is one line: file:line: key: message (did you mean "x"?).
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Key != "" {
		fmt.Fprintf(&b, ": %s", p.Key)
	}
	fmt.Fprintf(&b, ": %s", p.Message)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", p.Suggestion)
	}
	return b.String()
}

// Problems is everything that is wrong with a configuration: first what has a
// line, in the order of the lines, then what comes from the environment.
type Problems []Problem

// Error implements error: one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line
		}
		return cmp.Or(a.Line-b.Line, strings.Compare(a.File, b.File))
	})
}

// refusal is why a value is impossible, with what was probably meant.
type refusal struct {
	message    string
	suggestion string
}

// Error implements error.
func (r refusal) Error() string { return r.message }

func refuse(format string, args ...any) error {
	return refusal{message: fmt.Sprintf(format, args...)}
}

// quote shows a value in a message, on one line and not at any length.
func quote(s string) string {
	const most = 60 // bytes
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
