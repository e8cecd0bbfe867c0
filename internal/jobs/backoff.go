package jobs

import (
	"encoding/binary"
	"strings"
	"time"

	"keymaker/internal/secret"
)

const (
	// MaxAttempts is how often a job is tried before it is given up: for about
	// three hours.
	MaxAttempts = 12

	firstPause = 10 * time.Second
	maxPause   = time.Hour
	// shortestAway and longestAway are between two looks for somebody who is not
	// there.
	shortestAway = 2 * time.Second
	longestAway  = time.Minute
	// reasonLength is how much of an error is kept (bytes).
	reasonLength = 500
)

// backoff is how long a job waits after its nth attempt: twice as long each
// time, up to an hour, and up to half as long at random, so that what failed
// together does not come back together.
func backoff(n int) time.Duration {
	pause := maxPause
	if n < 10 { // beyond that it is the longest anyway
		pause = min(maxPause, firstPause<<(n-1))
	}
	return pause/2 + below(pause/2+1)
}

// away is how long a job waits that is of this age, because whom it is for is
// not there: the longer it has waited, the longer, up to half as long at random.
func away(age time.Duration) time.Duration {
	pause := min(max(age/4, shortestAway), longestAway)
	return pause/2 + below(pause/2+1)
}

// below is a random duration in [0, limit).
func below(limit time.Duration) time.Duration {
	return time.Duration(binary.BigEndian.Uint64(secret.Bytes(8)) % uint64(limit))
}

// reason is an error as it is kept.
func reason(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), reasonLength)], "")
}
