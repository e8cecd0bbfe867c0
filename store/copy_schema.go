package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// copiedTable is a table as a copy sees it. Everything is read from the database:
// a table that a later migration makes is copied without another word.
type copiedTable struct {
	name    string
	columns []copiedColumn
	// key are the places of the columns of the primary key.
	key     []int
	parents []string
}

type copiedColumn struct{ name, kind string }

// The types of columns that both databases have alike.
const (
	kindText  = "TEXT"
	kindInt   = "BIGINT"
	kindBytes = "BYTEA"
)

// ofPostgres are the names that PostgreSQL has for them.
var ofPostgres = map[string]string{"text": kindText, "bigint": kindInt, "bytea": kindBytes}

// uncopied are tables that each database has for itself, and the view that its
// migrations make.
var uncopied = []string{"goose_db_version", "goose_lock", "oldest_program", copyTable}

// names are the columns, quoted: some have names that SQL gives a meaning.
func (t *copiedTable) names() string {
	var all []string
	for _, c := range t.columns {
		all = append(all, `"`+c.name+`"`)
	}
	return strings.Join(all, ", ")
}

// keyNames are the columns of the primary key.
func (t *copiedTable) keyNames() string {
	var all []string
	for _, i := range t.key {
		all = append(all, `"`+t.columns[i].name+`"`)
	}
	return strings.Join(all, ", ")
}

// copiedTables are the tables of a SQLite database, those that others refer to
// before those that do.
func copiedTables(ctx context.Context, conn *sql.DB) ([]*copiedTable, error) {
	names, err := column[string](ctx, conn, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	all := map[string]*copiedTable{}
	for _, name := range names {
		if slices.Contains(uncopied, name) {
			continue
		}
		if all[name], err = describe(ctx, conn, name); err != nil {
			return nil, err
		}
	}
	return inOrder(all)
}

// describe reads what SQLite says of a table.
func describe(ctx context.Context, conn *sql.DB, name string) (*copiedTable, error) {
	t := &copiedTable{name: name}
	rows, err := conn.QueryContext(ctx, "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid", name)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	defer func() { _ = rows.Close() }()
	place := map[int]int{} // in the key, of a column
	for rows.Next() {
		var c copiedColumn
		var pk int
		if err := rows.Scan(&c.name, &c.kind, &pk); err != nil {
			return nil, fmt.Errorf("describe %s: %w", name, err)
		}
		if !slices.Contains(slices.Collect(maps.Values(ofPostgres)), c.kind) {
			return nil, fmt.Errorf("describe %s: column %s has type %s, which cannot be copied", name, c.name, c.kind)
		}
		if pk > 0 {
			place[len(t.columns)] = pk
			t.key = append(t.key, len(t.columns))
		}
		t.columns = append(t.columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	if len(t.key) == 0 {
		return nil, fmt.Errorf("describe %s: it has no primary key, and cannot be copied", name)
	}
	slices.SortFunc(t.key, func(a, b int) int { return cmp.Compare(place[a], place[b]) })
	t.parents, err = column[string](ctx, conn, `SELECT DISTINCT "table" FROM pragma_foreign_key_list('`+name+"')")
	return t, err
}

// inOrder sorts tables so that each comes after those that it refers to.
func inOrder(all map[string]*copiedTable) ([]*copiedTable, error) {
	var sorted []*copiedTable
	done := map[string]bool{}
	for len(sorted) < len(all) {
		before := len(sorted)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			ready := !slices.ContainsFunc(all[name].parents, func(parent string) bool { return !done[parent] })
			if ready && !done[name] {
				sorted, done[name] = append(sorted, all[name]), true
			}
		}
		if len(sorted) == before {
			return nil, fmt.Errorf("the tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

// sameInPostgres tells that PostgreSQL has the same tables with the same columns.
func sameInPostgres(ctx context.Context, conn *sql.DB, tables []*copiedTable) error {
	there, err := column[string](ctx, conn, `SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = current_schema()`)
	if err != nil {
		return fmt.Errorf("list the tables of PostgreSQL: %w", err)
	}
	var found, wanted []string
	for _, c := range there {
		name, kind, _ := strings.Cut(c, " ")
		if table, _, _ := strings.Cut(name, "."); !slices.Contains(uncopied, table) {
			found = append(found, name+" "+cmp.Or(ofPostgres[kind], kind))
		}
	}
	for _, t := range tables {
		for _, c := range t.columns {
			wanted = append(wanted, t.name+"."+c.name+" "+c.kind)
		}
	}
	slices.Sort(found)
	slices.Sort(wanted)
	if !slices.Equal(found, wanted) {
		return fmt.Errorf("the tables are not the same on both sides: %s", strings.Join(difference(wanted, found), ", "))
	}
	return nil
}

// difference is what only one of two lists has.
func difference(a, b []string) []string {
	var only []string
	for _, list := range [][2][]string{{a, b}, {b, a}} {
		for _, one := range list[0] {
			if !slices.Contains(list[1], one) {
				only = append(only, one)
			}
		}
	}
	return only
}
