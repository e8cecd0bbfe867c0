package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
)

// SessionRow lets tests set up any state of a session.
type SessionRow = sessionRow

// RotationOf is what decides about a refresh token.
var RotationOf = (*sessionRow).rotation

// Busy are the sizes that tests go beyond.
const (
	SweepBatch  = sweepBatch
	UsesAtOnce  = usesAtOnce
	MostPending = mostPending

	MaxRendezvous        = maxRendezvous
	MaxNetworkRendezvous = maxNetworkRendezvous
	MaxRendezvousWrites  = maxRendezvousWrites

	Patience = patience
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

// Pend collects so many uses of sessions that do not exist.
func (s *Store) Pend(count int) {
	for i := range count {
		s.MarkUsed(&Session{use: use{session: fmt.Sprint("unknown ", i), localpart: "nobody", device: "D"}})
	}
}

// MigrateSQLiteTo gives a SQLite file the tables of an older version.
func MigrateSQLiteTo(ctx context.Context, path string, version int64) error {
	scripts, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return onSQLite(ctx, path, scripts, func(p *goose.Provider) error {
		_, err := p.UpTo(ctx, version)
		return err
	})
}

// SessionByHash is how an access token is looked up.
const SessionByHash = sessionByHash

// BeginTurn begins a transaction of SQLite as GORM does.
func (s *Store) BeginTurn(ctx context.Context) (gorm.TxCommitter, error) { return s.turns.begin(ctx) }

// Batches changes how many transactions share a commit of SQLite at most, and how
// long the first of them waits for the others.
func (s *Store) Batches(most int, longest time.Duration) {
	s.turns.most, s.turns.longest = most, longest
}

// What tests of a copy do in place of one that was killed.
const (
	TakeTurn  = takeTurn
	CopyTable = copyTable
)

// AtLength is the context of what writes many rows in the background.
var AtLength = atLength

// Writer sends SQL that no method sends, in the transaction of ctx if there is
// one.
func (s *Store) Writer(ctx context.Context) *gorm.DB { return s.write(ctx) }

// SealedColumns are the columns that Reseal knows, sorted.
func SealedColumns() []string {
	var all []string
	for _, c := range append(resealed, dropped...) {
		all = append(all, c.table+"."+c.column)
	}
	slices.Sort(all)
	return all
}

// Configure takes clients into use, if they can be.
func (s *Store) Configure(ctx context.Context, clients []NewClient) error {
	c, err := s.ReadConfigured(ctx, clients)
	if err == nil {
		s.UseConfigured(c)
	}
	return err
}
