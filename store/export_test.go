package store

import (
	"database/sql"
	"testing"
)

// SessionRow lets tests set up any state of a session.
type SessionRow = sessionRow

// RotationOf is what decides about a refresh token.
var RotationOf = (*sessionRow).rotation

// Busy are the sizes that tests go beyond.
const (
	SweepBatch     = sweepBatch
	SeenResolution = seenResolution
)

// SQL are the pools below GORM: what writes and what reads.
func (s *Store) SQL(t testing.TB) (writer, reader *sql.DB) {
	t.Helper()
	w, err := pool(s.writer)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pool(s.reader)
	if err != nil {
		t.Fatal(err)
	}
	return w, r
}
