package e2ekeys

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep an object may be nested: a key is three levels deep.
const maxDepth = 16

// maxInteger is the largest number of Matrix's canonical JSON, and its negative
// the smallest.
const maxInteger = 1<<53 - 1

// parseObject reads one JSON object whose numbers are integers, as canonical
// JSON demands.
func parseObject(raw []byte) (map[string]any, error) {
	value, err := parse(raw)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, refuse(Malformed, "A key is no JSON object.")
	}
	return object, nil
}

func parse(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil || !utf8.Valid(raw) {
		return nil, refuse(Malformed, "A key is not JSON in UTF-8.")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, refuse(Malformed, "A key has something after it.")
	}
	return value, check(value, maxDepth)
}

// check refuses what canonical JSON cannot say, and what no database takes.
func check(value any, depth int) error {
	if depth == 0 {
		return refuse(Malformed, "A key is nested too deeply.")
	}
	switch v := value.(type) {
	case json.Number:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || n > maxInteger || n < -maxInteger {
			return refuse(Malformed, "A key has a number that is no integer of 53 bits.")
		}
	case string:
		return checkText(v)
	case []any:
		for _, element := range v {
			if err := check(element, depth-1); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, member := range v {
			if err := checkText(name); err != nil {
				return err
			}
			if err := check(member, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkText refuses half a character, which the decoder replaces: what was
// signed could not be known any more.
func checkText(s string) error {
	if strings.ContainsAny(s, "\x00\uFFFD") {
		return refuse(Malformed, "A key has a character that it may not have.")
	}
	return nil
}

// canonical is the one way in which a value of parse is written (Matrix
// specification, Appendices, Canonical JSON).
func canonical(value any) []byte { return appendValue(nil, value) }

func appendValue(b []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		n, err := strconv.ParseInt(string(v), 10, 64) // so that -0 is 0
		if err != nil {
			n = math.MaxInt64 // check has refused it
		}
		return strconv.AppendInt(b, n, 10)
	case string:
		return appendString(b, v)
	case []any:
		b = append(b, '[')
		for i, element := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, element)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, name), ':')
			b = appendValue(b, v[name])
		}
		return append(b, '}')
	}
	return b
}

// appendString escapes as little as JSON permits, which encoding/json does not.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			if c < ' ' {
				b = fmt.Appendf(b, `\u%04x`, c)
				continue
			}
			b = append(b, c)
		}
	}
	return append(b, '"')
}
