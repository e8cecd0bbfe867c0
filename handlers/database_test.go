package handlers_test

import (
	"database/sql"
	"strconv"
	"strings"

	"keymaker/internal/harness"
	"keymaker/store"
)

// database is the server's database behind its back: for what no request can
// look at, and for what only an administrator or a fault can do.
func database(e *harness.Env) *sql.DB {
	e.T.Helper()
	driver, source := "pgx", e.Database
	if path, ok := strings.CutPrefix(e.Database, "sqlite:"); ok {
		driver, source = store.SQLiteDriver, path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		e.T.Fatalf("open the database: %v", err)
	}
	db.SetMaxOpenConns(1)
	e.T.Cleanup(func() { _ = db.Close() })
	return db
}

// execute runs a statement behind the server's back.
func execute(e *harness.Env, statement string, args ...any) {
	e.T.Helper()
	if _, err := database(e).ExecContext(e.T.Context(), marked(e, statement), args...); err != nil {
		e.T.Fatalf("%s: %v", statement, err)
	}
}

// onPostgres tells whether the environment's database is one.
func onPostgres(e *harness.Env) bool { return !strings.HasPrefix(e.Database, "sqlite:") }

// marked is a statement with the marks of the database in place of each "?".
func marked(e *harness.Env, statement string) string {
	if !onPostgres(e) {
		return statement
	}
	parts := strings.Split(statement, "?")
	for i := range parts[1:] {
		parts[i] += "$" + strconv.Itoa(i+1)
	}
	return strings.Join(parts, "")
}

// broken makes a kind of write ("INSERT ON devices") fail, as a full disk would,
// until repair is called.
func broken(e *harness.Env, write string) (repair func()) {
	e.T.Helper()
	does, table := "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END", ""
	if onPostgres(e) {
		execute(e, "CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk I/O error'; END $$")
		does, table = "FOR EACH ROW EXECUTE FUNCTION broken()", write[strings.Index(write, " ON "):]
	}
	execute(e, "CREATE TRIGGER broken BEFORE "+write+" "+does)
	return func() {
		e.T.Helper()
		execute(e, "DROP TRIGGER broken"+table)
	}
}
