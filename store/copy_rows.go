package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

const (
	// A batch has at most so many rows, values and bytes: PostgreSQL takes 65,535
	// values in one statement, SQLite 32,766.
	batchRows   = 1000
	batchValues = 30_000
	batchBytes  = 4 << 20
)

// batchOf is how many rows of a table go into one statement.
func batchOf(t *copiedTable) int { return min(batchRows, batchValues/len(t.columns)) }

// side is one of the two databases of a copy.
type side struct {
	*Store
	conn *sql.DB
}

// mark is the n-th placeholder, from 1.
func (s *side) mark(n int) string {
	if s.postgres {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// marks are placeholders in brackets, the first of them the n-th.
func (s *side) marks(n, count int) string {
	all := make([]string, count)
	for i := range all {
		all[i] = s.mark(n + i)
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// execute sends a statement that is made of names of the schema and of marks.
func execute(ctx context.Context, tx *sql.Tx, statement string, args ...any) error {
	_, err := tx.ExecContext(ctx, statement, args...)
	return err
}

// row asks for one row.
func (s *side) row(ctx context.Context, query string, args ...any) *sql.Row {
	return s.conn.QueryRowContext(ctx, query, args...)
}

// page reads the rows of a table that come after a key, in its order; nil begins.
// It reads no more than fits into one batch.
func (s *side) page(ctx context.Context, t *copiedTable, after []any) (rows [][]any, err error) {
	query := "SELECT " + t.names() + " FROM " + t.name
	if after != nil {
		query += " WHERE (" + t.keyNames() + ") > " + s.marks(1, len(after))
	}
	query += " ORDER BY " + t.keyNames() + " LIMIT " + strconv.Itoa(batchOf(t))
	size := 0
	err = s.each(ctx, t, query, after, func(row []any) bool {
		rows = append(rows, row)
		for _, value := range row {
			size += sizeOf(value)
		}
		return size < batchBytes
	})
	return rows, err
}

func sizeOf(value any) int {
	switch v := value.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	}
	return 8
}

// each calls do for every row of a query until it returns false.
func (s *side) each(ctx context.Context, t *copiedTable, query string, args []any, do func(row []any) bool) error {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", t.name, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		row, err := scanRow(rows, t)
		if err != nil {
			return fmt.Errorf("read %s: %w", t.name, err)
		}
		if !do(row) {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", t.name, err)
	}
	return nil
}

// scanRow reads values as what their columns hold, whatever a driver makes of
// them: nil, string, int64 or []byte.
func scanRow(rows *sql.Rows, t *copiedTable) ([]any, error) {
	into := make([]any, len(t.columns))
	for i, c := range t.columns {
		switch c.kind {
		case kindText:
			into[i] = new(sql.NullString)
		case kindInt:
			into[i] = new(sql.NullInt64)
		default:
			into[i] = new(any) // which tells an empty value from none, whatever the driver
		}
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	row := make([]any, len(into))
	for i, value := range into {
		switch v := value.(type) {
		case *sql.NullString:
			if v.Valid {
				row[i] = v.String
			}
		case *sql.NullInt64:
			if v.Valid {
				row[i] = v.Int64
			}
		case *any:
			if b, ok := (*v).([]byte); ok {
				row[i] = append([]byte{}, b...)
			}
		}
	}
	return row, nil
}

// keyOf are the values of a row's primary key.
func (t *copiedTable) keyOf(row []any) []any {
	key := make([]any, len(t.key))
	for i, at := range t.key {
		key[i] = row[at]
	}
	return key
}

// encodeKey writes a key as a text that both databases keep as it is.
func encodeKey(key []any) (string, error) {
	texts := make([]string, len(key))
	for i, value := range key {
		switch v := value.(type) {
		case string:
			texts[i] = base64.StdEncoding.EncodeToString([]byte(v))
		case []byte:
			texts[i] = base64.StdEncoding.EncodeToString(v)
		case int64:
			texts[i] = strconv.FormatInt(v, 10)
		}
	}
	data, err := json.Marshal(texts)
	return string(data), err
}

// decodeKey is the inverse of encodeKey; nil for "".
func (t *copiedTable) decodeKey(text string) ([]any, error) {
	if text == "" {
		return nil, nil
	}
	var texts []string
	if err := json.Unmarshal([]byte(text), &texts); err != nil || len(texts) != len(t.key) {
		return nil, fmt.Errorf("how far %s was copied cannot be read", t.name)
	}
	key := make([]any, len(texts))
	for i, at := range t.key {
		data, err := base64.StdEncoding.DecodeString(texts[i])
		switch t.columns[at].kind {
		case kindText:
			key[i] = string(data)
		case kindBytes:
			key[i] = data
		default:
			key[i], err = strconv.ParseInt(texts[i], 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("how far %s was copied: %w", t.name, err)
		}
	}
	return key, nil
}

// insert writes rows in one statement.
func (s *side) insert(ctx context.Context, tx *sql.Tx, t *copiedTable, rows [][]any) error {
	values := make([]string, len(rows))
	args := make([]any, 0, len(rows)*len(t.columns))
	for i, row := range rows {
		values[i] = s.marks(len(args)+1, len(row))
		args = append(args, row...)
	}
	if err := execute(ctx, tx, "INSERT INTO "+t.name+" ("+t.names()+") VALUES "+strings.Join(values, ", "), args...); err != nil {
		return fmt.Errorf("write %s: %w", t.name, err)
	}
	return nil
}

// sum counts the rows of a table, and combines a hash of each to one that the
// order of the rows does not change. No two rows are alike, for each has a key.
func (s *side) sum(ctx context.Context, t *copiedTable) (rows int64, sum [sha256.Size]byte, err error) {
	var buffer []byte
	err = s.each(ctx, t, "SELECT "+t.names()+" FROM "+t.name, nil, func(row []any) bool {
		buffer = buffer[:0]
		for _, value := range row {
			buffer = appendValue(buffer, value)
		}
		one := sha256.Sum256(buffer)
		subtle.XORBytes(sum[:], sum[:], one[:])
		rows++
		return true
	})
	return rows, sum, err
}

// appendValue writes a value so that no other value, and no other two, look alike.
func appendValue(to []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return append(binary.AppendUvarint(append(to, 't'), uint64(len(v))), v...)
	case []byte:
		return append(binary.AppendUvarint(append(to, 'b'), uint64(len(v))), v...)
	case int64:
		return binary.AppendVarint(append(to, 'i'), v)
	}
	return append(to, '0')
}
