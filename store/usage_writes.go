package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// usesAtOnce is how many uses are written by one statement, and in one
// transaction.
const usesAtOnce = 200

// markFirstUses leaves alone what has been rotated or marked in the meantime. On
// PostgreSQL the rows are locked in the order of everybody who locks several. For
// SQLite CROSS JOIN is an order, too: it would go through all sessions and look
// each up among the values.
const markFirstUses = `UPDATE sessions SET generation_used_at = v.used_at
FROM (
	SELECT s.id AS id, u.column3 AS used_at FROM (VALUES %s) AS u
	CROSS JOIN sessions AS s
	WHERE s.id = u.column1 AND s.generation = u.column2 AND s.generation_used_at IS NULL
	ORDER BY s.id %s
) AS v
WHERE sessions.id = v.id`

// markSeen takes no time that is earlier than the one that is stored, and keeps
// the address where none is known.
const markSeen = `UPDATE devices SET last_seen_at = v.seen_at, last_seen_address = COALESCE(NULLIF(v.address, ''), devices.last_seen_address)
FROM (
	SELECT d.localpart AS localpart, d.device_id AS device_id, u.column3 AS seen_at, u.column4 AS address FROM (VALUES %s) AS u
	CROSS JOIN devices AS d
	WHERE d.localpart = u.column1 AND d.device_id = u.column2 AND d.last_seen_at < u.column3
	ORDER BY d.localpart, d.device_id %s
) AS v
WHERE devices.localpart = v.localpart AND devices.device_id = v.device_id`

func bySession(a, b use) int { return cmp.Compare(a.session, b.session) }

// byDevice has the last use of a device first.
func byDevice(a, b use) int {
	return cmp.Or(cmp.Compare(a.localpart, b.localpart), cmp.Compare(a.device, b.device), cmp.Compare(b.at, a.at))
}

func sameDevice(a, b use) bool { return a.localpart == b.localpart && a.device == b.device }

// writeUses writes uses, sorted by session, one of each. It locks rows in the
// order of everybody who locks several: sessions by id, then devices.
func (s *Store) writeUses(ctx context.Context, uses []use) error {
	var first, seen []any
	for _, u := range uses {
		if u.first {
			first = append(first, u.session, u.generation, u.at)
		}
	}
	if err := s.updateFrom(ctx, markFirstUses, "s", "(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT))", first); err != nil {
		return fault("mark first uses", err)
	}
	for _, u := range slices.CompactFunc(slices.SortedFunc(slices.Values(uses), byDevice), sameDevice) {
		if u.device != "" {
			seen = append(seen, u.localpart, u.device, u.at, u.address)
		}
	}
	err := s.updateFrom(ctx, markSeen, "d", "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT))", seen)
	return fault("mark devices as seen", err)
}

// updateFrom changes the rows of one table, named so in statement, for which
// there are values, each as in row.
func (s *Store) updateFrom(ctx context.Context, statement, table, row string, values []any) error {
	if len(values) == 0 {
		return nil
	}
	lock := ""
	if s.postgres {
		lock = "FOR NO KEY UPDATE OF " + table
	}
	rows := strings.TrimSuffix(strings.Repeat(row+", ", len(values)/strings.Count(row, "?")), ", ")
	return s.write(ctx).Exec(fmt.Sprintf(statement, rows, lock), values...).Error
}
