package fill

import (
	"context"
	"fmt"
	"strings"
)

// Exec runs SQL that nothing else sends.
func (d *Database) Exec(ctx context.Context, statement string) error {
	_, err := d.db.ExecContext(ctx, statement)
	return err
}

// Shape tells of each column of the first row whether it is set; of a text or a
// hash in it also the length, to eight characters.
func (d *Database) Shape(ctx context.Context, table, where string) ([]string, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT * FROM "+table+" WHERE "+where+" LIMIT 1")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		return nil, err
	}
	values, pointers := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		pointers[i] = &values[i]
	}
	if err := rows.Scan(pointers...); err != nil {
		return nil, err
	}
	var shape []string
	for i, name := range names {
		shape = append(shape, name+" "+shapeOf(values[i]))
	}
	return shape, rows.Err()
}

func shapeOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case string:
		return fmt.Sprintf("%T %d", v, (len(strings.TrimSpace(v))+7)/8)
	case []byte:
		return fmt.Sprintf("%T %d", v, len(v))
	}
	return fmt.Sprintf("%T", value)
}
