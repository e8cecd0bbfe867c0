package jobs

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	for attempt, longest := range map[int]time.Duration{1: 10 * time.Second, 2: 20 * time.Second, 5: 160 * time.Second, 9: 2560 * time.Second, 10: time.Hour, 12: time.Hour, 1000: time.Hour} {
		seen := map[time.Duration]bool{}
		for range 50 {
			d := backoff(attempt)
			if d < longest/2 || d > longest {
				t.Errorf("attempt %d is followed by %s, want %s to %s", attempt, d, longest/2, longest)
			}
			seen[d] = true
		}
		if len(seen) < 10 {
			t.Errorf("attempt %d is followed by %d different pauses only", attempt, len(seen))
		}
	}
}

func TestReasonIsShortText(t *testing.T) {
	if got := reason(errors.New(strings.Repeat("ü", 400))); len(got) != 500 || got != strings.Repeat("ü", 250) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := reason(errors.New("x" + strings.Repeat("ü", 400))); got != "x"+strings.Repeat("ü", 249) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
