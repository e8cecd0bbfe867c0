// Package telemetry tells administrators what the server does.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"

	"github.com/lmittmann/tint"
)

// NewLogger returns a logger for log_format "text" or "json" and a log_level.
// Secrets are kept out by their type: secret.Text prints as "[redacted]".
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log_level %q: %w", level, err)
	}
	return NewLoggerAt(w, format, l), nil
}

// NewLoggerAt is NewLogger with a level that can change.
func NewLoggerAt(w io.Writer, format string, l slog.Leveler) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: l, NoColor: true}))
}

// Panic is how a log tells of a panic: what Go itself says, which holds numbers
// and types alone, and of anything else only its type. A library may panic with
// what somebody sent, and that may be a secret.
func Panic(p any) slog.Attr {
	if err, ok := p.(runtime.Error); ok {
		return slog.String("panic", err.Error())
	}
	return slog.String("panic", fmt.Sprintf("%T", p))
}
