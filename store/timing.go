package store

import "time"

// What Options.Observe is told the time of.
const (
	operationRead        = "read"
	operationWrite       = "write"
	operationTransaction = "transaction"
)

// took tells how long something has taken that began then.
func (s *Store) took(operation string, began time.Time) {
	if s.observe != nil {
		s.observe(operation, time.Since(began))
	}
}
