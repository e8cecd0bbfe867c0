package clock_test

import (
	"testing"
	"time"

	"keymaker/internal/clock"
)

func TestClocksTellUTCInMilliseconds(t *testing.T) {
	manual := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 6_789_000, time.FixedZone("CET", 3600)))
	for name, c := range map[string]clock.Clock{"system": clock.System{}, "manual": manual} {
		t.Run(name, func(t *testing.T) {
			now := c.Now()
			if now.Location() != time.UTC || !now.Equal(time.UnixMilli(now.UnixMilli())) {
				t.Errorf("%v is not UTC in milliseconds", now)
			}
		})
	}
}

func TestManualClockMovesOnlyWhenToldTo(t *testing.T) {
	c := clock.NewManual(time.Unix(1000, 0))
	before := c.Now()
	if !c.Now().Equal(before) {
		t.Error("it moved by itself")
	}
	c.Advance(90 * time.Second)
	if got := c.Now().Sub(before); got != 90*time.Second {
		t.Errorf("it moved by %s", got)
	}
}
