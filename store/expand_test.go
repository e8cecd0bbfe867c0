package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// firstChecked is the migration from which on a program looks whether it may run
// on a newer database.
const firstChecked = 23

// expanding are statements that a program of before does not notice.
var expanding = []*regexp.Regexp{
	regexp.MustCompile(`^CREATE TABLE `),
	regexp.MustCompile(`^CREATE INDEX IF NOT EXISTS `), // one may have made it beforehand, without a lock
	regexp.MustCompile(`^ALTER TABLE \w+ SET \(`),
}

var (
	comments   = regexp.MustCompile(`(?m)^\s*--.*$`)
	spaces     = regexp.MustCompile(`\s+`)
	newColumn  = regexp.MustCompile(`^ALTER TABLE \w+ ADD COLUMN `)
	newIndex   = regexp.MustCompile(`^CREATE (?:UNIQUE )?INDEX \w+ ON (\w+)`)
	newTable   = regexp.MustCompile(`CREATE TABLE (\w+)`)
	oldestView = regexp.MustCompile(`CREATE VIEW oldest_program AS SELECT CAST\((\d+) AS BIGINT\) AS version`)
)

// contracts returns the first statement of a migration that a program of the
// version before could notice, or "".
func contracts(up string) string {
	made := map[string]bool{}
	for _, table := range newTable.FindAllStringSubmatch(up, -1) {
		made[table[1]] = true
	}
statements:
	for statement := range strings.SplitSeq(up, ";") {
		statement = strings.TrimSpace(spaces.ReplaceAllString(statement, " "))
		if statement == "" {
			continue
		}
		for _, e := range expanding {
			if e.MatchString(statement) {
				continue statements
			}
		}
		column := newColumn.MatchString(statement) && !strings.Contains(statement, "UNIQUE") &&
			(!strings.Contains(statement, "NOT NULL") || strings.Contains(statement, " DEFAULT "))
		index := newIndex.FindStringSubmatch(statement)
		if !column && (index == nil || !made[index[1]]) {
			return statement
		}
	}
	return ""
}

// wrongStep tells what is wrong with a migration for a fleet that is upgraded one
// server after the other: it may only add, or has to say which programs it ends,
// and these must be older than the version before.
func wrongStep(version int, text string) string {
	up, _, _ := strings.Cut(comments.ReplaceAllString(strings.Replace(text, "-- +goose Down", "\x00", 1), ""), "\x00")
	says := oldestView.FindStringSubmatch(spaces.ReplaceAllString(up, " "))
	if says == nil {
		if s := contracts(up); s != "" {
			return "it does not only add, and does not say from which version on no program notices: " + s
		}
		return ""
	}
	if oldest, err := strconv.Atoi(says[1]); err != nil || oldest >= version {
		return fmt.Sprintf("it ends the programs of the version before: %s", says[1])
	}
	return ""
}

func TestMigrationsLeaveTheVersionBeforeRunning(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, file := range files {
		number, _, _ := strings.Cut(filepath.Base(file), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if version < firstChecked {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// What is SQLite's alone happens where there is one server.
		text = bytes.ReplaceAll(text, []byte("\n--postgres "), []byte("\n"))
		if wrong := wrongStep(version, string(text)); wrong != "" {
			t.Errorf("%s: %s", file, wrong)
		}
	}
}

func TestWrongSteps(t *testing.T) {
	const view = "DROP VIEW oldest_program; CREATE VIEW oldest_program AS SELECT CAST(%d AS BIGINT) AS version;"
	tests := []struct {
		name, up string
		wrong    bool
	}{
		{"a table", "CREATE TABLE a (b TEXT NOT NULL PRIMARY KEY);\nCREATE INDEX a_b ON a (b);\nCREATE UNIQUE INDEX a_c ON a (c) WHERE c IS NOT NULL;", false},
		{"an index on a table that was there", "CREATE INDEX IF NOT EXISTS a ON users (email);", false},
		{"an index that nobody can make beforehand", "CREATE INDEX a ON users (email);", true},
		{"a column that may be empty", "ALTER TABLE users ADD COLUMN a BIGINT;", false},
		{"a column with a default", "ALTER TABLE users ADD COLUMN a TEXT\n  NOT NULL DEFAULT '';", false},
		{"an index less, which may be the one that makes rows unique", "DROP INDEX a;", true},
		{"how rows are laid", "ALTER TABLE sessions SET (fillfactor = 80);", false},
		{"a column without a default", "ALTER TABLE users ADD COLUMN a TEXT NOT NULL;", true},
		{"a unique column", "ALTER TABLE users ADD COLUMN a TEXT UNIQUE;", true},
		{"a unique index on an old table", "CREATE UNIQUE INDEX a ON users (email);", true},
		{"a column less", "ALTER TABLE users DROP COLUMN email;", true},
		{"another name", "ALTER TABLE users RENAME COLUMN email TO mail;", true},
		{"a table less", "-- gone\nDROP TABLE users;", true},
		{"rows that change", "UPDATE users SET email = lower(email);", true},
		{"a column less, which the version before does not use", fmt.Sprintf("ALTER TABLE users DROP COLUMN email;"+view, 49), false},
		{"a column less, which the version before uses", fmt.Sprintf("ALTER TABLE users DROP COLUMN email;"+view, 50), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if wrong := wrongStep(50, "-- +goose Up\n"+tt.up+"\n-- +goose Down\nDROP TABLE nothing;"); (wrong != "") != tt.wrong {
				t.Errorf("found wrong: %q", wrong)
			}
		})
	}
}
