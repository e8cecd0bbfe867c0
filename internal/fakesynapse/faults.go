package fakesynapse

import (
	"net/http"
	"time"
)

// faults are what is wrong at the moment.
type faults struct {
	down, hang bool
	slow       time.Duration
	fail, lose int // how many calls still
	status     int // of those that fail
	// released is closed when what hangs need not hang any more.
	released chan struct{}
}

// Down closes every connection without an answer, until Recover.
func (s *Synapse) Down() { s.change(func(f *faults) { f.down = true }) }

// Hang leaves every call without an answer until Recover, which answers it then.
func (s *Synapse) Hang() { s.change(func(f *faults) { f.hang = true }) }

// Slow lets each call take a while, until Recover.
func (s *Synapse) Slow(d time.Duration) { s.change(func(f *faults) { f.slow = d }) }

// FailNext answers the next n calls with a status of 400 or more, and does
// nothing.
func (s *Synapse) FailNext(n, status int) { s.change(func(f *faults) { f.fail, f.status = n, status }) }

// LoseNext does the next n calls, and closes their connections without an
// answer. A client that knows its calls may be repeated sends one again when its
// connection had been used before: to it, only two in a row are lost.
func (s *Synapse) LoseNext(n int) { s.change(func(f *faults) { f.lose = n }) }

// Recover ends every fault.
func (s *Synapse) Recover() {
	s.change(func(f *faults) {
		close(f.released)
		*f = faults{released: make(chan struct{})}
	})
}

func (s *Synapse) change(f func(*faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.faults)
}

// misbehave lets a call take its time, and ends it or says how it ends: with an
// answer of its own, or with none once it is done.
func (s *Synapse) misbehave(r *http.Request) (undone *answer, lose bool) {
	s.mu.Lock()
	f := s.faults
	switch {
	case f.fail > 0:
		s.faults.fail--
		undone = problem(f.status, "M_UNKNOWN", "Internal server error")
	case f.lose > 0:
		s.faults.lose--
		lose = true
	}
	s.mu.Unlock()
	if f.down {
		panic(http.ErrAbortHandler)
	}
	if f.hang {
		select {
		case <-f.released:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f.slow > 0 {
		select {
		case <-time.After(f.slow):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	return undone, lose
}
