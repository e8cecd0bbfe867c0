package telemetry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"keymaker/internal/secret"
	"keymaker/internal/telemetry"
)

func TestLoggerHidesSecretsInEveryFormat(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			var out strings.Builder
			log, err := telemetry.NewLogger(&out, format, "info")
			if err != nil {
				t.Fatal(err)
			}
			log.Info("said", "secret", secret.Text("hunter2"), "nested", struct{ S secret.Text }{"hunter2"}, "list", []secret.Text{"hunter2"})
			log.Debug("not said")
			if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "[redacted]") || strings.Contains(out.String(), "not said") {
				t.Errorf("logged %s", out.String())
			}
			if format == "json" && !json.Valid([]byte(out.String())) {
				t.Errorf("not JSON: %s", out.String())
			}
		})
	}
}

func TestLoggerKeepsALineToOneLine(t *testing.T) {
	var out strings.Builder
	log, err := telemetry.NewLogger(&out, "text", "info")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("said", "name", "evil\nINF forged line")
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("more than one line: %q", out.String())
	}
}

func TestLoggerRefusesAnUnknownLevel(t *testing.T) {
	if _, err := telemetry.NewLogger(&strings.Builder{}, "text", "loud"); err == nil {
		t.Error("no error")
	}
}

func TestAPanicShowsNothingThatSomebodySent(t *testing.T) {
	var none []int
	tests := []struct {
		name  string
		panic func()
		want  string
	}{
		{"Go's own words are kept", func() { _ = none[len(none)] }, "panic=runtime error: index out of range [0] with length 0"},
		{"a text is not", func() { panic("cannot parse hunter2") }, "panic=string"},
		{"nor an error", func() { panic(errors.New("cannot parse hunter2")) }, "panic=*errors.errorString"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := telemetry.Panic(recover()).String(); got != tt.want {
					t.Errorf("logged %q, want %q", got, tt.want)
				}
			}()
			tt.panic()
		})
	}
}
