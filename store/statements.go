package store

import (
	"errors"

	"gorm.io/gorm"
)

// onStatements has before and after called around every statement, under a name of
// their own; after may be nil. They are made for each of GORM's kinds of
// statements: create, query, update, delete, row and raw.
func onStatements(db *gorm.DB, name string, before, after func(kind string) func(*gorm.DB)) error {
	c := db.Callback()
	kinds := []string{"create", "query", "update", "delete", "row", "raw"}
	var errs []error
	for i, p := range list(c.Create(), c.Query(), c.Update(), c.Delete(), c.Row(), c.Raw()) {
		own := "gorm:" + kinds[i]
		errs = append(errs, p.Before(own).Register("keymaker:"+name+":before", before(kinds[i])))
		if after != nil {
			errs = append(errs, p.After(own).Register("keymaker:"+name+":after", after(kinds[i])))
		}
	}
	return errors.Join(errs...)
}

// always is what is the same for statements of each kind.
func always(do func(*gorm.DB)) func(kind string) func(*gorm.DB) {
	return func(string) func(*gorm.DB) { return do }
}

// list makes a slice of values of a type that has no name here.
func list[T any](of ...T) []T { return of }
