package command_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// clockVariable names the file of the movedClock that a server in a process of its
// own goes by.
const clockVariable = "KEYMAKER_TEST_CLOCK"

// movedClock is the machine's clock, put forward or back by what a file says: a
// clock that several processes go by, and a test moves.
type movedClock struct{ file string }

func (c movedClock) Now() time.Time {
	var by time.Duration
	if text, err := os.ReadFile(c.file); err == nil {
		by, _ = time.ParseDuration(string(text))
	}
	return time.Now().Add(by).UTC().Truncate(time.Millisecond)
}

// move puts the clock forward by so much of what the machine's says, in all.
func (c movedClock) move(t *testing.T, by time.Duration) {
	t.Helper()
	next := c.file + ".next"
	write(t, next, by.String())
	if err := os.Rename(next, c.file); err != nil {
		t.Fatal(err)
	}
}

// withClock has a server go by a clock that the test moves.
func withClock(p *process) {
	p.clock = &movedClock{filepath.Join(filepath.Dir(p.config), "clock")}
	p.env = append(p.env, fmt.Sprintf("%s=%s", clockVariable, p.clock.file))
}

// unlimited lifts the limits that a configuration can lift.
func unlimited(p *process) { p.env = append(p.env, "KEYMAKER_GLOBAL__OIDC_RC_PER_SECOND=0") }
