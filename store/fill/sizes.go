package fill

import (
	"context"
	"fmt"
	"strings"
)

// Size is what a table or an index takes on the disk.
type Size struct {
	Name  string `json:"name"`
	Table string `json:"table"` // the same for a table itself
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Sizes are those of all tables and indexes that have rows, each table before its
// indexes. A SQLite that was built without its table of pages tells nothing, and
// they are nil.
func (d *Database) Sizes(ctx context.Context) ([]Size, error) {
	query := `SELECT c.relname, coalesce(t.relname, c.relname), c.reltuples::bigint, pg_relation_size(c.oid)
		FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'i') AND c.reltuples > 0 ORDER BY 2, t.relname IS NOT NULL, 1`
	if !d.postgres {
		query = `SELECT s.name, m.tbl_name, sum(CASE s.pagetype WHEN 'leaf' THEN s.ncell ELSE 0 END) AS entries, sum(s.pgsize)
			FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY 1, 2 HAVING entries > 0 ORDER BY 2, m.type = 'index', 1`
	} else if _, err := d.db.ExecContext(ctx, "ANALYZE"); err != nil {
		return nil, fmt.Errorf("analyze: %w", err)
	}
	rows, err := d.db.QueryContext(ctx, query)
	if err != nil && strings.Contains(err.Error(), "no such table: dbstat") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("measure the tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Size
	for rows.Next() {
		var s Size
		if err := rows.Scan(&s.Name, &s.Table, &s.Rows, &s.Bytes); err != nil {
			return nil, fmt.Errorf("measure the tables: %w", err)
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
