package store

import (
	"context"
	"fmt"
	"slices"
)

// oldestProgram asks for the oldest version whose program may run on the
// database. The migrations say it, so that a program knows it of migrations that
// it does not have: while servers are upgraded one after the other, the older
// ones run on, and can be started again.
const oldestProgram = "SELECT version FROM oldest_program"

// lacks tells whether a database lacks a migration that this program needs.
func lacks(applied, known []int64) bool {
	return slices.ContainsFunc(known, func(version int64) bool { return !slices.Contains(applied, version) })
}

// tooNew returns ErrNewerDatabase for a database that a newer version has written
// and that no longer has what this program uses. ask is for oldestProgram.
func tooNew(applied, known []int64, ask func() (int64, error)) error {
	version, knows := slices.Max(applied), slices.Max(known)
	if version <= knows {
		return nil
	}
	oldest, err := ask()
	if err != nil {
		return fmt.Errorf("which programs may run on the database: %w", err)
	}
	if oldest > knows {
		return fmt.Errorf("%w: it has version %d, which needs a program of version %d at least, this one knows %d", ErrNewerDatabase, version, oldest, knows)
	}
	return nil
}

// runsOn returns ErrNewerDatabase for a database that lacks nothing and is too
// new for this program.
func (s *Store) runsOn(ctx context.Context, applied, known []int64) error {
	err := tooNew(applied, known, func() (oldest int64, err error) {
		return oldest, s.writer.WithContext(ctx).Raw(oldestProgram).Scan(&oldest).Error
	})
	if version := slices.Max(applied); err == nil && version > slices.Max(known) {
		s.log.InfoContext(ctx, "the database is of a newer version, beside which this program may run", "version", version, "known", slices.Max(known))
	}
	return err
}
