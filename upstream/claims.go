package upstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strconv"
	"time"
)

// Claims are what a provider says about a person. Numbers are json.Number.
// Printing them shows nothing: their values never reach a log.
type Claims map[string]any

// parseClaims reads a JSON object.
func parseClaims(data []byte) (Claims, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var c Claims
	if err := d.Decode(&c); err != nil || c == nil {
		return nil, errUnreadable
	}
	return c, nil
}

// Text is a claim that is a string, or "".
func (c Claims) Text(name string) string {
	s, _ := c[name].(string)
	return s
}

// Flag is a claim that is true, false, or absent (nil). Some providers send
// booleans as strings; anything else counts as absent.
func (c Claims) Flag(name string) *bool {
	switch v := c[name].(type) {
	case bool:
		return &v
	case string:
		if v == "true" || v == "false" {
			return new(v == "true")
		}
	}
	return nil
}

// Time is a claim in seconds since 1970, or zero.
func (c Claims) Time(name string) time.Time {
	n, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || seconds <= 0 || seconds > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// Email is the claim email if the provider says that it belongs to the person,
// or "".
func (c Claims) Email() string {
	if v := c.Flag("email_verified"); v != nil && *v {
		return c.Text("email")
	}
	return ""
}

// id is the claim that identifies a person at a provider that is not an
// OpenID one: a string or a whole number, or "".
func (c Claims) id(name string) string {
	if n, ok := c[name].(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return strconv.FormatInt(i, 10)
		}
		return ""
	}
	return c.Text(name)
}

// with returns both sets of claims; where they differ, c wins.
func (c Claims) with(other Claims) Claims {
	merged := maps.Clone(other)
	maps.Copy(merged, c)
	return merged
}

const redacted = "[redacted]"

// Format hides the claims from fmt.
func (Claims) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue hides the claims from slog.
func (Claims) LogValue() slog.Value { return slog.StringValue(redacted) }
