package store

import (
	"errors"
	"time"

	"gorm.io/gorm"
)

// What Options.Observe is told the time of.
const (
	operationRead        = "read"
	operationWrite       = "write"
	operationTransaction = "transaction"
)

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
	c := db.Callback()
	return errors.Join(
		c.Create().Before("gorm:create").Register("keymaker:begin", before), c.Create().After("gorm:create").Register("keymaker:end", after(operationWrite)),
		c.Query().Before("gorm:query").Register("keymaker:begin", before), c.Query().After("gorm:query").Register("keymaker:end", after(operationRead)),
		c.Update().Before("gorm:update").Register("keymaker:begin", before), c.Update().After("gorm:update").Register("keymaker:end", after(operationWrite)),
		c.Delete().Before("gorm:delete").Register("keymaker:begin", before), c.Delete().After("gorm:delete").Register("keymaker:end", after(operationWrite)),
		c.Row().Before("gorm:row").Register("keymaker:begin", before), c.Row().After("gorm:row").Register("keymaker:end", after(operationRead)),
		c.Raw().Before("gorm:raw").Register("keymaker:begin", before), c.Raw().After("gorm:raw").Register("keymaker:end", after(operationWrite)),
	)
}
