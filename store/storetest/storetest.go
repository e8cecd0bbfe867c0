// Package storetest gives tests an empty database on every kind that is
// supported: SQLite always, PostgreSQL where KEYMAKER_TEST_POSTGRES holds the
// URL of a database in which the user may make schemas.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/store"
)

// ServerName is the Matrix server name of every store that Open opens.
const ServerName = "example.org"

// Variable names the PostgreSQL database to test on.
const Variable = "KEYMAKER_TEST_POSTGRES"

// Start is where the clock of every store that Open opens stands at first,
// unless the test brings its own.
var Start = time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC)

// Database is a kind of database.
type Database struct {
	// Name is "sqlite" or "postgres".
	Name string
	// URL makes a database without rows, and returns its URL. The database is
	// gone when the test ends.
	URL func(testing.TB) string
	// Empty is URL for a database that has no tables either.
	Empty func(testing.TB) string
}

// Databases are the kinds of database to test on.
func Databases() []Database {
	kinds := []Database{{Name: "sqlite", URL: SQLite, Empty: emptySQLite}}
	if os.Getenv(Variable) != "" {
		kinds = append(kinds, Database{Name: "postgres", URL: postgresURL, Empty: postgresURL})
	}
	return kinds
}

// Main runs the tests of a package, and says so when PostgreSQL is not among
// the databases. It is to be called by TestMain, with its testing.M or what
// stands for it.
func Main(m interface{ Run() int }) {
	if os.Getenv(Variable) == "" {
		fmt.Println("PostgreSQL was not tested: " + Variable + " is not set")
	}
	os.Exit(m.Run())
}

// Each runs a test once on every kind of database, as a subtest of its name.
func Each(t *testing.T, test func(*testing.T, Database)) {
	t.Helper()
	for _, d := range Databases() {
		t.Run(d.Name, func(t *testing.T) { test(t, d) })
	}
}

// Options are what Open opens a database with: a clock that stands still, and
// a master key of its own.
func Options(t testing.TB, databaseURL string) store.Options {
	t.Helper()
	sealer, err := secret.NewSealer(secret.Bytes(secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return store.Options{URL: secret.Text(databaseURL), ServerName: ServerName, Clock: clock.NewManual(Start), Sealer: sealer,
		Logger: slog.New(slog.DiscardHandler)}
}

// Open opens an empty database until the test ends.
func (d Database) Open(t testing.TB, change ...func(*store.Options)) *store.Store {
	t.Helper()
	o := Options(t, d.URL(t))
	for _, c := range change {
		c(&o)
	}
	return Open(t, o)
}

// Open opens a store until the test ends.
func Open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() }) // the test may have broken it on purpose
	return s
}

// SecretFile writes a new master key to a file, for a server on PostgreSQL.
func SecretFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keymaker.secret")
	if _, err := secret.ReadOrCreateKey(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// SQLite makes a SQLite database without rows, and returns its URL. It is a copy
// of one that was migrated before: a test does not wait for that either.
func SQLite(t testing.TB) string {
	t.Helper()
	address := emptySQLite(t)
	file, err := migratedSQLite()
	if err == nil {
		err = os.WriteFile(strings.TrimPrefix(address, "sqlite:"), file, 0o600)
	}
	if err != nil {
		t.Fatalf("make a database: %v", err)
	}
	return address
}

// migratedSQLite is the content of a database that only has its tables.
var migratedSQLite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "keymaker-test-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sealer, err := secret.NewSealer(secret.Bytes(secret.KeySize))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "keymaker.db")
	s, err := store.Open(context.Background(), store.Options{URL: secret.Text("sqlite:" + path), ServerName: ServerName, Clock: clock.NewManual(Start),
		Sealer: sealer, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// emptySQLite lies in memory where the system has a file system there: no test
// waits for a disk.
func emptySQLite(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "keymaker-test-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return "sqlite:" + filepath.Join(dir, "keymaker.db")
}

// postgresURL makes a schema, which costs less than a database and separates
// as well: every table, and the lock of the migrations, lies in it.
func postgresURL(t testing.TB) string {
	t.Helper()
	base, err := url.Parse(os.Getenv(Variable))
	if err != nil {
		t.Fatalf("%s is no URL", Variable)
	}
	schema := "test_" + secret.Letters(16)
	execute(t, base.String(), "CREATE SCHEMA "+schema)
	t.Cleanup(func() { execute(t, base.String(), "DROP SCHEMA "+schema+" CASCADE") })
	query := base.Query()
	query.Set("search_path", schema)
	base.RawQuery = query.Encode()
	return base.String()
}

// execute runs one statement on a connection of its own. The context of the
// test is over when the schema is dropped.
func execute(t testing.TB, databaseURL, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatalf("connect to the database in %s: %v", Variable, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}
