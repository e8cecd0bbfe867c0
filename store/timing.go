package store

import (
	"time"

	"gorm.io/gorm"
)

// What Options.Observe is told the time of.
const (
	operationRead        = "read"
	operationWrite       = "write"
	operationTransaction = "transaction"
)

// timed are the operations of GORM's kinds of statements.
var timed = map[string]string{"create": operationWrite, "query": operationRead, "update": operationWrite, "delete": operationWrite, "row": operationRead, "raw": operationWrite}

// beganKey is where a statement keeps when it began.
const beganKey = "keymaker:began"

// took tells how long something has taken that began then.
func (s *Store) took(operation string, began time.Time) {
	if s.observe != nil {
		s.observe(operation, time.Since(began))
	}
}

// timeStatements has every statement observed.
func (s *Store) timeStatements(db *gorm.DB) error {
	if s.observe == nil {
		return nil
	}
	before := func(db *gorm.DB) {
		if !db.DryRun { // which renders a statement inside of another
			db.Statement.Settings.Store(beganKey, time.Now()) //nolint:forbidigo // a duration, not a point in time
		}
	}
	after := func(operation string) func(*gorm.DB) {
		return func(db *gorm.DB) {
			if began, ok := db.Statement.Settings.LoadAndDelete(beganKey); ok {
				if t, ok := began.(time.Time); ok {
					s.took(operation, t)
				}
			}
		}
	}
	return onStatements(db, "time", always(before), func(kind string) func(*gorm.DB) { return after(timed[kind]) })
}
