package store_test

import (
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"

	"keymaker/store/storetest"
)

// Each of GORM's kinds of statements is observed once, as what it does.
func TestStatementsAreObserved(t *testing.T) {
	type row struct {
		Lane string
	}
	for _, c := range []struct {
		name string
		do   func(*gorm.DB) error
		want string
	}{
		{"an insert is a write", func(db *gorm.DB) error { return db.Table("observed").Create(&row{"a"}).Error }, "write"},
		{"a query is a read", func(db *gorm.DB) error { return db.Table("observed").Find(&[]row{}).Error }, "read"},
		{"an update is a write", func(db *gorm.DB) error {
			return db.Table("observed").Where("lane = ?", "a").Update("lane", "b").Error
		}, "write"},
		{"a delete is a write", func(db *gorm.DB) error {
			return db.Table("observed").Where("lane = ?", "a").Delete(nil).Error
		}, "write"},
		{"a row that is read by hand is a read", func(db *gorm.DB) error {
			return db.Raw("SELECT lane FROM observed").Row().Err()
		}, "read"},
		{"a statement that returns nothing is a write", func(db *gorm.DB) error {
			return db.Exec("DELETE FROM observed").Error
		}, "write"},
	} {
		t.Run(c.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d storetest.Database) {
				f := open(t, d)
				f.exec("CREATE TABLE observed (lane TEXT)")
				var got []string
				f.options.Observe = func(operation string, _ time.Duration) { got = append(got, operation) }
				db := f.again().Writer(f.ctx)
				got = nil
				f.must(c.do(db.Session(&gorm.Session{SkipDefaultTransaction: true})))
				if !slices.Equal(got, []string{c.want}) {
					t.Errorf("it was observed as %q, want %q", got, c.want)
				}
			})
		})
	}
}
